"""The states of every resource, spelled once.

Each enumeration holds exactly the values of the enumeration of the same resource in botocore's model (a test compares
them). Everything else in the package asks a state what it means (:attr:`State.is_terminal`, :attr:`State.is_success`,
:attr:`State.can_reach`) and never spells one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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

_BEFORE_RUNNING = {_J.QUEUED, _J.PENDING, _J.SCHEDULED, _J.RUNNING, _J.CANCELLING, _J.CANCELLED, _J.FAILED, _J.SUCCESS}

# The states that may follow a state directly. A retried attempt leads from RUNNING back to the scheduler's states.
_NEXT: Mapping[State, frozenset[State]] = {
    state: frozenset(following)
    for state, following in {
        _A.CREATING: {_A.CREATED, _A.TERMINATED},
        _A.CREATED: {_A.STARTING, _A.TERMINATED},
        _A.STARTING: {_A.STARTED, _A.STOPPING, _A.STOPPED, _A.TERMINATED},
        _A.STARTED: {_A.STOPPING, _A.TERMINATED},
        _A.STOPPING: {_A.STOPPED, _A.TERMINATED},
        _A.STOPPED: {_A.STARTING, _A.TERMINATED},
        _A.TERMINATED: set[State](),
        _J.SUBMITTED: _BEFORE_RUNNING,
        _J.QUEUED: _BEFORE_RUNNING,
        _J.PENDING: _BEFORE_RUNNING,
        _J.SCHEDULED: _BEFORE_RUNNING,
        _J.RUNNING: {*_BEFORE_RUNNING, _J.SUBMITTED},
        _J.CANCELLING: {_J.CANCELLED, _J.FAILED, _J.SUCCESS},
        _J.CANCELLED: set[State](),
        _J.FAILED: set[State](),
        _J.SUCCESS: set[State](),
    }.items()
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
