"""The resources of EMR on EC2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from typing_extensions import override

from airflow_emrs_ext.core.effects import Call
from airflow_emrs_ext.resources.base import (
    Api,
    EndableKind,
    Snapshot,
    SparkConnect,
    details_of,
    tags_of,
    to_json,
)
from airflow_emrs_ext.resources.remedy import Remedy
from airflow_emrs_ext.shared.states import SessionState

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
