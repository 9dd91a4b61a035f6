"""What a resource is: how to describe and name it, and what its states mean; written once per kind of resource.

Operators, sensors and the trigger know only :class:`ResourceKind`; another resource is another subclass.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, ClassVar, Generic, TypeVar

from airflow_emrs_ext.diagnosis import Diagnosis, Remedy, diagnose, remedy_for
from airflow_emrs_ext.exceptions import EmrError, JobRunCancelled, JobRunFailed, SessionEnded, UnknownState
from airflow_emrs_ext.states import ApplicationState, JobRunState, SessionState, State
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


class ClaimedKind(ResourceKind[S]):
    """A kind of resource that a task starts, one at a time: the API names operations and members after the kind."""

    key: ClassVar[str]
    """The API's word for it in snake case."""
    starts: ClassVar[str]
    """The operation that starts it."""
    failure: ClassVar[str | None] = None
    """The state in which it has ended by itself, and not well."""

    @property
    def id_name(self) -> str:
        """The name of its own id in results and parameters."""
        return f"{self.key}_id"

    @property
    def id_names(self) -> tuple[str, ...]:
        """The names of its ids."""
        return "application_id", self.id_name

    def ids_of(self, member: Mapping[str, Any]) -> dict[str, str]:
        """The ids in an answer of the API."""
        return {
            name: member[spelled] if (spelled := member_name(name)) in member else member["id"]
            for name in self.id_names
        }

    def scope(self, request: Mapping[str, Any]) -> tuple[str, ...]:
        """What a listing is limited to, for a request that starts one."""
        return (request["application_id"],)

    def on_the_way_out(self) -> list[S]:
        """The states in which it need not be ended any more."""
        return [state for state in self.states if state.is_terminal]

    def is_useful(self, state: State) -> bool:
        """Whether it does, or may still do, what it was started for."""
        return state.can_reach(one for one in self.states if one.is_success)


class Application(ClaimedKind[ApplicationState]):
    """An EMR Serverless application; ids: ``application_id``."""

    name = "Application"
    states = ApplicationState
    key = "application"
    starts = "create_application"

    @property
    def id_names(self) -> tuple[str, ...]:
        return (self.id_name,)

    def scope(self, request: Mapping[str, Any]) -> tuple[str, ...]:
        return ()

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


class OwnedKind(ClaimedKind[S]):
    """A kind of resource that somebody started and that costs money until it ends: a job run, a session.

    Its ids are ``application_id`` and one of its own.
    """

    verb: ClassVar[str]
    """The API's word for ending it."""
    ending: ClassVar[str]
    """The state that ending it leads to first."""
    end_state: ClassVar[State]
    """The state that ending it leads to in the end."""

    def describe(self, ids: Mapping[str, str]) -> Call:
        return Call(f"get_{self.key}", self._members(ids))

    def end(self, ids: Mapping[str, str], **members: Any) -> Call:
        """The call that ends it; ``members`` are further ones of the request."""
        return Call(f"{self.verb}_{self.key}", {**self._members(ids), **members})

    def on_the_way_out(self) -> list[S]:
        return [state for state in self.states if state.is_terminal or state == self.ending]

    def _members(self, ids: Mapping[str, str]) -> dict[str, str]:
        return {"applicationId": ids["application_id"], member_name(self.id_name): ids[self.id_name]}


class JobRun(OwnedKind[JobRunState]):
    """An EMR Serverless job run; ids: ``application_id``, ``job_run_id``."""

    name = "Job run"
    states = JobRunState
    key = "job_run"
    starts = "start_job_run"
    verb = "cancel"
    ending = JobRunState.CANCELLING
    end_state = JobRunState.CANCELLED
    failure = JobRunState.FAILED

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
            "tags": run.get("tags", {}),
        }
        return Snapshot(state, details, attempt, facts)

    def ended(self, ids: Mapping[str, str], snapshot: Snapshot) -> EmrError | None:
        error_class = _JOB_RUN_ERRORS.get(snapshot.state)
        if error_class is None:
            return None
        diagnosis = diagnose(snapshot.state, snapshot.state_details).as_facts()
        facts = {**snapshot.facts, "diagnosis": diagnosis}
        return error_class(self.end_of(facts), facts)

    def end_of(self, facts: Mapping[str, Any]) -> str:
        """What an error says of a job run that has ended badly: what happened, why, and what to do."""
        attempt = f", attempt {facts['attempt']}" if facts["attempt"] > 1 else ""
        return (
            f"{self.label({'job_run_id': facts['job_run_id']})} of application {facts['application_id']} is "
            f"{facts['state']}{attempt}: {Diagnosis(**facts['diagnosis']).sentences(facts['state_details'])}"
        )


_JOB_RUN_ERRORS: Mapping[State, type[EmrError]] = {
    JobRunState.FAILED: JobRunFailed,
    JobRunState.CANCELLED: JobRunCancelled,
}


class Session(OwnedKind[SessionState]):
    """An EMR Serverless session; ids: ``application_id``, ``session_id``. Its facts hold no secret."""

    name = "Session"
    states = SessionState
    key = "session"
    starts = "start_session"
    verb = "terminate"
    ending = SessionState.TERMINATING
    end_state = SessionState.TERMINATED
    failure = SessionState.FAILED

    def read(self, ids: Mapping[str, str], response: Mapping[str, Any]) -> Snapshot:
        session = response["session"]
        state = self.parse_state(ids, session["state"])
        details = session.get("stateDetails") or ""
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

    def ended(self, ids: Mapping[str, str], snapshot: Snapshot) -> EmrError | None:
        if snapshot.state not in self.on_the_way_out():
            return None
        details = (snapshot.state_details or "the service gave no details").rstrip(". ")
        remedy = remedy_for(f"{snapshot.state} {details}", _SESSION_ENDS)
        return SessionEnded(
            f"{self.label(ids)} of application {ids['application_id']} is {snapshot.state}: {details}. "
            f"{remedy.advice if remedy else ''}",
            snapshot.facts,
        )


# What to do about a session that has ended, by its state and the service's own words.
_SESSION_ENDS: tuple[Remedy, ...] = (
    Remedy(r"(?i)idle", "Start another; raise `idle_timeout_minutes` if it has to rest for longer."),
    Remedy(
        r"(?i)24 ?h|longest|maximum (life|duration|session)", "Start another: a session lives for 24 hours at most."
    ),
    Remedy(r"^FAILED", "Its driver's logs, in its dashboard, say more; then start another."),
    Remedy(r"", "Somebody ended it: start another."),
)

APPLICATION = Application()
JOB_RUN = JobRun()
SESSION = Session()

OWNED: Mapping[str, OwnedKind[State]] = {kind.key: kind for kind in (JOB_RUN, SESSION)}
"""The kinds of resources that operators start and have to end."""

CLAIMED: Mapping[str, ClaimedKind[State]] = {APPLICATION.key: APPLICATION, **OWNED}
"""The kinds of resources that operators start once, however often they are tried."""


def session_facts(session: Mapping[str, Any]) -> dict[str, Any]:
    """What GetSession and an entry of ListSessions have in common, as plain JSON."""
    return {
        "application_id": session["applicationId"],
        "session_id": session["sessionId"],
        "arn": session["arn"],
        "name": session.get("name"),
        "state": str(session["state"]),
        "state_details": session.get("stateDetails") or "",
        "release_label": session["releaseLabel"],
        "execution_role_arn": session["executionRoleArn"],
        "created_by": session["createdBy"],
        "created_at": to_json(session["createdAt"]),
        "updated_at": to_json(session["updatedAt"]),
    }


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
    """Where the driver's logs of a job run's latest attempt, or of a session, are.

    :param facts: of the job run or session
    :param application_monitoring: the application's MonitoringConfiguration, which the job run's own overrides by type
    :return: ``s3_uri`` (folder of ``stdout.gz`` and ``stderr.gz``), ``cloudwatch_log_group`` and
        ``cloudwatch_log_stream_prefix``, ``None`` where not configured, and ``managed_storage``
    """
    monitoring = {**application_monitoring, **facts.get("monitoring_configuration", {})}
    path, worker = f"applications/{facts['application_id']}", "SPARK_DRIVER"
    if "session_id" in facts:
        path += f"/sessions/{facts['session_id']}"
    else:
        path, worker = f"{path}/jobs/{facts['job_run_id']}", f"{facts['type']}_DRIVER"
        # The service numbers the folders of streaming job runs and of those that may be retried.
        if facts["mode"] == "STREAMING" or (facts["retry_policy"] or {}).get("maxAttempts", 1) > 1:
            path += f"/attempts/{facts['attempt']}"
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


def member_name(name: str) -> str:
    """A name in snake case as the API spells its members."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _utilization(figures: Mapping[str, float] | None) -> dict[str, float] | None:
    if figures is None:
        return None
    return {
        "vcpu_hour": figures.get("vCPUHour", 0.0),
        "memory_gb_hour": figures.get("memoryGBHour", 0.0),
        "storage_gb_hour": figures.get("storageGBHour", 0.0),
    }
