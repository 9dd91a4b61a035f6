"""What interrupts a task from the handler of a signal, and is not lost in whatever it has interrupted."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

# How soon an interruption comes again that was lost: the finalizer is over then.
_AGAIN_SECONDS = 0.05


@contextmanager
def raised_again(*interruptions: type[BaseException]) -> Iterator[None]:
    """A block in which a finalizer loses no interruption: it is raised a moment later, or at the end of the block.

    The handler of a signal may run within a ``__del__`` or the callback of a weak reference, of which Python reports
    an exception and goes on: the task would neither end what it has started nor stop.

    :param interruptions: the exceptions that handlers of signals raise
    """
    if threading.current_thread() is not threading.main_thread():
        # No handler of a signal runs here.
        yield
        return
    before = sys.unraisablehook
    lost: BaseException | None = None
    alarm: _Alarm | None = None

    def on_unraisable(unraisable: UnraisableHookArgs) -> None:
        nonlocal lost, alarm
        error = unraisable.exc_value
        if not isinstance(error, interruptions) or threading.current_thread() is not threading.main_thread():
            before(unraisable)
            return
        # Its traceback would keep alive what has just been finalized.
        lost = error.with_traceback(None)
        alarm = alarm or _Alarm(again)
        alarm.set()

    def again(*_: Any) -> None:
        nonlocal lost
        error, lost = lost, None
        if error is not None:
            raise error

    sys.unraisablehook = on_unraisable
    try:
        yield
    finally:
        if sys.unraisablehook is on_unraisable:
            sys.unraisablehook = before
        if alarm is not None:
            alarm.give_back()
        again()


class _Alarm:
    """The process's alarm, borrowed from whoever has set it, such as Airflow for a task's time limit.

    :param handler: what is called at the alarm
    """

    def __init__(self, handler: Any) -> None:
        self._seconds, _ = signal.getitimer(signal.ITIMER_REAL)
        self._since = time.monotonic()
        self._handler = signal.signal(signal.SIGALRM, handler)

    def set(self) -> None:
        """Let it come soon."""
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)

    def give_back(self) -> None:
        """Set it as it was."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._handler)
        if self._seconds:
            left = self._seconds - (time.monotonic() - self._since)
            signal.setitimer(signal.ITIMER_REAL, max(left, 0.001))
