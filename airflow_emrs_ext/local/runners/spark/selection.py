"""Which of the Sparks on this machine runs a driver of a release."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from airflow_emrs_ext.local.base.releases import Software
from airflow_emrs_ext.local.runners.spark.java import SparkRuntime, line_of
from airflow_emrs_ext.local.runners.spark.runtimes import LINES, text_of
from airflow_emrs_ext.local.runners.spark.submit import SubmitError

# What differs between Spark 3 and 4 without a job that asks for anything, and can be set back.
_AS_SPARK_3: Mapping[str, str] = {
    "spark.sql.ansi.enabled": "false",
    "spark.sql.execution.pandas.convertToArrowArraySafely": "false",
    "spark.sql.execution.pyspark.binaryAsBytes": "false",
    "spark.sql.legacy.bangEqualsNot": "true",
    "spark.sql.legacy.codingErrorAction": "true",
    "spark.sql.legacy.ctePrecedencePolicy": "EXCEPTION",
    "spark.sql.legacy.disableMapKeyNormalization": "true",
    "spark.sql.legacy.inSubqueryNullability": "true",
    "spark.sql.legacy.javaCharsets": "true",
    "spark.sql.legacy.timeParserPolicy": "EXCEPTION",
    "spark.sql.orc.compression.codec": "snappy",
    "spark.sql.pyspark.legacy.inferMapTypeFromFirstPair.enabled": "true",
    "spark.sql.sources.v2.bucketing.enabled": "false",
}
# Of Spark 3 itself: without a metastore there are no Hive tables, which CREATE TABLE would make by default.
_OF_SPARK_3: Mapping[str, str] = {"spark.sql.legacy.createHiveTableByDefault": "false"}


@dataclass(frozen=True)
class Selection:
    """What a driver runs on, and what that means.

    :param runtime: the Spark, with its Java and Python
    :param note: what the driver's log says about it
    :param stand_in: the same, shorter, for the details of a success; empty if the Spark is of the release's line
    :param defaults: properties, below those of the job, that make the Spark more like the release's
    """

    runtime: SparkRuntime
    note: str
    stand_in: str = ""
    defaults: Mapping[str, str] = field(default_factory=dict)


def select(
    label: str, software: Software, own: SparkRuntime, installed: Iterable[SparkRuntime], *, for_connect: bool = False
) -> Selection:
    """Choose the Spark for a driver: of the release's line, or else the nearest one.

    :param label: the release label
    :param software: what the release has
    :param own: the Spark of the endpoint's own environment
    :param installed: the others on this machine
    :param for_connect: whether it is to serve Spark Connect
    :raises SubmitError: none of them does
    """
    wanted = line_of(software.spark)
    able = [one for one in (own, *installed) if one.serves_connect or not for_connect]
    if not able:
        raise SubmitError(f"Spark {own.spark_version} of --runtime has no Spark Connect server")
    runtime = min(able, key=lambda one: _distance(wanted, one.line))
    here = f"Spark {runtime.spark_version}, Python {runtime.python_minor} and Java {runtime.java_version}"
    note = f"{label} has {software}; this runs on {here}"
    if runtime.line == wanted:
        return Selection(runtime, note, defaults=_defaults(wanted, runtime.line))
    line = LINES.get(wanted)
    if line is None:
        remedy = f"no package brings Spark {text_of(wanted)}"
    elif for_connect and not line.serves_connect:
        remedy = f"no package has a Spark Connect server of Spark {text_of(wanted)}"
    else:
        remedy = f"`emrs-local runtimes install {text_of(wanted)}` brings Spark {line.spark}"
    defaults = _defaults(wanted, runtime.line)
    like = f", with {len(defaults)} settings as in Spark {text_of(wanted)}" if defaults else ""
    return Selection(
        runtime,
        f"{note}{like}: results may differ from the release's. {remedy[0].upper()}{remedy[1:]}",
        f"Ran on Spark {runtime.spark_version}, not {software.spark} as in {label}: {remedy}.",
        defaults,
    )


def _distance(wanted: tuple[int, int], line: tuple[int, int]) -> tuple[bool, bool, int]:
    """How far a line is from the one that is wanted: a newer one does what an older one does, the nearer the better."""
    is_older = line < wanted
    distance = (line[0] - wanted[0]) * 100 + line[1] - wanted[1]
    return line != wanted, is_older, abs(distance)


def _defaults(wanted: tuple[int, int], line: tuple[int, int]) -> Mapping[str, str]:
    if wanted >= (4, 0):
        return {}
    return _OF_SPARK_3 if line < (4, 0) else _AS_SPARK_3
