"""A Spark Connect client that is newer than the Spark of its session."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_VERSION = re.compile(r"(\d+)\.(\d+)")
_IN_BYTES = re.compile(r"(\d+)b")
_MIB = 1024 * 1024
# What createDataFrame asks its server for, with what a server answers that knows it. One that does not know all of them
# answers with an error, and createDataFrame fails: those of Spark 4.0, of 4.1 and of 4.2.
_ASKED_FOR: Mapping[str, str] = {
    "spark.sql.execution.pandas.inferPandasDictAsMap": "false",
    "spark.sql.pyspark.legacy.inferMapTypeFromFirstPair.enabled": "false",
    "spark.sql.session.localRelationChunkSizeRows": "10000",
    "spark.sql.session.localRelationChunkSizeBytes": str(16 * _MIB),
    "spark.sql.session.localRelationBatchOfChunksSizeBytes": str(1024 * _MIB),
    "spark.sql.session.localRelationSizeLimit": str(3 * 1024 * _MIB),
}
# From 4.1 on, larger data is sent in parts, which an older server does not understand; a message takes 128 MiB.
_IN_PARTS = "spark.sql.session.localRelationChunkSizeRows"
_WHOLE_BELOW = {"spark.sql.session.localRelationCacheThreshold": str(64 * _MIB)}


def adjust(spark: Any, log: Any) -> None:
    """Make ``createDataFrame`` work where the client is newer than the session's Spark, and say what the remedy is.

    What goes wrong with that is no reason for a task to fail: its own work shows whether the session is well.

    :param spark: the Spark session of a client; gets settings that its server lacks, for itself alone
    :param log: of the task
    """
    from pyspark.errors import PySparkException

    try:
        _adjust(spark, log)
    except PySparkException as error:
        log.info("Whether pyspark fits the session's Spark could not be found out: %s", error)


def _adjust(spark: Any, log: Any) -> None:
    from pyspark import __version__ as client

    server = spark.version
    ours, line = _line(client), _line(server)
    if ours is None or line is None or ours <= line:
        return
    missing = {}
    for name, value in _ASKED_FOR.items():
        # A setting that a server knows can be changed, whether or not anybody has set it.
        if not spark.conf.isModifiable(name):
            missing[name] = value
        elif in_bytes := _IN_BYTES.fullmatch(spark.conf.get(name)):
            # Spark 4.1 says one of them with its unit, which the client of 4.2 does not read as a number.
            missing[name] = in_bytes[1]
    if _IN_PARTS in missing:
        missing |= _WHOLE_BELOW
    for name, value in missing.items():
        spark.conf.set(name, value)
    limit = ", below 64 MiB" if _IN_PARTS in missing else ""
    added = f" ({len(missing)} settings were added, with which createDataFrame works{limit})" if missing else ""
    log.warning(
        "pyspark %s of this task is newer than Spark %s of the session, and what only the newer one has fails%s: "
        "pyspark %s.%s is the client for it",
        client,
        server,
        added,
        *line,
    )


def _line(version: str) -> tuple[int, int] | None:
    """Major and minor version, e.g. of ``3.5.6-amzn-1``; ``None``: it is no version."""
    match = _VERSION.match(version)
    return (int(match[1]), int(match[2])) if match else None
