"""What a command that runs long says of what happens."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

REMIND_SECONDS = 60.0


class Progress:
    """Prints each change once, with the seconds since the beginning."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._last: dict[str, str] = {}

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._begin

    def say(self, text: str) -> None:
        """Print a line."""
        print(f"{self.seconds:6.1f} s  {text}", flush=True)

    @contextlib.contextmanager
    def waiting_for(self, what: str) -> Iterator[None]:
        """Say each minute that something is waited for: what is slow is not dead.

        :param what: names it, and where to read more
        """
        over = threading.Event()

        def remind() -> None:
            while not over.wait(REMIND_SECONDS):
                self.say(f"still waiting for {what}")

        threading.Thread(target=remind, daemon=True).start()
        try:
            yield
        finally:
            over.set()

    def show(self, subject: str, state: str | None) -> None:
        """Print the state of something when it differs from the one printed last."""
        if state is not None and self._last.get(subject) != state:
            self._last[subject] = state
            self.say(f"{subject:<24} {state}")
