"""What a command that runs long says of what happens."""

from __future__ import annotations

import time


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

    def show(self, subject: str, state: str | None) -> None:
        """Print the state of something when it differs from the one printed last."""
        if state is not None and self._last.get(subject) != state:
            self._last[subject] = state
            self.say(f"{subject:<24} {state}")
