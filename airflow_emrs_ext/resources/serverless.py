"""The resources of EMR Serverless."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from typing_extensions import override

from airflow_emrs_ext.core.driver_worker import driver_settings
from airflow_emrs_ext.resources.base import (
    Api,
    EndableKind,
    JobRunKind,
    ResourceKind,
    Snapshot,
    SparkConnect,
    details_of,
    to_json,
)
from airflow_emrs_ext.resources.remedy import Remedy
from airflow_emrs_ext.shared.states import ApplicationState, JobRunState, SessionState

SERVICE = "emr-serverless"

API = Api(SERVICE)


class Application(ResourceKind[ApplicationState]):
    """An EMR Serverless application; ids: ``application_id``."""

    name = "Application"
    states = ApplicationState
    api = API
    key = "application"
    id_names: ClassVar[tuple[str, ...]] = ("application_id",)
    starts = "create_application"
    describes = "get_application"
    lists = "list_applications"
    events: ClassVar[tuple[str, ...]] = ("EMR Serverless Application State Change",)

    @override
    def read(self, ids: Mapping[str, str], response: Mapping[str, Any]) -> Snapshot:
        application = response["application"]
        state = self.states.parse(application["state"])
        details = details_of(application.get("stateDetails"))
        facts = {
            "application_id": application["applicationId"],
            "arn": application.get("arn"),
            "name": application.get("name"),
            "type": application.get("type"),
            "release_label": application.get("releaseLabel"),
            "architecture": application.get("architecture"),
            "state": str(state),
            "state_details": details,
            "created_at": to_json(application["createdAt"]),
            "updated_at": to_json(application.get("updatedAt")),
            "tags": application.get("tags", {}),
        }
        return Snapshot(state, details, None, facts)


class JobRun(JobRunKind[JobRunState]):
    """An EMR Serverless job run; ids: ``application_id``, ``job_run_id``."""

    name = "Job run"
    states = JobRunState
    api = API
    key = "job_run"
    id_names: ClassVar[tuple[str, ...]] = ("application_id", "job_run_id")
    belongs_to = "application"
    starts = "start_job_run"
    describes = "get_job_run"
    lists = "list_job_runs"
    events: ClassVar[tuple[str, ...]] = ("EMR Serverless Job Run State Change",)
    verb = "cancel"
    ends = "cancel_job_run"
    ending: ClassVar[JobRunState] = JobRunState.CANCELLING
    end_state: ClassVar[JobRunState] = JobRunState.CANCELLED
    failure: ClassVar[JobRunState] = JobRunState.FAILED
    running: ClassVar[JobRunState] = JobRunState.RUNNING

    @override
    def read(self, ids: Mapping[str, str], response: Mapping[str, Any]) -> Snapshot:
        run = response["jobRun"]
        state = self.states.parse(run["state"])
        details = details_of(run.get("stateDetails"))
        attempt = run.get("attempt", 1)
        facts = {
            "application_id": run["applicationId"],
            "job_run_id": run["jobRunId"],
            "arn": run.get("arn"),
            "name": run.get("name"),
            "mode": run.get("mode", "BATCH"),
            "state": str(state),
            "state_details": details,
            "attempt": attempt,
            "created_at": to_json(run["createdAt"]),
            "updated_at": to_json(run.get("updatedAt")),
            "started_at": to_json(run.get("startedAt")),
            "ended_at": to_json(run.get("endedAt")),
            "queued_duration_milliseconds": run.get("queuedDurationMilliseconds"),
            "total_execution_duration_seconds": run.get("totalExecutionDurationSeconds"),
            "total_resource_utilization": _utilization(run.get("totalResourceUtilization")),
            "billed_resource_utilization": _utilization(run.get("billedResourceUtilization")),
            "type": "HIVE" if "hive" in run.get("jobDriver", {}) else "SPARK",
            "retry_policy": run.get("retryPolicy"),
            "monitoring_configuration": run.get("configurationOverrides", {}).get("monitoringConfiguration", {}),
            "tags": run.get("tags", {}),
            **_flex_facts(run),
        }
        if facts["flex_execution"]:
            facts["driver_settings"] = _driver_settings(run)
        return Snapshot(state, details, attempt, facts)

    @override
    def has_driver(self, facts: Mapping[str, Any]) -> bool:
        return bool(facts["started_at"]) or facts["attempt"] > 1

    @override
    def log_locations(self, facts: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
        path = f"applications/{facts['application_id']}/jobs/{facts['job_run_id']}"
        # The service numbers the folders of streaming job runs and of those that may be retried.
        if facts["mode"] == "STREAMING" or (facts["retry_policy"] or {}).get("maxAttempts", 1) > 1:
            path += f"/attempts/{facts['attempt']}"
        return _log_locations(f"{path}/{facts['type']}_DRIVER", {**defaults, **facts["monitoring_configuration"]})


class Session(EndableKind[SessionState]):
    """An EMR Serverless session; ids: ``application_id``, ``session_id``. Its facts hold no secret."""

    name = "Session"
    states = SessionState
    api = API
    key = "session"
    id_names: ClassVar[tuple[str, ...]] = ("application_id", "session_id")
    starts = "start_session"
    describes = "get_session"
    lists = "list_sessions"
    verb = "terminate"
    ends = "terminate_session"
    ending: ClassVar[SessionState] = SessionState.TERMINATING
    end_state: ClassVar[SessionState] = SessionState.TERMINATED
    failure: ClassVar[SessionState] = SessionState.FAILED
    belongs_to = "application"
    spark_connect: ClassVar[SparkConnect] = SparkConnect(
        remedies=(
            Remedy(r"(?i)idle", "Start another; raise `idle_timeout_minutes` if it has to rest for longer."),
            Remedy(
                r"(?i)24 ?h|longest|maximum (life|duration|session)",
                "Start another: a session lives for 24 hours at most.",
            ),
            Remedy(r"^FAILED", "Its driver's logs, in its dashboard, say more; then start another."),
            Remedy(r"", "Somebody ended it: start another."),
        )
    )

    @override
    def read(self, ids: Mapping[str, str], response: Mapping[str, Any]) -> Snapshot:
        session = response["session"]
        state = self.states.parse(session["state"])
        details = details_of(session.get("stateDetails"))
        facts = {
            **session_facts(session),
            "started_at": to_json(session.get("startedAt")),
            "ended_at": to_json(session.get("endedAt")),
            "idle_since": to_json(session.get("idleSince")),
            "idle_timeout_minutes": session.get("idleTimeoutMinutes"),
            "total_execution_duration_seconds": session.get("totalExecutionDurationSeconds"),
            "total_resource_utilization": _utilization(session.get("totalResourceUtilization")),
            "billed_resource_utilization": _utilization(session.get("billedResourceUtilization")),
            "tags": session.get("tags", {}),
        }
        return Snapshot(state, details, None, facts)

    def log_locations(self, facts: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
        """As of a :class:`~airflow_emrs_ext.resources.base.SparkDriver`, which it is."""
        path = f"applications/{facts['application_id']}/sessions/{facts['session_id']}"
        return _log_locations(f"{path}/SPARK_DRIVER", defaults)


def session_facts(session: Mapping[str, Any]) -> dict[str, Any]:
    """What GetSession and an entry of ListSessions have in common, as plain JSON."""
    return {
        "application_id": session["applicationId"],
        "session_id": session["sessionId"],
        "arn": session.get("arn"),
        "name": session.get("name"),
        "state": str(SessionState.parse(session["state"])),
        "state_details": details_of(session.get("stateDetails")),
        "release_label": session.get("releaseLabel"),
        "execution_role_arn": session.get("executionRoleArn"),
        "created_by": session.get("createdBy"),
        "created_at": to_json(session["createdAt"]),
        "updated_at": to_json(session.get("updatedAt")),
    }


def attempt_facts(attempt: Mapping[str, Any]) -> dict[str, Any]:
    """One entry of ListJobRunAttempts as plain JSON."""
    return {
        "attempt": attempt.get("attempt", 1),
        "state": str(JobRunState.parse(attempt["state"])),
        "state_details": details_of(attempt.get("stateDetails")),
        "created_at": to_json(attempt["createdAt"]),
        "updated_at": to_json(attempt.get("updatedAt")),
        **_flex_facts(attempt),
    }


def _flex_facts(described: Mapping[str, Any]) -> dict[str, bool]:
    return {"flex_execution": bool(described.get("flexExecution", {}).get("enabled"))}


def _driver_settings(run: Mapping[str, Any]) -> dict[str, str] | None:
    """What a job run says of its driver's size; ``None``: it cannot be read."""
    parameters = run.get("jobDriver", {}).get("sparkSubmit", {}).get("sparkSubmitParameters")
    overrides = run.get("configurationOverrides", {})
    try:
        return driver_settings(overrides.get("applicationConfiguration"), parameters)
    except ValueError:
        return None


def price_facts(application: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """What the cost of a job run or session depends on that its application says.

    :param application: as GetApplication describes it; empty: it may not be read
    :param facts: of the job run or session
    """
    found: dict[str, Any] = {"architecture": application.get("architecture")}
    if facts.get("flex_execution"):
        found["driver_defaults"] = driver_settings(application.get("runtimeConfiguration")) if application else None
    return found


def _log_locations(path: str, monitoring: Mapping[str, Any]) -> dict[str, Any]:
    """The locations of a driver's logs.

    :param path: from the URI or prefix that is configured to the driver
    """
    log_uri = monitoring.get("s3MonitoringConfiguration", {}).get("logUri")
    cloud_watch = monitoring.get("cloudWatchLoggingConfiguration", {})
    group = stream = None
    if cloud_watch.get("enabled"):
        group = cloud_watch.get("logGroupName", "/aws/emr-serverless")
        # Without a prefix the name begins with the slash all the same.
        stream = f"{cloud_watch.get('logStreamNamePrefix', '').rstrip('/')}/{path}"
    return {
        "s3_uri": f"{log_uri.rstrip('/')}/{path}/" if log_uri else None,
        "cloudwatch_log_group": group,
        "cloudwatch_log_stream_prefix": stream,
        "managed_storage": monitoring.get("managedPersistenceMonitoringConfiguration", {}).get("enabled", True),
    }


def _utilization(figures: Mapping[str, float] | None) -> dict[str, float] | None:
    if figures is None:
        return None
    return {
        "vcpu_hour": figures.get("vCPUHour", 0.0),
        "memory_gb_hour": figures.get("memoryGBHour", 0.0),
        "storage_gb_hour": figures.get("storageGBHour", 0.0),
    }
