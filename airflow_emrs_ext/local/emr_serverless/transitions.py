"""Which state may follow which, and the one way in which a resource changes its state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from airflow_emrs_ext.states import ApplicationState, JobRunState, SessionState, State

_A, _J, _S = ApplicationState, JobRunState, SessionState

APPLICATION: Mapping[State, frozenset[State]] = {
    _A.CREATING: frozenset({_A.CREATED}),
    _A.CREATED: frozenset({_A.STARTING, _A.TERMINATED}),
    _A.STARTING: frozenset({_A.STARTED, _A.STOPPING}),
    _A.STARTED: frozenset({_A.STOPPING}),
    _A.STOPPING: frozenset({_A.STOPPED}),
    _A.STOPPED: frozenset({_A.STARTING, _A.TERMINATED}),
    _A.TERMINATED: frozenset(),
}

# SCHEDULED and RUNNING lead back to SUBMITTED when a failed attempt is followed by another.
JOB_RUN: Mapping[State, frozenset[State]] = {
    _J.SUBMITTED: frozenset({_J.QUEUED, _J.PENDING, _J.CANCELLING, _J.FAILED}),
    _J.QUEUED: frozenset({_J.PENDING, _J.CANCELLING, _J.FAILED}),
    _J.PENDING: frozenset({_J.SCHEDULED, _J.CANCELLING, _J.FAILED}),
    _J.SCHEDULED: frozenset({_J.RUNNING, _J.CANCELLING, _J.FAILED, _J.SUBMITTED}),
    _J.RUNNING: frozenset({_J.SUCCESS, _J.FAILED, _J.CANCELLING, _J.SUBMITTED}),
    _J.CANCELLING: frozenset({_J.CANCELLED}),
    _J.SUCCESS: frozenset(),
    _J.FAILED: frozenset(),
    _J.CANCELLED: frozenset(),
}

SESSION: Mapping[State, frozenset[State]] = {
    _S.SUBMITTED: frozenset({_S.STARTING, _S.TERMINATING, _S.FAILED}),
    _S.STARTING: frozenset({_S.STARTED, _S.TERMINATING, _S.FAILED}),
    _S.STARTED: frozenset({_S.IDLE, _S.BUSY, _S.TERMINATING, _S.FAILED}),
    _S.IDLE: frozenset({_S.BUSY, _S.TERMINATING, _S.FAILED}),
    _S.BUSY: frozenset({_S.IDLE, _S.TERMINATING, _S.FAILED}),
    _S.TERMINATING: frozenset({_S.TERMINATED}),
    _S.FAILED: frozenset(),
    _S.TERMINATED: frozenset(),
}

DETAILS_LIMIT = 256


class IllegalTransitionError(RuntimeError):
    """The service tried to change a state in a way that its own table forbids: a defect of the endpoint."""


@dataclass(frozen=True)
class Change:
    """One entry of a resource's state history."""

    state: State
    at: datetime
    details: str
    attempt: int | None = None


@dataclass(frozen=True)
class Transition:
    """What listeners are told: a resource has changed its state.

    :param resource: the application, job run or session
    :param previous: the state it left, ``None`` for a new resource
    :param change: the state it is in now
    """

    resource: Any
    previous: State | None
    change: Change


Listener = Callable[[Transition], None]


@dataclass
class Lifecycle:
    """The state of one resource, how it came to it, and who is told of a change."""

    table: Mapping[State, frozenset[State]]
    listeners: list[Listener]
    history: list[Change] = field(default_factory=list)

    @property
    def state(self) -> State:
        """The state that the resource is in."""
        return self.history[-1].state

    @property
    def details(self) -> str:
        """The sentence that came with the state."""
        return self.history[-1].details

    @property
    def changed_at(self) -> datetime:
        """When the resource came into its state."""
        return self.history[-1].at

    def move(self, resource: Any, state: State, details: str, attempt: int | None = None) -> Change:
        """Change the state; every change of every resource's state happens here.

        :param resource: whose state it is, for the listeners
        :param state: the new state
        :param details: a sentence for ``stateDetails``; cut at the API's limit
        :param attempt: the attempt that is concerned, for a job run
        :raises IllegalTransitionError: the table does not allow it
        """
        previous = self.history[-1].state if self.history else None
        if previous is not None and state not in self.table[previous]:
            raise IllegalTransitionError(f"{previous} cannot become {state} ({details})")
        change = Change(state, now(), shorten(details), attempt)
        self.history.append(change)
        for listener in self.listeners:
            listener(Transition(resource, previous, change))
        return change


def now() -> datetime:
    """The time, as every timestamp of the service has it: aware, in UTC."""
    return datetime.now(timezone.utc)


def shorten(details: str) -> str:
    """A text that fits ``stateDetails``: on one line, at most 256 characters; empty when it was blank."""
    text = " ".join(details.split())
    return text if len(text) <= DETAILS_LIMIT else text[: DETAILS_LIMIT - 1] + "…"
