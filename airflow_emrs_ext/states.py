"""The states of every resource, spelled once.

Each enumeration holds exactly the values of the enumeration of the same resource in botocore's model (a test compares
them). Everything else in the package asks a state what it means (:attr:`State.is_terminal`, :attr:`State.is_success`,
:attr:`State.can_reach`) and never spells one.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from functools import cache


class State(str, Enum):
    """A state as the API spells it; compares equal to the plain string and renders as it."""

    __str__ = str.__str__

    @property
    def is_terminal(self) -> bool:
        """The resource will never leave this state."""
        return not _NEXT[self]

    @property
    def is_active(self) -> bool:
        """The resource exists and may still change or cost money."""
        return not self.is_terminal

    @property
    def is_success(self) -> bool:
        """The state in which the resource has done what it was made for."""
        return self in _SUCCESS

    def can_reach(self, targets: Iterable[State]) -> bool:
        """Whether the resource is in one of ``targets`` or may still come to be."""
        return not _reachable(self).isdisjoint(targets)


class ApplicationState(State):
    """States of an EMR Serverless application (GetApplication)."""

    CREATING = "CREATING"
    CREATED = "CREATED"
    STARTING = "STARTING"
    STARTED = "STARTED"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    TERMINATED = "TERMINATED"


class JobRunState(State):
    """States of an EMR Serverless job run (GetJobRun)."""

    SUBMITTED = "SUBMITTED"
    PENDING = "PENDING"
    SCHEDULED = "SCHEDULED"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"
    QUEUED = "QUEUED"


_A, _J = ApplicationState, JobRunState

_AFTER_SUBMISSION: frozenset[State] = frozenset(JobRunState) - {_J.SUBMITTED}

# The states that a later look may find after a state. A retried attempt leads from RUNNING back to the scheduler's.
_NEXT: dict[State, frozenset[State]] = {
    _A.CREATING: frozenset({_A.CREATED, _A.TERMINATED}),
    _A.CREATED: frozenset({_A.STARTING, _A.TERMINATED}),
    _A.STARTING: frozenset({_A.STARTED, _A.STOPPING, _A.STOPPED, _A.TERMINATED}),
    _A.STARTED: frozenset({_A.STOPPING, _A.TERMINATED}),
    _A.STOPPING: frozenset({_A.STOPPED, _A.TERMINATED}),
    _A.STOPPED: frozenset({_A.STARTING, _A.TERMINATED}),
    _A.TERMINATED: frozenset(),
    _J.SUBMITTED: _AFTER_SUBMISSION,
    _J.QUEUED: _AFTER_SUBMISSION,
    _J.PENDING: _AFTER_SUBMISSION,
    _J.SCHEDULED: _AFTER_SUBMISSION,
    _J.RUNNING: _AFTER_SUBMISSION | {_J.SUBMITTED},
    _J.CANCELLING: frozenset({_J.CANCELLED, _J.FAILED, _J.SUCCESS}),
    _J.CANCELLED: frozenset(),
    _J.FAILED: frozenset(),
    _J.SUCCESS: frozenset(),
}

_SUCCESS: frozenset[State] = frozenset({_A.STARTED, _J.SUCCESS})


@cache
def _reachable(state: State) -> frozenset[State]:
    seen: set[State] = set()
    todo = [state]
    while todo:
        current = todo.pop()
        if current not in seen:
            seen.add(current)
            todo.extend(_NEXT[current])
    return frozenset(seen)
