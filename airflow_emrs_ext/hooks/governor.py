"""Calls at the pace that the services allow: one governor for all that a process asks of an account and Region."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from airflow_emrs_ext.quotas import QUOTAS, Quota

# Others use the account, too, and clocks differ.
_SHARE = 0.95
# What a throttled call leaves of the rate, and what each call after it gives back.
_AFTER_THROTTLING = 0.7
_RECOVERY = 1.01
_LEAST_SHARE = 0.1


class Pace:
    """When the next call of an operation may be made; calls are made in the order in which they ask.

    :param quota: what the service allows
    :param clock: monotonic time in seconds
    """

    def __init__(self, quota: Quota, clock: Callable[[], float]) -> None:
        self._full = self._rate = quota.rate * _SHARE
        self._burst = max(1.0, quota.burst * _SHARE)
        self._clock = clock
        self._empty_at = clock() - self._burst / self._rate

    def take(self) -> float:
        """Take a turn; in how many seconds it comes."""
        now = self._clock()
        self._rate = min(self._full, self._rate * _RECOVERY)
        # When the bucket, which holds a burst, would have been empty: each turn moves that by its share of a second.
        self._empty_at = max(self._empty_at, now - self._burst / self._rate) + 1 / self._rate
        return max(0.0, self._empty_at - now)

    def throttled(self) -> None:
        """The service allows less than that: others share the account."""
        self._rate = max(self._full * _LEAST_SHARE, self._rate * _AFTER_THROTTLING)
        self._empty_at = max(self._empty_at, self._clock())


class Governor:
    """The paces of all operations that have a quota.

    :param quotas: by service and operation
    :param clock: monotonic time in seconds; default: the event loop's
    """

    def __init__(
        self,
        quotas: Mapping[str, Mapping[str, Quota]] = QUOTAS,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._clock = clock or asyncio.get_running_loop().time
        self._quotas = quotas
        self._paces: dict[tuple[str, str], Pace] = {}

    async def turn(self, service: str, operation: str) -> None:
        """Wait for the turn of a call."""
        pace = self._pace(service, operation)
        if pace is not None and (seconds := pace.take()) > 0:
            await asyncio.sleep(seconds)

    def throttled(self, service: str, operation: str) -> None:
        """A call of it was throttled."""
        if (pace := self._pace(service, operation)) is not None:
            pace.throttled()

    def _pace(self, service: str, operation: str) -> Pace | None:
        key = (service, operation)
        if key not in self._paces:
            quota = self._quotas.get(service, {}).get(operation)
            if quota is None:
                return None
            self._paces[key] = Pace(quota, self._clock)
        return self._paces[key]
