"""Turns in a queue, where a quota admits so many calls per second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable


class Turns:
    """A token bucket whose tokens are waited for, one bucket per key; many threads may take turns.

    :param rate: turns per second
    :param burst: how many may be taken at once
    """

    def __init__(
        self,
        rate: float,
        burst: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval = 1 / rate
        self._burst = burst
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        # When the bucket will be full again.
        self._full_at: dict[Hashable, float] = {}

    def take(self, key: Hashable, seconds: float) -> bool:
        """Wait for a turn.

        :param seconds: how long at most; whoever would wait for longer takes no turn and does not wait
        :return: whether the turn was taken
        """
        with self._lock:
            now = self._clock()
            full_at = max(now, self._full_at.get(key, now))
            wait = max(0.0, full_at - (self._burst - 1) * self._interval - now)
            if wait > seconds:
                return False
            self._full_at[key] = full_at + self._interval
        if wait:
            self._sleep(wait)
        return True
