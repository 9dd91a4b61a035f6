"""``python -m tests.service_models.rules_page``: the page with the rules of the user guide, from their one table."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from airflow_emrs_ext.local.base.releases import label_of
from airflow_emrs_ext.local.services.emr_serverless.monitoring import LOG_TYPES
from airflow_emrs_ext.local.services.emr_serverless.rules import CLASSIFICATIONS, FEATURES, MOST_TAGS, UNCERTAIN
from tests.faults.tables import markdown

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "service-rules.md"

_HEAD = """\
# Service rules

What the user guide of EMR Serverless says is supported from a release on, or must be, the
[local endpoint](../guides/local-endpoint.md) refuses as AWS does: with ValidationException, at the operation that asks
for it, in one sentence everywhere. This page is made from the endpoint's own table.

`emrs-local --lenient` (`local_emr(lenient=True)`) takes all of it: it lists at its start what it takes, and each
request that AWS would refuse has a warning in its log.
"""


def _named(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


_OTHERS = [
    ("Rule", "Where it is checked", "In the guide"),
    (
        f"Configuration classifications are {_named(CLASSIFICATIONS)}. Of {_named(UNCERTAIN)} the guide says nothing: "
        "they are taken with a warning.",
        "applications, job runs, sessions",
        "Default application configuration",
    ),
    (
        "Of Log4j 2 `rootLogger.appenderRef.stdout.ref` and the type, name, target and layout of `appender.console` "
        "are not configurable.",
        "applications, job runs, sessions",
        "Log4j2 considerations for Spark",
    ),
    (
        "`logTypes` of `cloudWatchLoggingConfiguration` names logs that the type of the application has: "
        + "; ".join(
            f"{engine}: " + ", ".join(f"`{worker_type}` ({', '.join(names)})" for worker_type, names in types.items())
            for engine, types in LOG_TYPES.items()
        )
        + ".",
        "applications, job runs, sessions",
        "Logging for EMR Serverless with Amazon CloudWatch",
    ),
    (
        "A Hive job names `hive.exec.scratchdir` and `hive.metastore.warehouse.dir` on Amazon S3; one without FAILS.",
        "job runs",
        "Hive job properties",
    ),
    (
        "A Spark job names files on Amazon S3 or of its image (below `/usr/`); one that names a file on the disk of "
        "the machine that runs the endpoint FAILS.",
        "job runs",
        "Running jobs",
    ),
    (
        "A job run or session has a UI while managed storage is on: `managedPersistenceMonitoringConfiguration`.",
        "GetDashboardForJobRun, GetResourceDashboard",
        "Storing logs",
    ),
    (
        f"A resource has at most {MOST_TAGS} tags. (The API's model admits 200.)",
        "whatever takes tags",
        "Tagging",
    ),
    (
        "Flex capacity is for Spark job runs in `BATCH` mode. (The guide names no release from which on it is there.)",
        "`flexExecution` of StartJobRun",
        "Running jobs on spare capacity with Flex",
    ),
]
_NEWER = """\
A release that is newer than this version of the package, such as `emr-7.99.0`, is refused as well, by EMR on EKS, too:
what it has is not known here. `--lenient` runs it on the newest Spark of its series.
"""


def page() -> str:
    """The page, as text."""
    rows = [("What", "From release", "Applications of type", "Asked for by", "In the guide")]
    for feature in FEATURES:
        what = feature.what.removesuffix(" are").removesuffix(" is")
        since = label_of(feature.since) + "".join(f", not {_label(release)}" for release in feature.not_in)
        asked = ", ".join(f"`{name.replace(':', ': ')}`" for name in feature.asked)
        rows.append((what[0].upper() + what[1:], f"`{since}`", " and ".join(feature.engines), asked, feature.section))
    return f"{_HEAD}\n{markdown(rows)}\n\n{_NEWER}\n{markdown(_OTHERS)}\n"


def _label(release: tuple[int, int, int]) -> str:
    return f"emr-spark-{release[0]}.{release[1]}-preview" if release[2] < 0 else label_of(release)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
