"""EMR on EC2 of an endpoint, over HTTP, and short ways to use it."""

from __future__ import annotations

from typing import Any

import botocore.config
import botocore.exceptions
import pytest

from airflow_emrs_ext.local.testing import LocalEmr
from tests.polling import eventually

ROLE = "arn:aws:iam::123456789012:role/jobs"
RELEASE = "emr-spark-8.0.0"
INVALID = "InvalidRequestException"
_ONCE = botocore.config.Config(retries={"total_max_attempts": 1})
_KEPT = {"KeepJobFlowAliveWhenNoSteps": True}


class Ec2:
    """The service and a client that tries once."""

    def __init__(self, emr: LocalEmr) -> None:
        self.emr = emr
        self.client: Any = emr.client("emr", config=_ONCE)
        emr.configure(
            application_start_seconds=0.02,
            scheduling_seconds=0.01,
            session_start_seconds=0.01,
            session_quiet_seconds=0.01,
        )

    def make(self, **params: Any) -> str:
        """RunJobFlow."""
        given = {
            "Name": "a-cluster",
            "ReleaseLabel": RELEASE,
            "SessionEnabled": True,
            "Instances": _KEPT,
            "JobFlowRole": "EMR_EC2_DefaultRole",
            "ServiceRole": "EMR_DefaultRole",
            **params,
        }
        given = {name: value for name, value in given.items() if value is not None}
        return str(self.client.run_job_flow(**given)["JobFlowId"])

    def cluster(self, **params: Any) -> str:
        """One that is WAITING."""
        cluster_id = self.make(**params)
        self.cluster_reached(cluster_id, "WAITING")
        return cluster_id

    def cluster_view(self, cluster_id: str) -> dict[str, Any]:
        """DescribeCluster."""
        view: dict[str, Any] = self.client.describe_cluster(ClusterId=cluster_id)["Cluster"]
        return view

    def cluster_reached(self, cluster_id: str, state: str) -> dict[str, Any]:
        """The cluster once it is in this state."""
        return eventually(lambda: one if (one := self.cluster_view(cluster_id))["Status"]["State"] == state else None)

    def cluster_path(self, cluster_id: str) -> list[str]:
        """The states that a cluster went through."""
        record = next(one for one in self.emr.clusters() if one["Id"] == cluster_id)
        return [change["state"] for change in record["stateHistory"]]

    def start(self, cluster_id: str, **params: Any) -> dict[str, str]:
        """StartSession; :return: its ids, as the other operations take them."""
        return {"ClusterId": cluster_id, "SessionId": self.client.start_session(ClusterId=cluster_id, **params)["Id"]}

    def started(self, cluster_id: str, **params: Any) -> dict[str, str]:
        """One that is IDLE."""
        ids = self.start(cluster_id, **params)
        self.reached(ids, "IDLE")
        return ids

    def get(self, ids: dict[str, str]) -> dict[str, Any]:
        """GetSession."""
        session: dict[str, Any] = self.client.get_session(**ids)["Session"]
        return session

    def reached(self, ids: dict[str, str], state: str) -> dict[str, Any]:
        """The session once it is in this state."""
        return eventually(lambda: session if (session := self.get(ids))["State"] == state else None)

    def record(self, ids: dict[str, str]) -> dict[str, Any]:
        """All that the endpoint knows of a session."""
        return {record["Id"]: record for record in self.emr.cluster_sessions(ids["ClusterId"])}[ids["SessionId"]]

    def path(self, ids: dict[str, str]) -> list[str]:
        """The states that a session went through."""
        return [change["state"] for change in self.record(ids)["stateHistory"]]

    def add(self, cluster_id: str, *steps: dict[str, Any], **params: Any) -> list[dict[str, str]]:
        """AddJobFlowSteps; :return: the ids of each, as the other operations take them."""
        answer = self.client.add_job_flow_steps(JobFlowId=cluster_id, Steps=list(steps), **params)
        return [{"ClusterId": cluster_id, "StepId": step_id} for step_id in answer["StepIds"]]

    def step(self, ids: dict[str, str]) -> dict[str, Any]:
        """DescribeStep."""
        step: dict[str, Any] = self.client.describe_step(**ids)["Step"]
        return step

    def step_reached(self, ids: dict[str, str], state: str) -> dict[str, Any]:
        """The step once it is in this state."""
        return eventually(lambda: step if (step := self.step(ids))["Status"]["State"] == state else None)

    def step_states(self, *steps: dict[str, str]) -> list[str]:
        """The states that they are in."""
        return [self.step(ids)["Status"]["State"] for ids in steps]

    def step_record(self, ids: dict[str, str]) -> dict[str, Any]:
        """All that the endpoint knows of a step."""
        return {record["Id"]: record for record in self.emr.steps(ids["ClusterId"])}[ids["StepId"]]

    def step_path(self, ids: dict[str, str]) -> list[str]:
        """The states that a step went through."""
        return [change["state"] for change in self.step_record(ids)["stateHistory"]]


def a_step(name: str = "a-step", *arguments: str, **params: Any) -> dict[str, Any]:
    """What AddJobFlowSteps takes: a step that runs a file with spark-submit."""
    jar_step = {"Jar": "command-runner.jar", "Args": ["spark-submit", "s3://code/job.py", *arguments]}
    return {"Name": name, "ActionOnFailure": "CONTINUE", "HadoopJarStep": jar_step, **params}


def refused(code: str = INVALID, match: str = "") -> Any:
    """The call is answered with this error, whose message matches."""
    return pytest.raises(botocore.exceptions.ClientError, match=rf"\({code}\).*{match}")
