"""Calls at the pace that the services allow: one rate limiter for all that a process asks of one account and Region."""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from airflow_emrs_ext.core import settings
from airflow_emrs_ext.core.effects import Call, Effect
from airflow_emrs_ext.resources.api_errors import is_throttling
from airflow_emrs_ext.shared.quotas import Quotas

# Others use the account, too, and clocks differ.
_SHARE = 0.95
# Looks that can wait leave the rest to whatever else is asked for with the same operation.
_SHARE_OF_LOOKS = 0.8
# What a throttled call leaves of the rate, and what each call after it gives back.
_AFTER_THROTTLING = 0.7
_RECOVERY = 1.01
_LEAST_SHARE = 0.1

_ARN = re.compile(r"arn:[^:]+:emr-(?:serverless|containers):(?P<region>[^:]+):(?P<account>\d{12}):")


class TokenBucket:
    """When the next call may be made; calls are made in the order in which they ask, whoever asks.

    :param rate: calls per second
    :param burst: calls at once, after a time without any
    :param clock: monotonic time in seconds
    """

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._full = self._rate = rate
        self._burst = max(1.0, burst)
        self._clock = clock
        self._lock = threading.Lock()
        # When the bucket, which holds a burst, was or will be empty: each turn moves that by its share of a second.
        self._empty_at = clock() - self._burst / self._rate

    def take(self, turns: int = 1) -> float:
        """Take turns; in how many seconds the last of them comes."""
        pause = self.take_within(math.inf, turns)
        assert pause is not None
        return pause

    def take_within(self, seconds: float, turns: int = 1) -> float | None:
        """Take turns as :meth:`take` does, unless the last of them comes later than in so many seconds."""
        with self._lock:
            now = self._clock()
            rate = min(self._full, self._rate * _RECOVERY)
            empty_at = max(self._empty_at, now - self._burst / rate) + turns / rate
            if empty_at - now > seconds:
                return None
            self._rate, self._empty_at = rate, empty_at
            return max(0.0, empty_at - now)

    def comes_in(self) -> float:
        """In how many seconds a turn would come that is taken now."""
        with self._lock:
            now = self._clock()
            return max(0.0, max(self._empty_at, now - self._burst / self._rate) + 1 / self._rate - now)

    def behind(self) -> float:
        """In how many seconds the last of those who have taken a turn has it."""
        with self._lock:
            return max(0.0, self._empty_at - self._clock())

    def join(self, other: TokenBucket) -> None:
        """Count what was taken from another bucket, which has turned out to be this one."""
        with other._lock:
            taken = max(0.0, other._empty_at - other._clock() + other._burst / other._rate) * other._rate
            rate = other._rate
        with self._lock:
            self._rate = min(self._rate, rate)
            self._empty_at = max(self._empty_at, self._clock() - self._burst / self._rate) + taken / self._rate

    def slow_down(self) -> None:
        """The service allows less than that, because others share the account: the bucket is empty, the rate lower."""
        with self._lock:
            self._rate = max(self._full * _LEAST_SHARE, self._rate * _AFTER_THROTTLING)
            self._empty_at = max(self._empty_at, self._clock())


_Buckets = dict[tuple[str, str, bool], TokenBucket | None]


class RateLimiter:
    """The buckets of all operations that have a quota.

    A quota is that of an account in a Region. Which these are nobody knows before the first answer, which names them:
    from then on all connections to them have the same buckets, and what each has taken before counts.

    :param quotas: by service and operation
    :param clock: monotonic time in seconds
    """

    _shared: ClassVar[dict[tuple[str, str], tuple[Quotas, _Buckets]]] = {}
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, quotas: Quotas, clock: Callable[[], float] = time.monotonic) -> None:
        self._quotas = quotas
        self._clock = clock
        self._buckets: _Buckets = {}
        self._account: tuple[str, str] | None = None

    def take(self, service: str, operation: str) -> float:
        """Take the turn of a call; in how many seconds it comes."""
        bucket = self._bucket(service, operation)
        return 0.0 if bucket is None else bucket.take()

    def take_look(self, service: str, operation: str, pages: int = 1) -> float:
        """Take the turn of a look that can wait, before that of its calls; in how many seconds it comes."""
        bucket = self._bucket(service, operation, looks=True)
        return 0.0 if bucket is None else bucket.take(pages)

    def take_look_within(self, service: str, operation: str, seconds: float) -> float | None:
        """As :meth:`take_look`, unless the turn comes later than in so many seconds."""
        bucket = self._bucket(service, operation, looks=True)
        return 0.0 if bucket is None else bucket.take_within(seconds)

    def comes_in(self, service: str, operation: str) -> float:
        """In how many seconds the turn of a call would come that is taken now."""
        bucket = self._bucket(service, operation)
        return 0.0 if bucket is None else bucket.comes_in()

    def is_behind(self, service: str, operation: str) -> bool:
        """Whether somebody waits for the turn of a call."""
        bucket = self._bucket(service, operation)
        return bucket is not None and bucket.behind() > 0

    def on_error(self, effect: Effect, error: Exception) -> None:
        """Slow down where a call was throttled."""
        if isinstance(effect, Call) and isinstance(error, ClientError) and is_throttling(error):
            for looks in (False, True):
                if (bucket := self._bucket(effect.service, effect.operation, looks=looks)) is not None:
                    bucket.slow_down()

    def on_answer(self, answer: Any) -> None:
        """Learn from an answer of EMR whose quotas are used."""
        account = _account_of(answer)
        if account is None or account == self._account:
            return
        # What was taken before was taken from an account that is no longer asked, if there was one.
        taken: _Buckets = {} if self._account else self._buckets
        self._account = account
        with self._lock:
            quotas, buckets = self._shared.setdefault(account, (self._quotas, taken))
            if quotas != self._quotas:
                buckets = taken
            for key, bucket in taken.items():
                shared = buckets.setdefault(key, bucket)
                if bucket is not None and shared is not None and shared is not bucket:
                    shared.join(bucket)
            self._buckets = buckets

    def _bucket(self, service: str, operation: str, *, looks: bool = False) -> TokenBucket | None:
        key = (service, operation, looks)
        if key not in self._buckets:
            quota = self._quotas.get(service, {}).get(operation)
            if quota is None:
                self._buckets[key] = None
            else:
                share = _SHARE_OF_LOOKS if looks else _SHARE
                self._buckets[key] = TokenBucket(quota.rate * share, quota.burst * share, self._clock)
        return self._buckets[key]


def _account_of(answer: Any) -> tuple[str, str] | None:
    """Account and Region of what an answer describes, lists or has started, if it tells."""
    if not isinstance(answer, Mapping):
        return None
    for part in (answer, *answer.values()):
        described = part[0] if isinstance(part, list) and part else part
        found = _ARN.match(str(described.get("arn"))) if isinstance(described, Mapping) else None
        if found:
            return found["account"], found["region"]
    return None


_rate_limiters: dict[Hashable, RateLimiter] = {}


def rate_limiter_of(connection: Hashable) -> RateLimiter:
    """The rate limiter of this process for all that is asked with one connection; others may share its buckets.

    :param connection: what tells connections apart
    """
    if connection not in _rate_limiters:
        _rate_limiters.setdefault(connection, RateLimiter(settings.quotas()))
    return _rate_limiters[connection]
