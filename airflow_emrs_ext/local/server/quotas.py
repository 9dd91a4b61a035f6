"""The service's API quotas, per account and Region, as token buckets."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping


class TokenBucket:
    """Holds up to ``burst`` tokens and gains ``rate`` of them per second.

    :param clock: monotonic time in seconds
    """

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._tokens = burst
        self._at = clock()

    def take(self) -> bool:
        """Take a token, if there is one."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Quotas:
    """A bucket for each Region and operation with a published quota; other operations are not limited.

    :param published: operation to rate and burst
    :param clock: monotonic time in seconds
    """

    def __init__(
        self,
        published: Mapping[str, tuple[float, float]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._published = published
        self._clock = clock
        self._buckets: dict[tuple[str, str, float], TokenBucket] = {}

    def admit(self, region: str, operation: str, scale: float) -> bool:
        """Whether a call is within the quota; it counts if it is.

        :param region: the Region that the call is signed for
        :param operation: operation of the API
        :param scale: factor on rate and burst; 0: no quota. A changed scale begins with full buckets
        """
        if scale == 0 or operation not in self._published:
            return True
        key = (region, operation, scale)
        if key not in self._buckets:
            rate, burst = self._published[operation]
            # Less than one token could never admit a call.
            self._buckets[key] = TokenBucket(rate * scale, max(1, burst * scale), self._clock)
        return self._buckets[key].take()

    def reset(self) -> None:
        """Fill every bucket."""
        self._buckets.clear()
