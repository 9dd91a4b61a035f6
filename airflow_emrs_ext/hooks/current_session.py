"""The Spark session that ordinary PySpark code finds: ``SparkSession.builder.getOrCreate()`` and the like."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Where PySpark looks for the address of a session, before it looks whether there is one.
_ADDRESS = "SPARK_REMOTE"
# An address that no client takes: whose session a thread means that has none is not known.
_SEVERAL = "sc://none/several-sessions-are-open-in-this-process"

_lock = threading.RLock()
_open: list[tuple[SparkSession, str]] = []
# The default session and the address of the process before the first block, while one is open.
_before: tuple[SparkSession | None, str | None] | None = None


@contextmanager
def current(spark: SparkSession, remote: str) -> Iterator[None]:
    """A block in which PySpark code that asks for a session is given this one.

    In the thread of the block it is the active session. In other threads it is the default one, as long as no other
    block is open in this process: whose session they mean is not known then, and PySpark refuses to guess.

    :param spark: a session of Spark Connect
    :param remote: its address
    """
    # A session of Spark Connect has them where the classic one has them, too, but offers no way to set them.
    sessions: Any = type(spark)
    before = getattr(sessions._active_session, "session", None)
    sessions._active_session.session = spark
    with _lock:
        _open.append((spark, remote))
        _settle(sessions)
    try:
        yield
    finally:
        sessions._active_session.session = before
        with _lock:
            _open.remove((spark, remote))
            _settle(sessions)


def _settle(sessions: Any) -> None:
    """Let the process's default be the one session that is open, none of several, and after all what it was before."""
    global _before
    if _before is None:
        # PySpark makes the first session that is created the default one: it is a block's own.
        default = sessions._default_session
        ours = any(default is spark for spark, _ in _open)
        _before = None if ours else default, os.environ.get(_ADDRESS)
    default, address = (None, _SEVERAL) if len(_open) > 1 else _open[0] if _open else _before
    sessions._default_session = default
    if address is None:
        os.environ.pop(_ADDRESS, None)
    else:
        os.environ[_ADDRESS] = address
    if not _open:
        _before = None
