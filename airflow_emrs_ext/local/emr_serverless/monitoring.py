"""Where the logs of job runs and sessions go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


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
