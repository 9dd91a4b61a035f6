"""What is kept of a driver: its logs and its Spark UI."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from airflow_emrs_ext.local.base.configuration import check_monitoring
from airflow_emrs_ext.local.base.errors import validation_error
from airflow_emrs_ext.local.base.runner import CloudWatchLogs, LogDestinations, S3Logs

_SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMG])[Bb]?")
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_ROTATION_BYTES = (2 << 10, 2 << 30)
_MEMBER = "configurationOverrides.monitoringConfiguration"


def read_monitoring(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """The MonitoringConfiguration in force: the persistent UI is on unless it is turned off.

    :param given: ``monitoringConfiguration`` in the API's form
    :raises ApiError: a value is not usable; the member is named
    """
    check_monitoring(given, _MEMBER)
    monitoring = {"persistentAppUI": "ENABLED", **(given or {})}
    if rotation := monitoring.get("containerLogRotationConfiguration"):
        least, most = _ROTATION_BYTES
        if not least <= _rotation_bytes(rotation) <= most:
            raise validation_error(
                f"{_MEMBER}.containerLogRotationConfiguration.rotationSize: must be from 2KB to 2GB, not"
                f" {rotation['rotationSize']}"
            )
    return monitoring


def log_destinations(monitoring: Mapping[str, Any]) -> LogDestinations:
    """Where a driver's logs go.

    :param monitoring: the MonitoringConfiguration in force
    """
    s3 = monitoring.get("s3MonitoringConfiguration")
    cloudwatch = monitoring.get("cloudWatchMonitoringConfiguration")
    rotation = monitoring.get("containerLogRotationConfiguration")
    return LogDestinations(
        s3=S3Logs(s3["logUri"], s3.get("encryptionKeyArn")) if s3 else None,
        cloudwatch=CloudWatchLogs(cloudwatch["logGroupName"], cloudwatch.get("logStreamNamePrefix") or "")
        if cloudwatch
        else None,
        # Rotation keeps so many files of a container's log; the delivery has them in one.
        most_bytes=int(_rotation_bytes(rotation) * rotation["maxFilesToKeep"]) if rotation else None,
    )


def _rotation_bytes(rotation: Mapping[str, Any]) -> float:
    match = _SIZE.fullmatch(rotation["rotationSize"])
    assert match is not None  # the API model's pattern admits nothing else
    return float(match[1]) * _UNITS[match[2]]
