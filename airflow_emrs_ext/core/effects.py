"""What a workflow may ask of its driver and how it is told to wait: the words of the calls of each service."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, fields
from typing import Any, Protocol, TypeAlias, TypeVar

from airflow_emrs_ext.core.formats import known
from airflow_emrs_ext.core.service_clock import ServiceClock

T = TypeVar("T")


class Sink(Protocol):
    """What takes the body of an answer, piece by piece, so that it is never in memory as a whole."""

    def feed(self, chunk: bytes, /) -> bool:
        """Take the next piece; ``False``: the rest is not wanted."""


@dataclass(frozen=True)
class Call:
    """An API call that a driver is to make.

    :param operation: botocore's client method, e.g. ``get_job_run``
    :param parameters: its arguments in the API's own member names
    :param service: botocore's name of the service
    :param sink: for an answer with a body: makes what its pieces are fed to, anew for each repetition; the answer's
        ``Body`` is the fed sink then
    """

    operation: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    service: str = field(kw_only=True)
    sink: Callable[[], Sink] | None = None


@dataclass(frozen=True)
class AcquireSlot:
    """A place in the queue of those who make the same call; the answer is in how many seconds its turn comes.

    :param service: botocore's name of the service
    :param operation: botocore's client method
    """

    service: str
    operation: str


@dataclass(frozen=True)
class Fetch:
    """A document of the web that a driver is to get, as a browser would: with cookies, and where it is redirected to.

    The answer is a mapping with the fed sink as ``Body`` and the ``ContentType``.

    :param url: where it is; it may be a secret, and is not shown
    :param sink: makes what its pieces are fed to
    """

    url: str = field(repr=False)
    sink: Callable[[], Sink]


def never() -> bool:
    """No."""
    return False


@dataclass(frozen=True)
class PollState:
    """A look at no more than the state of a resource, when there is news or the time has come.

    The answer is a :class:`Observation`, or ``None``: it has to be looked at by itself.

    :param kind: key of :data:`~airflow_emrs_ext.resources.RESOURCES`
    :param ids: of the resource
    :param state: what was seen last: another one is news
    :param created_at: when it was created, in ISO 8601, as far as is known
    :param longest: the longest pause between two looks, in seconds
    :param within: when to answer although there is no news, in seconds
    :param queue: URL of the SQS queue that tells of news
    :param notified: whether it does at the moment, so that looks may be rare; the driver knows
    :param is_started: it was started just now, about when ``created_at`` says: to see that it is new can wait for what
        others start, as long as they wait for their turn
    """

    kind: str
    ids: Mapping[str, str]
    state: str | None
    created_at: str | None
    longest: float
    within: float
    queue: str | None = None
    notified: Callable[[], bool] = never
    is_started: bool = False


@dataclass(frozen=True)
class Observation:
    """What is seen of a resource.

    :param state: as the API spells it; ``None``: it is not among those that have not ended, any more
    :param created: when it was created, in seconds since the epoch, where that was seen, too
    """

    state: str | None
    created: float | None = None


@dataclass(frozen=True)
class Sleep:
    """A pause that a driver is to make, in seconds."""

    seconds: float


Effect: TypeAlias = AcquireSlot | Call | Fetch | PollState | Sleep
Effects: TypeAlias = Generator[Effect, Any, T]


# The fields of the first release, which expects them all.
_FIRST_FIELDS = frozenset(
    {
        "waiter_delay",
        "call_patience",
        "deadline",
        "progress_interval",
        "driver_log_interval",
        "notification_queue",
    }
)


@dataclass(frozen=True)
class WaitPolicy:
    """How long, how often and how loudly to wait; plain numbers, so that it crosses to the triggerer as JSON.

    :param waiter_delay: longest pause between two looks at a resource, in seconds
    :param call_patience: how long one call is repeated through throttling, server errors, network failures and answers
        that cannot be read, in seconds
    :param access_patience: how long it is repeated while access is refused (permissions, credentials, proxies,
        redirects), in seconds
    :param deadline: when the whole wait ends, in seconds since the epoch; ``None``: never
    :param limit: the parameter that the deadline comes from, with its value, as an error names it
    :param progress_interval: longest silence in the log, in seconds
    :param driver_log_interval: how often the service uploads a driver's log, in seconds
    :param notification_queue: URL of the SQS queue that tells of changes of state; ``None``: nobody does
    """

    waiter_delay: float = 30.0
    call_patience: float = 1800.0
    deadline: float | None = None
    progress_interval: float = 300.0
    driver_log_interval: float = 15.0
    notification_queue: str | None = None
    access_patience: float = 600.0
    limit: str = "wait_timeout (or execution_timeout)"

    def as_arguments(self) -> dict[str, Any]:
        """The fields as plain JSON; an older triggerer may not know those that are left out with their defaults."""
        return {
            one.name: value
            for one in fields(self)
            if (value := getattr(self, one.name)) != one.default or one.name in _FIRST_FIELDS
        }

    @classmethod
    def of(cls, written: Mapping[str, Any]) -> WaitPolicy:
        """The one that :meth:`as_arguments` wrote, in whatever version."""
        return cls(**known(cls, written))

    def before_deadline(self, moment: float) -> float:
        """``moment``, or the deadline if that comes sooner."""
        return moment if self.deadline is None else min(moment, self.deadline)


class Log(Protocol):
    """What workflows need of a logger; the standard library's and Airflow's structured ones have it."""

    def info(self, message: str, /, *arguments: Any) -> Any:
        """Log what goes well."""

    def warning(self, message: str, /, *arguments: Any) -> Any:
        """Log what somebody may have to look after."""

    def log(self, level: int, message: str, /, *arguments: Any) -> Any:
        """Log with a level of the standard library's."""


class Notes(Protocol):
    """What one run of a workflow leaves to the next, in case it is interrupted; plain JSON."""

    def recall(self) -> Mapping[str, Any]:
        """What was left."""

    def note(self, notes: Mapping[str, Any], /) -> None:
        """Leave this instead."""

    def ending(self, workflow: str, arguments: Mapping[str, Any], /) -> AbstractContextManager[None]:
        """A block that requests the end of something: if it raises, that is left to whoever can.

        :param workflow: of :data:`~airflow_emrs_ext.workflows.registry.WORKFLOWS`, that ends it
        :param arguments: the workflow's
        """


class OwnNotes:
    """Notes of this process: nothing is left to another one, which begins anew."""

    def __init__(self) -> None:
        self._notes: Mapping[str, Any] = {}

    def recall(self) -> Mapping[str, Any]:
        """What this process has noted."""
        return self._notes

    def note(self, notes: Mapping[str, Any], /) -> None:
        """Keep it for this process."""
        self._notes = dict(notes)

    def ending(self, workflow: str, arguments: Mapping[str, Any], /) -> AbstractContextManager[None]:
        """A block like any other."""
        return nullcontext()


@dataclass(frozen=True)
class RunContext:
    """What a workflow runs with: its wait policy, and the log, clock and chance that tests replace.

    :param notes: where it notes how far it has come
    :param asks: told of each call right before it is made
    :param recent: what services have said that changes rarely, by what was asked for, with the time; shared by all that
        one driver serves
    :param service: told of each answer, and knows by them what time it is for the service
    :param settles_starts: whether a start that may have had its effect is repeated, with its client token, until it is
        known what it has led to; only the deadline ends that. ``False``: for no longer than other calls
    """

    wait_policy: WaitPolicy = WaitPolicy()
    log: Log = field(default_factory=lambda: logging.getLogger("airflow_emrs_ext"))
    clock: Callable[[], float] = time.time
    uniform: Callable[[float, float], float] = random.uniform
    notes: Notes = field(default_factory=OwnNotes)
    asks: Callable[[Call], None] = lambda call: None
    service: ServiceClock = field(default_factory=ServiceClock)
    settles_starts: bool = True
    recent: dict[str, tuple[float, Any]] = field(default_factory=dict)
