"""What a resource is: how to describe and name it, and what its states mean; written once per kind of resource.

Operators, sensors and the trigger know only :class:`ResourceKind`; another resource is another subclass.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, ClassVar, Generic, TypeVar

from airflow_emrs_ext.exceptions import EmrError, JobRunCancelled, JobRunFailed, UnknownState
from airflow_emrs_ext.states import ApplicationState, JobRunState, State
from airflow_emrs_ext.steps import Call

S = TypeVar("S", bound=State, covariant=True)


@dataclass(frozen=True)
class Snapshot:
    """One observation of a resource.

    :param state_details: the service's own words, may be empty
    :param attempt: number of the attempt, for resources that have them
    :param facts: everything worth keeping, as plain JSON: what results and errors carry
    """

    state: State
    state_details: str
    attempt: int | None
    facts: dict[str, Any]


class ResourceKind(ABC, Generic[S]):
    """A kind of resource that can be waited for."""

    name: ClassVar[str]
    states: type[S]

    @abstractmethod
    def describe(self, ids: Mapping[str, str]) -> Call:
        """The call that describes the resource."""

    @abstractmethod
    def read(self, ids: Mapping[str, str], response: Mapping[str, Any]) -> Snapshot:
        """The observation in the answer of :meth:`describe`."""

    def ended(self, ids: Mapping[str, str], snapshot: Snapshot) -> EmrError | None:
        """The kind's own error for a resource that has ended another way than awaited, if it has one."""
        return None

    def label(self, ids: Mapping[str, str]) -> str:
        """How log lines and errors name the resource."""
        *_, own_id = ids.values()
        return f"{self.name} {own_id}"

    def parse_state(self, ids: Mapping[str, str], value: str) -> S:
        """The state that the API spells ``value``.

        :raises UnknownState: this version of the package does not know it
        """
        try:
            return self.states(value)
        except ValueError:
            raise UnknownState(
                f"{self.label(ids)} is in state {value!r}, which this version of airflow-emrs-ext does not know. "
                "Upgrade the package.",
                {**ids, "state": value},
            ) from None


class Application(ResourceKind[ApplicationState]):
    """An EMR Serverless application; ids: ``application_id``."""

    name = "Application"
    states = ApplicationState

    def describe(self, ids: Mapping[str, str]) -> Call:
        return Call("get_application", {"applicationId": ids["application_id"]})

    def read(self, ids: Mapping[str, str], response: Mapping[str, Any]) -> Snapshot:
        application = response["application"]
        state = self.parse_state(ids, application["state"])
        details = application.get("stateDetails") or ""
        facts = {
            "application_id": application["applicationId"],
            "arn": application["arn"],
            "name": application.get("name"),
            "type": application["type"],
            "release_label": application["releaseLabel"],
            "architecture": application.get("architecture"),
            "state": str(state),
            "state_details": details,
            "created_at": to_json(application["createdAt"]),
            "updated_at": to_json(application["updatedAt"]),
            "tags": application.get("tags", {}),
        }
        return Snapshot(state, details, None, facts)


class JobRun(ResourceKind[JobRunState]):
    """An EMR Serverless job run; ids: ``application_id``, ``job_run_id``."""

    name = "Job run"
    states = JobRunState

    def describe(self, ids: Mapping[str, str]) -> Call:
        return Call("get_job_run", {"applicationId": ids["application_id"], "jobRunId": ids["job_run_id"]})

    def read(self, ids: Mapping[str, str], response: Mapping[str, Any]) -> Snapshot:
        run = response["jobRun"]
        state = self.parse_state(ids, run["state"])
        details = run.get("stateDetails") or ""
        attempt = run.get("attempt", 1)
        facts = {
            "application_id": run["applicationId"],
            "job_run_id": run["jobRunId"],
            "arn": run["arn"],
            "name": run.get("name"),
            "mode": run.get("mode", "BATCH"),
            "state": str(state),
            "state_details": details,
            "attempt": attempt,
            "created_at": to_json(run["createdAt"]),
            "updated_at": to_json(run["updatedAt"]),
            "started_at": to_json(run.get("startedAt")),
            "ended_at": to_json(run.get("endedAt")),
            "queued_duration_milliseconds": run.get("queuedDurationMilliseconds"),
            "total_execution_duration_seconds": run.get("totalExecutionDurationSeconds"),
            "total_resource_utilization": _utilization(run.get("totalResourceUtilization")),
            "billed_resource_utilization": _utilization(run.get("billedResourceUtilization")),
            "type": "HIVE" if "hive" in run["jobDriver"] else "SPARK",
            "retry_policy": run.get("retryPolicy"),
            "monitoring_configuration": run.get("configurationOverrides", {}).get("monitoringConfiguration", {}),
        }
        return Snapshot(state, details, attempt, facts)

    def ended(self, ids: Mapping[str, str], snapshot: Snapshot) -> EmrError | None:
        error_class = _JOB_RUN_ERRORS.get(snapshot.state)
        if error_class is None:
            return None
        attempt = f", attempt {snapshot.attempt}" if snapshot.attempt and snapshot.attempt > 1 else ""
        details = snapshot.state_details or "the service gave no details"
        return error_class(
            f"{self.label(ids)} of application {ids['application_id']} is {snapshot.state}{attempt}: {details}",
            snapshot.facts,
        )


_JOB_RUN_ERRORS: Mapping[State, type[EmrError]] = {
    JobRunState.FAILED: JobRunFailed,
    JobRunState.CANCELLED: JobRunCancelled,
}

APPLICATION = Application()
JOB_RUN = JobRun()


def attempt_facts(attempt: Mapping[str, Any]) -> dict[str, Any]:
    """One entry of ListJobRunAttempts as plain JSON."""
    return {
        "attempt": attempt.get("attempt", 1),
        "state": attempt["state"],
        "state_details": attempt.get("stateDetails") or "",
        "created_at": to_json(attempt["createdAt"]),
        "updated_at": to_json(attempt["updatedAt"]),
    }


def log_locations(facts: Mapping[str, Any], application_monitoring: Mapping[str, Any]) -> dict[str, Any]:
    """Where the driver's logs of a job run's latest attempt are.

    :param facts: of the job run
    :param application_monitoring: the application's MonitoringConfiguration, which the job run's own overrides by type
    :return: ``s3_uri`` (folder of ``stdout.gz`` and ``stderr.gz``), ``cloudwatch_log_group`` and
        ``cloudwatch_log_stream_prefix``, ``None`` where not configured, and ``managed_storage``
    """
    monitoring = {**application_monitoring, **facts["monitoring_configuration"]}
    path = f"applications/{facts['application_id']}/jobs/{facts['job_run_id']}"
    # The service numbers the folders of streaming job runs and of those that may be retried.
    if facts["mode"] == "STREAMING" or (facts["retry_policy"] or {}).get("maxAttempts", 1) > 1:
        path += f"/attempts/{facts['attempt']}"
    worker = f"{facts['type']}_DRIVER"
    log_uri = monitoring.get("s3MonitoringConfiguration", {}).get("logUri")
    cloud_watch = monitoring.get("cloudWatchLoggingConfiguration", {})
    group = stream = None
    if cloud_watch.get("enabled"):
        group = cloud_watch.get("logGroupName", "/aws/emr-serverless")
        # Without a prefix the name begins with the slash all the same.
        stream = f"{cloud_watch.get('logStreamNamePrefix', '').rstrip('/')}/{path}/{worker}"
    return {
        "s3_uri": f"{log_uri.rstrip('/')}/{path}/{worker}/" if log_uri else None,
        "cloudwatch_log_group": group,
        "cloudwatch_log_stream_prefix": stream,
        "managed_storage": monitoring.get("managedPersistenceMonitoringConfiguration", {}).get("enabled", True),
    }


def to_json(moment: datetime | None) -> str | None:
    """A time as ISO 8601 in UTC."""
    return None if moment is None else moment.astimezone(timezone.utc).isoformat()


def _utilization(figures: Mapping[str, float] | None) -> dict[str, float] | None:
    if figures is None:
        return None
    return {
        "vcpu_hour": figures.get("vCPUHour", 0.0),
        "memory_gb_hour": figures.get("memoryGBHour", 0.0),
        "storage_gb_hour": figures.get("storageGBHour", 0.0),
    }
