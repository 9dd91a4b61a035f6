"""What a procedure may ask of its driver and how it is told to wait: the words of :mod:`airflow_emrs_ext.waiting`."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """An API call that a driver is to make.

    :param operation: botocore's client method, e.g. ``get_job_run``
    :param parameters: its arguments in the API's own member names
    """

    operation: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Sleep:
    """A pause that a driver is to make, in seconds."""

    seconds: float


Steps: TypeAlias = Generator[Call | Sleep, Any, T]


@dataclass(frozen=True)
class Patience:
    """How long, how often and how loudly to wait; plain numbers, so that it crosses to the triggerer as JSON.

    :param waiter_delay: longest pause between two looks at a resource, in seconds
    :param call_patience: how long one call is repeated through throttling, server errors and network failures,
        in seconds
    :param deadline: when the whole wait ends, in seconds since the epoch; ``None``: never
    :param progress_interval: longest silence in the log, in seconds
    """

    waiter_delay: float = 30.0
    call_patience: float = 1800.0
    deadline: float | None = None
    progress_interval: float = 300.0

    def before_deadline(self, moment: float) -> float:
        """``moment``, or the deadline if that comes sooner."""
        return moment if self.deadline is None else min(moment, self.deadline)


class Log(Protocol):
    """What procedures need of a logger; the standard library's and Airflow's structured ones have it."""

    def info(self, message: str, /, *arguments: Any) -> Any: ...

    def warning(self, message: str, /, *arguments: Any) -> Any: ...

    def log(self, level: int, message: str, /, *arguments: Any) -> Any: ...


@dataclass(frozen=True)
class Terms:
    """The terms on which a procedure runs: its patience, and the log, clock and chance that tests replace."""

    patience: Patience = Patience()
    log: Log = field(default_factory=lambda: logging.getLogger("airflow_emrs_ext"))
    clock: Callable[[], float] = time.time
    uniform: Callable[[float, float], float] = random.uniform
