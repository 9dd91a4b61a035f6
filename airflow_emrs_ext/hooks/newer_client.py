"""A Spark Connect client that is newer than the Spark of its session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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

    :param spark: the Spark session of a client; gets settings that its server lacks, for itself alone
    :param log: of the task
    """
    from pyspark import __version__ as client

    if _line(client) <= _line(spark.version):
        return
    missing = {name: value for name, value in _ASKED_FOR.items() if spark.conf.get(name, None) is None}
    if _IN_PARTS in missing:
        missing |= _WHOLE_BELOW
    for name, value in missing.items():
        spark.conf.set(name, value)
    works = f" ({len(missing)} settings were added, with which createDataFrame works" if missing else ""
    if works:
        works += ", below 64 MiB)" if _IN_PARTS in missing else ")"
    log.warning(
        "pyspark %s of this task is newer than Spark %s of the session, and what only the newer one has fails%s: "
        "pyspark %s.%s is the client for it",
        client,
        spark.version,
        works,
        *_line(spark.version),
    )


def _line(version: str) -> tuple[int, int]:
    """Major and minor version, e.g. of ``3.5.6-amzn-1``."""
    major, minor = version.split(".")[:2]
    return int(major), int(minor)
