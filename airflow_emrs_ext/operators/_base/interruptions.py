"""What interrupts a task from the handler of a signal, and is not lost in whatever it has interrupted."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

# How soon an interruption comes again that was lost: the finalizer is over then.
_AGAIN_SECONDS = 0.05


@contextmanager
def raised_again(*interruptions: type[BaseException]) -> Iterator[None]:
    """A block in which a finalizer loses no interruption.

    The handler of a signal may run within a ``__del__`` or the callback of a weak reference, of which Python reports
    an exception and goes on: the task would neither end what it has started nor stop.

    :param interruptions: the exceptions that handlers of signals raise
    """
    before = sys.unraisablehook
    is_due = False

    def on_unraisable(unraisable: UnraisableHookArgs) -> None:
        nonlocal is_due
        lost = unraisable.exc_value
        if not isinstance(lost, interruptions) or threading.current_thread() is not threading.main_thread():
            before(unraisable)
            return

        def again(*_: Any) -> None:
            raise lost

        # A time limit of Airflow's own is no more: the task ends now.
        signal.signal(signal.SIGALRM, again)
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)
        is_due = True

    sys.unraisablehook = on_unraisable
    try:
        yield
    finally:
        sys.unraisablehook = before
        if is_due:
            signal.setitimer(signal.ITIMER_REAL, 0)
