"""Functions that build the structures of StartJobRun as plain dictionaries, in the API's own form.

Those whose names begin with ``eks`` are for EMR on EKS, the others for EMR Serverless.
"""

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
    lists = {"--py-files": py_files, "--jars": jars, "--files": files}
    words = [*(("--class", class_name) if class_name else ()), *_joined(lists), *_pairs("--conf", conf)]
    driver: dict[str, Any] = {"entryPoint": entry_point}
    if arguments:
        driver["entryPointArguments"] = [str(argument) for argument in arguments]
    if words:
        driver["sparkSubmitParameters"] = shlex.join(words)
    return {"sparkSubmit": driver}


def eks_spark_submit(entry_point: str, arguments: Sequence[str] = (), **options: Any) -> dict[str, Any]:
    """A ``jobDriver`` of EMR on EKS that submits a Spark application.

    :param entry_point: S3 URI of the ``.py`` or ``.jar`` file, or ``local://`` and its path in the image
    :param arguments: of the application, one string each
    :param options: further parameters of :func:`spark_submit`
    """
    return {"sparkSubmitJobDriver": spark_submit(entry_point, arguments, **options)["sparkSubmit"]}


def eks_spark_sql(
    entry_point: str,
    *,
    variables: Mapping[str, str] | None = None,
    conf: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A ``jobDriver`` of EMR on EKS that runs a file of SQL statements.

    :param entry_point: S3 URI of the ``.sql`` file
    :param variables: values of ``${name}`` in the statements (``--hivevar``)
    :param conf: Spark properties (``--conf``), which win over those of ``configuration_overrides``
    """
    driver: dict[str, Any] = {"entryPoint": entry_point}
    if words := [*_pairs("--hivevar", variables), *_pairs("--conf", conf)]:
        driver["sparkSqlParameters"] = shlex.join(words)
    return {"sparkSqlJobDriver": driver}


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
    words = [*_pairs("--hiveconf", hiveconf), *_pairs("--hivevar", hivevar)]
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
    monitoring: dict[str, Any] = {}
    if s3_log_uri:
        monitoring["s3MonitoringConfiguration"] = {"logUri": s3_log_uri}
    if cloud_watch_log_group:
        monitoring["cloudWatchLoggingConfiguration"] = {"enabled": True, "logGroupName": cloud_watch_log_group}
        if cloud_watch_log_stream_prefix:
            monitoring["cloudWatchLoggingConfiguration"]["logStreamNamePrefix"] = cloud_watch_log_stream_prefix
    if managed_logs is not None:
        monitoring["managedPersistenceMonitoringConfiguration"] = {"enabled": managed_logs}
    return _overrides(spark_defaults, classifications, monitoring)


def eks_configuration_overrides(
    *,
    spark_defaults: Mapping[str, str] | None = None,
    classifications: Mapping[str, Mapping[str, str]] | None = None,
    s3_log_uri: str | None = None,
    cloud_watch_log_group: str | None = None,
    cloud_watch_log_stream_prefix: str | None = None,
    persistent_app_ui: bool | None = None,
    log_rotation_size: str | None = None,
    log_files_to_keep: int = 10,
) -> dict[str, Any]:
    """A ``configurationOverrides`` structure of EMR on EKS.

    :param spark_defaults: properties of the classification ``spark-defaults``
    :param classifications: properties of other classifications, e.g. ``{"spark-log4j": {...}}``
    :param s3_log_uri: where the service writes logs on S3
    :param cloud_watch_log_group: CloudWatch log group that the service writes logs to
    :param cloud_watch_log_stream_prefix: put before the names of the log streams
    :param persistent_app_ui: whether the service keeps the Spark UI after the end of a job run; default: the service's
    :param log_rotation_size: rotate the logs in the containers at this size, e.g. ``10MB``; 2KB to 2GB
    :param log_files_to_keep: how many rotated files are kept, 1 to 50
    """
    monitoring: dict[str, Any] = {}
    if persistent_app_ui is not None:
        monitoring["persistentAppUI"] = "ENABLED" if persistent_app_ui else "DISABLED"
    if s3_log_uri:
        monitoring["s3MonitoringConfiguration"] = {"logUri": s3_log_uri}
    if cloud_watch_log_group:
        monitoring["cloudWatchMonitoringConfiguration"] = {"logGroupName": cloud_watch_log_group}
        if cloud_watch_log_stream_prefix:
            monitoring["cloudWatchMonitoringConfiguration"]["logStreamNamePrefix"] = cloud_watch_log_stream_prefix
    if log_rotation_size:
        rotation = {"rotationSize": log_rotation_size, "maxFilesToKeep": log_files_to_keep}
        monitoring["containerLogRotationConfiguration"] = rotation
    return _overrides(spark_defaults, classifications, monitoring)


def _overrides(
    spark_defaults: Mapping[str, str] | None,
    classifications: Mapping[str, Mapping[str, str]] | None,
    monitoring: Mapping[str, Any],
) -> dict[str, Any]:
    given = {**({"spark-defaults": spark_defaults} if spark_defaults else {}), **(classifications or {})}
    overrides: dict[str, Any] = {}
    if given:
        overrides["applicationConfiguration"] = [
            {"classification": name, "properties": dict(properties)} for name, properties in given.items()
        ]
    if monitoring:
        overrides["monitoringConfiguration"] = monitoring
    return overrides


def _pairs(option: str, pairs: Mapping[str, str] | None) -> list[str]:
    """An option that is given once for each of several values that have names."""
    return [word for key, value in (pairs or {}).items() for word in (option, f"{key}={value}")]


def _joined(lists: Mapping[str, Sequence[str]]) -> list[str]:
    """Options that take lists."""
    return [word for option, values in lists.items() if values for word in (option, ",".join(values))]
