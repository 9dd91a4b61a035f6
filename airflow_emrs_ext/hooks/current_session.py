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
_address_before: str | None = None


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
    """Let the process's default be the one session that is open, or none."""
    global _address_before
    spark, address = (None, _SEVERAL) if len(_open) > 1 else _open[0] if _open else (None, None)
    sessions._default_session = spark
    if _address_before is None:
        _address_before = os.environ.get(_ADDRESS, "")
    os.environ[_ADDRESS] = address or _address_before
    if address is None:
        if not _address_before:
            del os.environ[_ADDRESS]
        _address_before = None
