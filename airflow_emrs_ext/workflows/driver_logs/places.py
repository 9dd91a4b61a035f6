"""Where the logs of an attempt can be read, by what its job run says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_emrs_ext.workflows.driver_logs.pods import CloudWatchPodLogs, S3PodLogs
from airflow_emrs_ext.workflows.driver_logs.sources import CloudWatchLogs, ManagedLogs, S3Logs, Source


def sources(run: Mapping[str, Any]) -> list[Source]:
    """Where the logs of an attempt can be read, the most complete first.

    :param run: facts of the job run, with number and ``log_locations`` of the attempt
    """
    locations = run["log_locations"]
    folder, group = locations["s3_uri"], locations["cloudwatch_log_group"]
    prefix, pod = locations["cloudwatch_log_stream_prefix"], locations.get("driver_pod")
    found: list[Source] = []
    if folder:
        found.append(S3PodLogs(folder, run["attempt"], pod) if pod else S3Logs(folder))
    if group:
        found.append(CloudWatchPodLogs(group, prefix, run["attempt"], pod) if pod else CloudWatchLogs(group, prefix))
    # With a bucket of the user's own the service keeps the logs of the workers there and nowhere else.
    if locations["managed_storage"] and not folder:
        found.append(ManagedLogs(run))
    return found


def to_follow(run: Mapping[str, Any]) -> list[Source]:
    """Where the logs of an attempt can be followed, the most current first: CloudWatch Logs gets each line at once."""
    found = [source for source in sources(run) if source.can_follow]
    return sorted(found, key=lambda source: source.name != CloudWatchLogs.name)
