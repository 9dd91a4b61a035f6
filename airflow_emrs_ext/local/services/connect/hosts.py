"""What sessions and managed endpoints have in common: they serve Spark Connect."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Protocol

from airflow_emrs_ext.local.base.collection import OwnedResource
from airflow_emrs_ext.local.base.driving import Driven
from airflow_emrs_ext.local.base.lifecycle import now
from airflow_emrs_ext.local.base.runner import ConnectDriver
from airflow_emrs_ext.shared.states import State


@dataclass(frozen=True)
class HostKind:
    """What differs between the kinds of hosts.

    :param noun: what one is called within a sentence, e.g. ``session``
    :param token_operation: operation of the API that answers a token
    :param idle_parameter: parameter of the API that limits the time without calls
    :param began: the state into which a host comes when clients can connect
    :param ready: the states in which they can
    :param terminating: the state of one that is being ended
    :param terminated: the state of one that has ended well
    :param failed: the state of one that has not
    :param busy: the state of one that works on a call; ``None``: there is none
    :param idle: the state of one that has had no call for a while; ``None``: there is none
    :param longest_life_minutes: how long one may be ready; ``None``: as long as it is wanted
    """

    noun: str
    token_operation: str
    idle_parameter: str
    began: State
    ready: frozenset[State]
    terminating: State
    terminated: State
    failed: State
    busy: State | None = None
    idle: State | None = None
    longest_life_minutes: int | None = None


class Clock(Protocol):
    """Turns the calls of clients into busy and idle, and time into ends."""

    def call_began(self, host: ConnectHost) -> None:
        """The server works on one more call."""

    def call_ended(self, host: ConnectHost) -> None:
        """The server works on one call less."""


@dataclass(kw_only=True)
class ConnectHost(Driven, OwnedResource):
    """Something that serves Spark Connect.

    :param idle_timeout_minutes: how long it may be without calls, 0: for ever
    :param clock: turns calls into states and time into ends
    :param end: gets its result, why, when the host is to be terminated
    :param gone: set when it takes no calls any more
    :param server: as ``running``
    :param in_flight: calls of clients that the server is working on
    :param tokens_minted: how many tokens clients were given
    """

    KIND: ClassVar[HostKind]

    idle_timeout_minutes: int
    clock: Clock
    end: asyncio.Future[str]
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    server: ConnectDriver | None = None
    started_at: datetime | None = None
    idle_since: datetime | None = None
    ended_at: datetime | None = None
    in_flight: int = 0
    is_held_busy: bool = False
    tokens_minted: int = 0
    timers: dict[str, asyncio.TimerHandle] = field(default_factory=dict)

    def __getstate__(self) -> dict[str, Any]:
        """What another process can go on with."""
        return {**super().__getstate__(), "server": None, "timers": {}, "in_flight": 0, "is_held_busy": False}

    @property
    def label(self) -> str:
        """What it is, and which, to begin a sentence with."""
        return f"{self.KIND.noun.capitalize()} {self.id}"

    @property
    def is_ready(self) -> bool:
        """Whether clients can connect."""
        return self.state in self.KIND.ready

    def move(self, state: State, details: str) -> None:
        """Change the state."""
        change = self.life.move(self, state, details)
        if state is self.KIND.began:
            self.started_at = change.at
        elif state.is_terminal:
            self.ended_at = self.ended_at or change.at
        if state is self.KIND.terminating or state.is_terminal:
            self.gone.set()
        self.idle_since = None

    def call_began(self) -> None:
        """A client's call is under way."""
        self.clock.call_began(self)

    def call_ended(self) -> None:
        """A client's call is over."""
        self.clock.call_ended(self)

    def hold_busy(self, busy: bool) -> None:
        """Behave as if a client's call were under way, or let that go again; for tests.

        :param busy: whether to keep or to let go; harmless when that is so already
        """
        if self.is_held_busy is not busy:
            self.is_held_busy = busy
            (self.call_began if busy else self.call_ended)()

    def became_busy(self) -> None:
        """A call is under way after there was none."""
        busy = self.KIND.busy
        if busy is not None and self.state is not busy:
            self.move(busy, f"The {self.KIND.noun} is executing.")
        self.idle_since = None

    def became_idle(self) -> None:
        """No call has been under way for a while."""
        idle = self.KIND.idle
        if idle is None:
            self.idle_since = now()
        elif self.state is not idle:
            self.move(idle, f"The {self.KIND.noun} is idle.")
            self.idle_since = self.life.changed_at
