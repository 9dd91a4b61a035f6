"""What the user guide of EMR Serverless says must be, or is there from a release on: one table, read at each request.

A rule looks at the facts of a request: each value by its path, each property of a configuration or of the driver's
parameters by classification and name. Every rule says what is wrong in the same words, with its place in the guide.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any

from airflow_emrs_ext.local.base.releases import PREVIEW, Release, label_of, newer_release
from airflow_emrs_ext.local.services.emr_serverless.engines import HIVE, SPARK
from airflow_emrs_ext.local.services.emr_serverless.monitoring import missing_log

_log = logging.getLogger(__name__)

MOST_TAGS = 50
"""Tags that a user may give a resource; the API's model admits 200."""

PARAMETERS = {
    "jobDriver.sparkSubmit.sparkSubmitParameters": "spark-defaults",
    "jobDriver.hive.parameters": "hive-site",
}
"""Where a driver's properties are, and the classification that they belong to."""


@dataclass(frozen=True)
class Fact:
    """One thing that a request says.

    :param place: where in the request, for people
    :param name: its path; of a property ``CLASSIFICATION:NAME``, of a classification ``classification:NAME``
    :param value: as text
    """

    place: str
    name: str
    value: str = ""


@dataclass(frozen=True)
class Feature:
    """Something that the service has from a release on, perhaps for one engine only.

    :param what: for people, with its verb: ``custom images are``
    :param since: the first release
    :param section: of the user guide
    :param asked: patterns of the names of facts that ask for it, each with ``=VALUE`` at its end where only that does
    :param engines: the engines that have it
    :param not_in: later releases that do not have it
    """

    what: str
    since: Release
    section: str
    asked: Sequence[str]
    engines: Sequence[str] = (SPARK, HIVE)
    not_in: Sequence[Release] = ()

    def asks(self, fact: Fact) -> bool:
        """Whether a fact asks for it."""
        for pattern in self.asked:
            name, separator, value = pattern.partition("=")
            if fnmatchcase(fact.name, name) and (not separator or fact.value.strip().lower() == value):
                return True
        return False

    def problem(self, engine: str, label: str, release: Release) -> str | None:
        """Why an application has it not, or ``None``."""
        if engine not in self.engines:
            return f"{self.what} for {self.engines[0]} applications only, this is a {engine} one"
        if release < self.since or release in self.not_in:
            return f"{self.what} supported from release {label_of(self.since)}, not in {label}"
        return None


SESSIONS = Feature(
    "sessions are",
    (7, 13, 0),
    "Spark Connect sessions",
    ("interactiveConfiguration.sessionEnabled=true",),
    (SPARK,),
    (PREVIEW,),
)

_LIVY = Feature(
    "Apache Livy endpoints are",
    (6, 14, 0),
    "Interactive workloads through an Apache Livy endpoint",
    ("interactiveConfiguration.livyEndpointEnabled=true",),
    (SPARK,),
)

FEATURES: Sequence[Feature] = (
    SESSIONS,
    Feature(
        "job concurrency and queuing are",
        (7, 0, 0),
        "Job concurrency and queuing",
        ("schedulerConfiguration*",),
    ),
    Feature(
        "custom images are",
        (6, 9, 0),
        "Customizing an EMR Serverless image",
        ("imageConfiguration.*", "workerTypeSpecifications.*.imageConfiguration.*"),
    ),
    Feature(
        "workers of the architecture ARM64 are",
        (6, 9, 0),
        "Release versions",
        ("architecture=arm64",),
    ),
    Feature(
        "notebooks of EMR Studio are",
        (6, 14, 0),
        "Interactive workloads through EMR Studio",
        ("interactiveConfiguration.studioEnabled=true",),
        (SPARK,),
    ),
    _LIVY,
    Feature(
        "shuffle-optimized disks are",
        (7, 1, 0),
        "Using shuffle-optimized disks",
        (
            "initialCapacity.*.workerConfiguration.diskType=shuffle_optimized",
            "spark-defaults:spark.emr-serverless.*.disk.type=shuffle_optimized",
            "hive-site:hive.driver.disk.type=shuffle_optimized",
            "hive-site:hive.tez.disk.type=shuffle_optimized",
        ),
    ),
    Feature(
        "metrics in Amazon Managed Service for Prometheus are",
        (7, 1, 0),
        "Spark metrics with Amazon Managed Service for Prometheus",
        ("*monitoringConfiguration.prometheusMonitoringConfiguration.*",),
    ),
    Feature(
        "retries are",
        (7, 1, 0),
        "Job resiliency",
        ("retryPolicy.*",),
    ),
    Feature(
        "job runs in STREAMING mode are",
        (7, 1, 0),
        "Streaming jobs",
        ("mode=streaming",),
        (SPARK,),
    ),
    Feature(
        "access controls of Lake Formation are",
        (7, 2, 0),
        "Lake Formation for fine-grained access control",
        ("spark-defaults:spark.emr-serverless.lakeformation.enabled=true",),
        (SPARK,),
    ),
    Feature(
        "mutual TLS between workers is",
        (6, 15, 0),
        "Inter-worker encryption",
        ("spark-defaults:spark.ssl.internode.enabled=true",),
        (SPARK,),
    ),
    Feature(
        "S3 Access Grants are",
        (6, 15, 0),
        "S3 Access Grants",
        ("spark-defaults:spark.hadoop.fs.s3.s3AccessGrants.enabled=true",),
    ),
    Feature(
        "roles for single buckets are",
        (6, 11, 0),
        "Cross-account access with multiple roles",
        ("*:*fs.s3.bucketLevelAssumeRoleMapping",),
    ),
    Feature(
        "Log4j 2 properties are",
        (6, 8, 0),
        "Configure Apache Log4j2 properties",
        ("classification:spark-driver-log4j2", "classification:spark-executor-log4j2"),
        (SPARK,),
    ),
)
"""What not every application has."""


@dataclass(frozen=True)
class Must:
    """Something that a request must not say, whatever the release.

    :param what: what is wrong, for people; ``{name}`` is the property or classification
    :param section: of the user guide
    :param breaks: whether a fact breaks it
    """

    what: str
    section: str
    breaks: Callable[[Fact], bool]


_LOG4J_FIXED = (
    "rootLogger.appenderRef.stdout.ref",
    *(f"appender.console.{name}" for name in ("type", "name", "target", "layout.type", "layout.pattern")),
)

CLASSIFICATIONS: Sequence[str] = (
    *("spark", "spark-defaults", "spark-driver-log4j2", "spark-executor-log4j2"),
    *("hive-site", "core-site"),
)
"""The classifications that the guide uses."""

UNCERTAIN: Sequence[str] = (
    *("emrfs-site", "hdfs-site", "mapred-site", "tez-site", "yarn-site"),
    *("hive-env", "spark-env", "export"),
)
"""Those of other services of Amazon EMR, of which the guide says nothing: run, with a warning."""


def _unknown(fact: Fact) -> bool:
    kind, _, name = fact.name.partition(":")
    return kind == "classification" and name not in CLASSIFICATIONS and name not in UNCERTAIN


def _fixed_log4j(fact: Fact) -> bool:
    classification, _, name = fact.name.partition(":")
    return fnmatchcase(classification, "spark-*-log4j2") and name in _LOG4J_FIXED


MUSTS: Sequence[Must] = (
    Must(
        f"Unknown configuration overrides classification: {{name}}; there are {', '.join(CLASSIFICATIONS)}",
        "Default application configuration",
        _unknown,
    ),
    Must(
        "{name} is not configurable for Spark processes",
        "Log4j2 considerations for Spark",
        _fixed_log4j,
    ),
)

# Its worker type and its place in the list.
_LOG_TYPE = re.compile(
    r".*monitoringConfiguration\.cloudWatchLoggingConfiguration\.logTypes\.([^.]+)\.\d+", re.IGNORECASE
)


def _log_type(fact: Fact, engine: str) -> Iterator[str]:
    """Why CloudWatch Logs cannot get the logs that a fact asks for."""
    asked = _LOG_TYPE.fullmatch(fact.name)
    if asked and (problem := missing_log(engine, asked[1], fact.value)):
        yield _sentence(fact.place, problem, "Logging for EMR Serverless with Amazon CloudWatch")


def _on_flex(params: Mapping[str, Any], engine: str) -> Iterator[str]:
    """Why a job run cannot have Flex capacity, of which the guide names no first release."""
    asked, mode = (params.get("flexExecution") or {}).get("enabled"), params.get("mode", "BATCH")
    if asked and (engine, mode) != (SPARK, "BATCH"):
        problem = f"Flex capacity is for Spark job runs in BATCH mode, this is a {engine} one in {mode} mode"
        yield _sentence("flexExecution.enabled", problem, "Running jobs on spare capacity with Flex")


_FILES = ("spark.jars", "spark.submit.pyFiles", "spark.files", "spark.archives")
_LOCAL = re.compile(r"(local|file):(//)?")
# Where the service's images have what jobs name by path.
_IMAGE = "/usr/"

_HIVE_LOCATIONS = ("hive.exec.scratchdir", "hive.metastore.warehouse.dir")


def rules() -> list[str]:
    """Every rule, for people: what ``--lenient`` switches off."""
    features = [
        f"{feature.what.removesuffix(' are').removesuffix(' is')}: from {label_of(feature.since)}"
        + ("" if HIVE in feature.engines else ", Spark applications only")
        for feature in FEATURES
    ]
    return [
        *features,
        "releases that this version of the package does not know",
        "unknown configuration classifications",
        f"properties of Log4j 2 that are fixed: {', '.join(_LOG4J_FIXED)}",
        "logTypes for CloudWatch Logs that the engine does not have",
        f"more than {MOST_TAGS} tags",
        "Flex capacity for what is not a Spark job run in BATCH mode",
        "application UIs without managed storage",
        "Spark jobs that name files on the disk of this machine",
        f"Hive jobs without {' and '.join(_HIVE_LOCATIONS)} on Amazon S3",
    ]


def problems(
    params: Mapping[str, Any],
    engine: str,
    label: str,
    release: Release,
    properties: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> Iterator[str]:
    """What a request asks for that the service refuses.

    :param params: of CreateApplication, UpdateApplication, StartJobRun or StartSession
    :param engine: of the application
    :param label: the application's release label
    :param release: the same, as numbers
    :param properties: those in the driver's parameters, by the place where they are
    :return: sentences; each begins with the parameter
    """
    yield from newer_release(label, release)
    for fact in (*_facts(params), *_given(properties)):
        for feature in FEATURES:
            if feature.asks(fact) and (problem := feature.problem(engine, label, release)):
                yield _sentence(fact.place, problem, feature.section)
        kind, _, named = fact.name.partition(":")
        if _LIVY.asks(fact):
            _log.warning(
                "%s: the local endpoint has no Apache Livy endpoint; sessions run code as it comes", fact.place
            )
        yield from _log_type(fact, engine)
        if kind == "classification" and named in UNCERTAIN:
            _log.warning("%s: the user guide does not name %s; AWS may refuse it", fact.place, named)
        for must in MUSTS:
            if must.breaks(fact):
                yield _sentence(fact.place, must.what.format(name=named), must.section)
    yield from _on_flex(params, engine)
    if len(params.get("tags") or {}) > MOST_TAGS:
        yield _sentence("tags", f"a resource has at most {MOST_TAGS} tags, not {len(params['tags'])}", "Tagging")


def paths_of_this_machine(entry_point: str, properties: Mapping[str, str]) -> Iterator[str]:
    """Files that a Spark job names on the disk of this machine: on AWS the driver has those of its image only.

    :param entry_point: ``entryPoint``
    :param properties: of Spark, configuration and parameters merged
    """
    named = [("entryPoint", entry_point)]
    named += [(name, uri.strip()) for name in _FILES for uri in properties.get(name, "").split(",")]
    for place, uri in named:
        path = _LOCAL.sub("", uri.partition("#")[0], count=1)
        # Path.exists raises where it may not look.
        if path.startswith("/") and not path.startswith(_IMAGE) and os.path.exists(path):  # noqa: PTH110
            yield _sentence(
                f"{place} {uri}",
                "is on the disk of this machine, which AWS does not have; put it on S3",
                "Running jobs",
            )


def no_uis(monitoring: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Why a job run or session has no UI whatever it does.

    :param monitoring: the MonitoringConfiguration that is in force
    """
    if not monitoring["managedPersistenceMonitoringConfiguration"]["enabled"]:
        yield _sentence(
            "managedPersistenceMonitoringConfiguration",
            "managed storage is off, and with it the application UIs",
            "Storing logs",
        )


def missing_locations(properties: Mapping[str, str]) -> Iterator[str]:
    """The locations on S3 that a Hive job must name, and does not.

    :param properties: of Hive, configuration and parameters merged
    """
    for name in _HIVE_LOCATIONS:
        value = properties.get(name, "")
        if not value.startswith(("s3://", "s3a://")):
            said = f"not {value!r}" if value else "and the job has none"
            yield _sentence(
                name,
                f"must be a location on Amazon S3, {said}; give it with --hiveconf, or in hive-site",
                "Hive job properties",
            )


def _sentence(place: str, problem: str, section: str) -> str:
    return f"{place}: {problem} (user guide: {section})"


def _given(properties: Mapping[str, Mapping[str, str]]) -> Iterator[Fact]:
    for place, pairs in properties.items():
        for name, value in pairs.items():
            yield Fact(f"{place}: {name}", f"{PARAMETERS[place]}:{name}", value)


def _facts(value: Any, place: str = "") -> Iterator[Fact]:
    """The leaves of a request, and the properties of its configurations."""
    if isinstance(value, Mapping) and (value or not place):
        if "classification" in value:
            yield from _configured(value, place)
            return
        for name, inner in value.items():
            if place or name not in ("tags", "jobDriver"):
                yield from _facts(inner, f"{place}.{name}" if place else name)
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value, start=1):
            yield from _facts(inner, f"{place}.{index}")
    elif value is not None:
        yield Fact(place, place, str(value) if not isinstance(value, Mapping | list) else "")


def _configured(configuration: Mapping[str, Any], place: str) -> Iterator[Fact]:
    name = configuration["classification"]
    yield Fact(f"{place}.classification", f"classification:{name}")
    for key, value in (configuration.get("properties") or {}).items():
        yield Fact(f"{place}.properties.{key}", f"{name}:{key}", str(value))
    for index, nested in enumerate(configuration.get("configurations") or (), start=1):
        yield from _configured(nested, f"{place}.configurations.{index}")
