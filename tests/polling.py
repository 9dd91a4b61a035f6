"""Wait in a test for something that another process brings about."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

T = TypeVar("T")


def eventually(look: Callable[[], T | None], *, within: float = 15.0) -> T:
    """The first truthy thing that ``look`` sees.

    :raises AssertionError: it saw none within so many seconds
    """
    pause = threading.Event()
    deadline = time.monotonic() + within
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"not seen within {within} s, last: {seen!r}")
        pause.wait(0.02)


def let_it_age(resources: Iterable[Mapping[str, Any]]) -> None:
    """Wait until these cannot be new: the service dates its answers in whole seconds, and these a second late."""
    newest = max(datetime.fromisoformat(one["createdAt"]).timestamp() for one in resources)
    eventually(lambda: time.time() > newest + 3)
