"""What is said of an error of PySpark code in a session: what, where in the user's code, why, and what to do."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# PySpark 4 prints some errors to these by itself, as a line of JSON with all frames of the Java virtual machine.
_PRINTING = ("DataFrameQueryContextLogger", "SQLQueryContextLogger")


@contextmanager
def explained(log: Any) -> Iterator[None]:
    """A block whose errors are explained in a log, and whose messages leave out the Java virtual machine's frames.

    The error itself goes on, as the exception that it is.

    :param log: of the task
    """
    loggers = list(_loggers())
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    except Exception as error:
        _explain(error, log)
        raise
    finally:
        for logger, was in zip(loggers, before, strict=True):
            logger.disabled = was


def _loggers() -> Iterator[logging.Logger]:
    try:
        # Only those of its own class take what it logs.
        from pyspark.logger import PySparkLogger
    except ImportError:  # Spark 3
        return
    yield from map(PySparkLogger.getLogger, _PRINTING)


def _explain(error: BaseException, log: Any) -> None:
    from airflow_emrs_ext.resources.diagnosis import diagnose
    from airflow_emrs_ext.workflows.driver_logs.causes import cause_in

    one: BaseException | None = error
    while one is not None:
        if getattr(one, "_display_stacktrace", False):
            one._display_stacktrace = False  # type: ignore[attr-defined]  # an error of PySpark's
        one = one.__cause__ or one.__context__
    cause = cause_in("".join(traceback.format_exception(type(error), error, error.__traceback__)), "")
    if cause is None:
        return
    found = diagnose("", "", exception=cause.exception, place=cause.place, service="emr-serverless")
    if found.why or type(error).__module__.startswith("pyspark."):
        where = f" ({cause.place})" if cause.place else ""
        said = f"{cause.exception.rstrip('. ')}{where}."
        log.error("%s", " ".join(part for part in (said, found.why, found.advice) if part))
