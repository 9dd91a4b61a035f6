"""Where the logs of job runs and sessions go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_emrs_ext.local.base.runner import CloudWatchLogs, LogDestinations, S3Logs
from airflow_emrs_ext.local.services.emr_serverless.engines import HIVE, SPARK

PRODUCT = "EMR Serverless"
DRIVER_NAMES = {SPARK: "SPARK_DRIVER", HIVE: "HIVE_DRIVER"}
"""The worker type of the driver, by the type of the application."""

EXECUTOR_LOGS: Mapping[str, str] = {SPARK: "SPARK_EXECUTOR/1"}
"""The folder of the first executor's logs, by the type of the application."""

_STREAMS = ("STDERR", "STDOUT")
LOG_TYPES: Mapping[str, Mapping[str, Sequence[str]]] = {
    SPARK: {"SPARK_DRIVER": _STREAMS, "SPARK_EXECUTOR": _STREAMS},
    HIVE: {"HIVE_DRIVER": (*_STREAMS, "HIVE_LOG", "TEZ_AM"), "TEZ_TASK": (*_STREAMS, "SYSTEM_LOGS")},
}
"""What ``logTypes`` may ask for: worker types and their logs, by the type of the application."""

# Logs of Spark are rotated, those of Hive are not.
_PART_BYTES = 128 << 20

DEFAULT_LOG_GROUP = "/aws/emr-serverless"
"""The log group where ``cloudWatchLoggingConfiguration`` names none."""


def missing_log(engine: str, worker_type: str, log_type: str) -> str | None:
    """Why an application has no such log, or ``None``.

    :param engine: of the application
    :param worker_type: as ``logTypes`` names it
    :param log_type: in any case
    """
    types = LOG_TYPES[engine]
    if log_type.upper() in types.get(worker_type, ()):
        return None
    there = " and ".join(f"{name} ({', '.join(logs)})" for name, logs in types.items())
    return f"{engine} applications have no log {log_type} of {worker_type}, but those of {there}"


def merge_monitoring(application: Mapping[str, Any] | None, job: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """The MonitoringConfiguration that is in force for a job run.

    The unit of the merge is the configuration type, such as ``s3MonitoringConfiguration``. An empty one in the job run
    removes the application's; CloudWatch logging is removed by ``enabled: false``; managed storage is on unless it is
    turned off, so removing its configuration means on.

    :param application: the application's ``monitoringConfiguration``
    :param job: the job run's ``monitoringConfiguration``
    """
    merged: dict[str, dict[str, Any]] = {
        kind: dict(settings) for kind, settings in {**(application or {}), **(job or {})}.items() if settings
    }
    if not merged.get("cloudWatchLoggingConfiguration", {}).get("enabled", True):
        del merged["cloudWatchLoggingConfiguration"]
    managed = merged.get("managedPersistenceMonitoringConfiguration", {})
    merged["managedPersistenceMonitoringConfiguration"] = {"enabled": True, **managed}
    return merged


def log_destinations(monitoring: Mapping[str, Any], driver_name: str) -> LogDestinations:
    """Where the logs of a driver and its executors go; without ``logTypes`` CloudWatch Logs gets the driver's only.

    :param monitoring: the MonitoringConfiguration that is in force
    :param driver_name: the worker type of the driver
    """
    s3 = monitoring.get("s3MonitoringConfiguration") or {}
    cloudwatch = monitoring.get("cloudWatchLoggingConfiguration") or {}
    asked = cloudwatch.get("logTypes") or {driver_name: _STREAMS}
    return LogDestinations(
        s3=S3Logs(s3["logUri"], s3.get("encryptionKeyArn")) if s3.get("logUri") else None,
        cloudwatch=CloudWatchLogs(
            cloudwatch.get("logGroupName") or DEFAULT_LOG_GROUP,
            cloudwatch.get("logStreamNamePrefix") or "",
            cloudwatch.get("encryptionKeyArn"),
            {worker_type: frozenset(name.upper() for name in names) for worker_type, names in asked.items()},
        )
        if cloudwatch.get("enabled")
        else None,
        event_logs=driver_name == DRIVER_NAMES[SPARK],
        part_bytes=_PART_BYTES if driver_name == DRIVER_NAMES[SPARK] else None,
    )
