"""The state of a resource, the one way in which it changes, and who is told."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from airflow_emrs_ext.shared.states import State

DETAILS_LIMIT = 256

_MOMENT: ContextVar[datetime | None] = ContextVar("moment", default=None)


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

    :param resource: e.g. an application or a job run
    :param previous: the state it left, ``None`` for a new resource
    :param change: the state it is in now
    """

    resource: Any
    previous: State | None
    change: Change


Listener = Callable[[Transition], None]


@dataclass
class Lifecycle:
    """The state of one resource, how it came to it, and who is told of a change.

    :param table: which states may follow which
    :param listeners: called with every :class:`Transition`, on the event loop
    """

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
    def created_at(self) -> datetime:
        """When the resource came into its first state."""
        return self.history[0].at

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

    def describe(self, details: str) -> str:
        """Say something else about the state that the resource is in; no listener is told.

        :param details: a sentence for ``stateDetails``; cut at the API's limit
        :return: the sentence as it is kept
        """
        self.history[-1] = replace(self.history[-1], details=shorten(details))
        return self.history[-1].details


def now() -> datetime:
    """The time, as every timestamp of the service has it: aware, in UTC."""
    return _MOMENT.get() or datetime.now(timezone.utc)


@contextlib.contextmanager
def as_of(moment: datetime) -> Iterator[None]:
    """Let what happens have happened at a moment.

    :param moment: what :func:`now` returns meanwhile
    """
    token = _MOMENT.set(moment)
    try:
        yield
    finally:
        _MOMENT.reset(token)


def shorten(details: str) -> str:
    """A text that fits ``stateDetails``: on one line, at most 256 characters; empty when it was blank."""
    text = " ".join(details.split())
    return text if len(text) <= DETAILS_LIMIT else text[: DETAILS_LIMIT - 1] + "…"
