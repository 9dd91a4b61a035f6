"""The resources of EMR on EC2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from typing_extensions import override

from airflow_emrs_ext.core.effects import Call
from airflow_emrs_ext.core.owner_names import LONGEST_MARK, name_in, tags_in
from airflow_emrs_ext.exceptions import RequestRejected
from airflow_emrs_ext.resources.base import (
    Api,
    EndableKind,
    JobRunKind,
    Snapshot,
    SparkConnect,
    details_of,
    tags_of,
    to_json,
)
from airflow_emrs_ext.resources.remedy import Remedy
from airflow_emrs_ext.shared.states import SessionState, StepState

SERVICE = "emr"

API = Api(SERVICE, has_capitals=True, token="client_request_token", longest_token=36, most_tags=10)


class ClusterSession(EndableKind[SessionState]):
    """A session of a cluster of EMR on EC2; ids: ``cluster_id``, ``session_id``. Its facts hold no secret."""

    name = "Session"
    states = SessionState
    api = API
    key = "cluster_session"
    id_names: ClassVar[tuple[str, ...]] = ("cluster_id", "session_id")
    starts = "start_session"
    describes = "get_session"
    lists = "list_sessions"
    verb = "terminate"
    ends = "terminate_session"
    ending: ClassVar[SessionState] = SessionState.TERMINATING
    end_state: ClassVar[SessionState] = SessionState.TERMINATED
    failure: ClassVar[SessionState] = SessionState.FAILED
    belongs_to = "cluster"
    spark_connect: ClassVar[SparkConnect] = SparkConnect(
        options=("direct",),
        remedies=(
            Remedy(r"(?i)idle", "Start another; raise `idle_timeout_minutes` if it has to rest for longer."),
            Remedy(r"(?i)\bcluster\b", "Look after the cluster; then start another."),
            Remedy(r"^FAILED", "The logs of its YARN application on the cluster say more; then start another."),
            Remedy(r"", "Somebody ended it: start another."),
        ),
    )

    @override
    def tag(self, ids: Mapping[str, str], arn: str | None, tags: Mapping[str, str]) -> Call:
        cluster_id, session_id = self.pick(ids).values()
        members = {
            "ClusterId": cluster_id,
            "ResourceId": session_id,
            "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        }
        return Call("add_tags", members, service=self.service)

    @override
    def read(self, ids: Mapping[str, str], response: Mapping[str, Any]) -> Snapshot:
        facts = cluster_session_facts(response["Session"])
        return Snapshot(self.states.parse(facts["state"]), facts["state_details"], None, facts)


class Step(JobRunKind[StepState]):
    """A step of a cluster of EMR on EC2; ids: ``cluster_id``, ``step_id``.

    It has no tags, and its start no client token: its name says whose it is.
    """

    name = "Step"
    states = StepState
    api = API
    key = "step"
    id_names: ClassVar[tuple[str, ...]] = ("cluster_id", "step_id")
    is_found_by_name: ClassVar[bool] = True
    belongs_to = "cluster"
    starts = "add_job_flow_steps"
    describes = "describe_step"
    lists = "list_steps"
    verb = "cancel"
    ends = "cancel_steps"
    ending: ClassVar[StepState] = StepState.CANCEL_PENDING
    end_state: ClassVar[StepState] = StepState.CANCELLED
    failure: ClassVar[StepState] = StepState.FAILED
    running: ClassVar[StepState] = StepState.RUNNING

    @override
    def name_of(self, name: str) -> str:
        return name[-(self.api.longest_name - LONGEST_MARK) :]

    @override
    def tags_listed(self, entry: Mapping[str, Any]) -> dict[str, str] | None:
        return tags_in(entry.get("Name") or "")

    @override
    def end(self, ids: Mapping[str, str], **members: Any) -> Call:
        cluster_id, step_id = self.pick(ids).values()
        return Call(self.ends, {"ClusterId": cluster_id, "StepIds": [step_id], **members}, service=self.service)

    @override
    def check_end(self, ids: Mapping[str, str], response: Mapping[str, Any]) -> None:
        (told,) = (one for one in response["CancelStepsInfoList"] if one["StepId"] == ids["step_id"])
        if told["Status"] == "FAILED":
            said = (told.get("Reason") or "the service gave no reason").rstrip(". ")
            raise RequestRejected(
                f"cancel_steps was refused for {self.label(ids)} of cluster {ids['cluster_id']}: {said}. A running "
                "step is cancelled by releases from emr-5.28.0 on, a pending one by any; what runs goes on.",
                {**ids, "operation": self.ends},
            )
        if told["Status"] != "SUBMITTED":
            raise ValueError(f"Status is {told['Status']!r}")

    @override
    def read(self, ids: Mapping[str, str], response: Mapping[str, Any]) -> Snapshot:
        step = response["Step"]
        status = step["Status"]
        state = self.states.parse(status["State"])
        failure, timeline = status.get("FailureDetails", {}), status["Timeline"]
        reason = failure.get("Reason")
        details = details_of(status.get("StateChangeReason", {}).get("Message"), reason, failure.get("Message"))
        created_at, ended_at = to_json(timeline["CreationDateTime"]), to_json(timeline.get("EndDateTime"))
        facts = {
            "cluster_id": ids["cluster_id"],
            "step_id": step["Id"],
            "name": name_in(step.get("Name") or ""),
            "state": str(state),
            "state_details": details,
            "failure_reason": reason,
            "log_file": failure.get("LogFile"),
            "attempt": 1,
            "created_at": created_at,
            "started_at": to_json(timeline.get("StartDateTime")),
            "ended_at": ended_at,
            "updated_at": ended_at or created_at,
            "action_on_failure": step.get("ActionOnFailure"),
            "execution_role_arn": step.get("ExecutionRoleArn"),
            "log_uri": step.get("LogUri"),
            "tags": tags_in(step.get("Name") or ""),
        }
        return Snapshot(state, details, None, facts)

    @override
    def has_driver(self, facts: Mapping[str, Any]) -> bool:
        return facts["started_at"] is not None

    @override
    def log_locations(self, facts: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
        log_uri = facts["log_uri"] or defaults.get("log_uri")
        path = f"{facts['cluster_id']}/steps/{facts['step_id']}"
        _, _, place = (log_uri or "").partition("://")
        return {
            # The console writes s3n for what is s3.
            "s3_uri": f"s3://{place.rstrip('/')}/{path}/" if place else None,
            "cloudwatch_log_group": None,
            "cloudwatch_log_stream_prefix": None,
            "managed_storage": False,
        }


def cluster_session_facts(session: Mapping[str, Any]) -> dict[str, Any]:
    """What GetSession and an entry of ListSessions tell, as plain JSON."""
    return {
        "cluster_id": session["ClusterId"],
        "session_id": session["Id"],
        "arn": session.get("Arn"),
        "name": session.get("Name"),
        "state": str(SessionState.parse(session["State"])),
        "state_details": details_of(session.get("StateChangeReason")),
        "release_label": session.get("ReleaseLabel"),
        "execution_role_arn": session.get("ExecutionRoleArn"),
        "created_at": to_json(session["CreatedAt"]),
        "updated_at": to_json(session.get("UpdatedAt")),
        "started_at": to_json(session.get("StartedAt")),
        "ended_at": to_json(session.get("EndedAt")),
        "idle_since": to_json(session.get("IdleSince")),
        "idle_timeout_minutes": session.get("SessionIdleTimeoutInMinutes"),
        "tags": tags_of(session.get("Tags")),
    }
