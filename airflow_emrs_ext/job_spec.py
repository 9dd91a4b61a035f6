"""Functions that build the structures of StartJobRun as plain dictionaries, in the API's own form."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any


def spark_submit(
    entry_point: str,
    arguments: Sequence[str] = (),
    *,
    class_name: str | None = None,
    conf: Mapping[str, str] | None = None,
    py_files: Sequence[str] = (),
    jars: Sequence[str] = (),
    files: Sequence[str] = (),
) -> dict[str, Any]:
    """A ``jobDriver`` that submits a Spark application.

    :param entry_point: S3 URI of the ``.py`` or ``.jar`` file
    :param arguments: of the application, one string each
    :param class_name: main class of a jar (``--class``)
    :param conf: Spark properties (``--conf``), which win over those of ``configuration_overrides``
    :param py_files: S3 URIs of Python modules or archives of them (``--py-files``)
    :param jars: S3 URIs of further jars (``--jars``)
    :param files: S3 URIs of files for the working directory (``--files``)
    """
    words: list[str] = []
    if class_name:
        words += ["--class", class_name]
    for option, values in (("--py-files", py_files), ("--jars", jars), ("--files", files)):
        if values:
            words += [option, ",".join(values)]
    for key, value in (conf or {}).items():
        words += ["--conf", f"{key}={value}"]
    driver: dict[str, Any] = {"entryPoint": entry_point}
    if arguments:
        driver["entryPointArguments"] = [str(argument) for argument in arguments]
    if words:
        driver["sparkSubmitParameters"] = shlex.join(words)
    return {"sparkSubmit": driver}


def hive(
    query: str,
    *,
    init_query_file: str | None = None,
    hiveconf: Mapping[str, str] | None = None,
    hivevar: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A ``jobDriver`` that runs a Hive query.

    :param query: S3 URI of the query file
    :param init_query_file: S3 URI of a file that is run before it
    :param hiveconf: Hive properties (``--hiveconf``), which win over those of ``configuration_overrides``
    :param hivevar: values of ``${hivevar:name}`` in the query (``--hivevar``)
    """
    words: list[str] = []
    for option, pairs in (("--hiveconf", hiveconf), ("--hivevar", hivevar)):
        for key, value in (pairs or {}).items():
            words += [option, f"{key}={value}"]
    driver: dict[str, Any] = {"query": query}
    if init_query_file:
        driver["initQueryFile"] = init_query_file
    if words:
        driver["parameters"] = shlex.join(words)
    return {"hive": driver}


def configuration_overrides(
    *,
    spark_defaults: Mapping[str, str] | None = None,
    classifications: Mapping[str, Mapping[str, str]] | None = None,
    s3_log_uri: str | None = None,
    cloud_watch_log_group: str | None = None,
    cloud_watch_log_stream_prefix: str | None = None,
    managed_logs: bool | None = None,
) -> dict[str, Any]:
    """A ``configurationOverrides`` structure.

    :param spark_defaults: properties of the classification ``spark-defaults``; they replace the application's whole
        ``spark-defaults``
    :param classifications: properties of other classifications, e.g. ``{"hive-site": {...}}``
    :param s3_log_uri: where the service writes logs on S3
    :param cloud_watch_log_group: CloudWatch log group that the service writes logs to
    :param cloud_watch_log_stream_prefix: put before the names of the log streams
    :param managed_logs: whether the service keeps logs itself for 30 days; default: as the application says
    """
    given = {**({"spark-defaults": spark_defaults} if spark_defaults else {}), **(classifications or {})}
    monitoring: dict[str, Any] = {}
    if s3_log_uri:
        monitoring["s3MonitoringConfiguration"] = {"logUri": s3_log_uri}
    if cloud_watch_log_group:
        monitoring["cloudWatchLoggingConfiguration"] = {"enabled": True, "logGroupName": cloud_watch_log_group}
        if cloud_watch_log_stream_prefix:
            monitoring["cloudWatchLoggingConfiguration"]["logStreamNamePrefix"] = cloud_watch_log_stream_prefix
    if managed_logs is not None:
        monitoring["managedPersistenceMonitoringConfiguration"] = {"enabled": managed_logs}
    overrides: dict[str, Any] = {}
    if given:
        overrides["applicationConfiguration"] = [
            {"classification": name, "properties": dict(properties)} for name, properties in given.items()
        ]
    if monitoring:
        overrides["monitoringConfiguration"] = monitoring
    return overrides
