"""What the tasks of the matrix start, and the operators that do."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_emrs_ext.job_spec import (
    configuration_overrides,
    eks_configuration_overrides,
    eks_spark_submit,
    spark_submit,
)
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt, ScriptedSession
from airflow_emrs_ext.operators.containers_job_run import (
    EmrContainersCancelJobRunOperator,
    EmrContainersStartJobRunOperator,
)
from airflow_emrs_ext.operators.job_run import (
    EmrServerlessCancelJobRunOperator,
    EmrServerlessStartJobRunOperator,
)
from airflow_emrs_ext.operators.session import (
    EmrServerlessStartSessionOperator,
    EmrServerlessTerminateSessionOperator,
)
from tests.faults.kinds import KINDS as FAULT_KINDS
from tests.faults.kinds import Kind as FaultKind

ROLE = "arn:aws:iam::123456789012:role/job"
BUCKET = "answers"
LOG_GROUP = "/answers"
TRACEBACK = (
    'Traceback (most recent call last):\n  File "job.py", line 9, in main\nValueError: the third column is empty\n'
)

PATIENCE = 10.0
"""How long a call is repeated, whatever the reason, in seconds: hours of the real one are a wait for hours."""

# A minute of wrong answers, in proportion.
_WHILE_SECONDS = 1.5
# How long a session takes to be ready, in seconds: longer than the answer is wrong, or than it takes to list many.
_SESSION_SECONDS, _MANY_SECONDS = 2.5, 10.0
_numbers = itertools.count()


@dataclass(frozen=True)
class Resource:
    """A kind of what tasks start.

    :param own: what the endpoint's records and the package's models say of it
    :param calls: the operations of the API that the matrix calls by other names
    :param make_place: makes what one runs on; its id
    :param start: the operator that starts one on a place
    :param end: the operator that ends one, given its ids
    :param begin: starts one without an operator, on a place, under a name; its id
    :param while_seconds: how long an answer is wrong for a while
    :param ever_seconds: how long its task may wait for one that is wrong for ever, before its job run ends
    """

    own: FaultKind
    calls: Mapping[str, frozenset[str]]
    make_place: Callable[[LocalEmr], str]
    start: Callable[..., Any]
    end: Callable[..., Any]
    begin: Callable[[LocalEmr, str, str], str]
    while_seconds: float = _WHILE_SECONDS
    ever_seconds: float = 2.5 * PATIENCE

    @property
    def id_names(self) -> tuple[str, ...]:
        """The names of its ids, that of its place first."""
        return tuple(self.own.model.id_names)

    def ids(self, place: str, record: Mapping[str, Any]) -> dict[str, str]:
        """The ids of one that the endpoint has recorded."""
        return dict(zip(self.id_names, (place, record[self.own.record_id]), strict=True))

    def event(self, ids: Mapping[str, str], state: Any) -> str:
        """The event of a change of its state, as it lies on a queue."""
        detail = {**self.own.model.members(ids), "state": state}
        return json.dumps(
            {"source": f"aws.{self.own.model.service}", "detail-type": self.own.model.events[0], "detail": detail}
        )


def _calls(start: str, get: str, end: str, *report: str) -> dict[str, frozenset[str]]:
    named = {
        "start": [start],
        "get": [get],
        "list": [start.replace("Start", "List") + "s"],
        "list of many": [start.replace("Start", "List") + "s"],
        "cancel": [end],
        "report": report,
        "events": ["ReceiveMessage"],
        "S3": ["GetObject"],
        "CloudWatch": ["GetLogEvents"],
    }
    return {name: frozenset(operations) for name, operations in named.items() if operations}


def _make_application(emr: LocalEmr) -> str:
    return FAULT_KINDS["session"].make_place(emr, "")


def _make_virtual_cluster(emr: LocalEmr) -> str:
    namespace = f"answers-{next(_numbers)}"
    provider = {"type": "EKS", "id": namespace, "info": {"eksInfo": {"namespace": namespace}}}
    client = emr.client("emr-containers")
    return str(client.create_virtual_cluster(name=namespace, containerProvider=provider)["id"])


def _start_job_run(place: str, logs: str = "", log_to: str = "", **arguments: Any) -> Any:
    if logs:
        given = {"s3_log_uri": log_to} if logs == "S3" else {"cloud_watch_log_group": LOG_GROUP}
        arguments["configuration_overrides"] = configuration_overrides(**given)
    return EmrServerlessStartJobRunOperator(
        **{
            "application_id": place,
            "execution_role_arn": ROLE,
            "job_driver": spark_submit("s3://b/job.py"),
            **arguments,
        }
    )


def _start_eks_job_run(place: str, logs: str = "", log_to: str = "", **arguments: Any) -> Any:
    if logs:
        given: dict[str, Any] = {"s3_log_uri": log_to} if logs == "S3" else {"cloud_watch_log_group": LOG_GROUP}
        arguments["configuration_overrides"] = eks_configuration_overrides(**given)
    return EmrContainersStartJobRunOperator(
        **{
            "virtual_cluster_id": place,
            "execution_role_arn": ROLE,
            "release_label": "emr-7.9.0-latest",
            "job_driver": eks_spark_submit("s3://b/job.py"),
            **arguments,
        }
    )


def _start_session(place: str, **arguments: Any) -> Any:
    return EmrServerlessStartSessionOperator(application_id=place, execution_role_arn=ROLE, **arguments)


def _begin_job_run(emr: LocalEmr, place: str, name: str) -> str:
    request = {"applicationId": place, "executionRoleArn": ROLE, "jobDriver": spark_submit("s3://b/job.py")}
    return str(emr.client("emr-serverless").start_job_run(name=name, **request)["jobRunId"])


def _begin_session(emr: LocalEmr, place: str, name: str) -> str:
    client = emr.client("emr-serverless")
    return str(client.start_session(applicationId=place, executionRoleArn=ROLE, name=name)["sessionId"])


def _begin_eks_job_run(emr: LocalEmr, place: str, name: str) -> str:
    request = {"virtualClusterId": place, "executionRoleArn": ROLE, "releaseLabel": "emr-7.9.0-latest"}
    client = emr.client("emr-containers")
    return str(client.start_job_run(name=name, jobDriver=eks_spark_submit("s3://b/job.py"), **request)["id"])


RESOURCES = {
    "job run": Resource(
        own=FAULT_KINDS["job_run"],
        calls=_calls("StartJobRun", "GetJobRun", "CancelJobRun", "GetApplication", "ListJobRunAttempts"),
        make_place=_make_application,
        start=_start_job_run,
        end=EmrServerlessCancelJobRunOperator,
        begin=_begin_job_run,
    ),
    "session": Resource(
        own=FAULT_KINDS["session"],
        calls=_calls("StartSession", "GetSession", "TerminateSession"),
        make_place=_make_application,
        start=_start_session,
        end=EmrServerlessTerminateSessionOperator,
        begin=_begin_session,
    ),
    "EKS job run": Resource(
        own=FAULT_KINDS["eks_job_run"],
        calls=_calls("StartJobRun", "DescribeJobRun", "CancelJobRun"),
        make_place=_make_virtual_cluster,
        start=_start_eks_job_run,
        end=EmrContainersCancelJobRunOperator,
        begin=_begin_eks_job_run,
    ),
}

OPERATIONS = {
    "job run": ("start", "get", "list", "list of many", "cancel", "report", "events", "S3", "CloudWatch"),
    "session": ("start", "get", "list", "list of many", "cancel"),
    "EKS job run": ("start", "get", "list", "list of many", "cancel", "events", "S3", "CloudWatch"),
}
"""The operations of each kind of resource that its tasks call."""


ENDING_BY_THEMSELVES = {
    "report": [ScriptedAttempt(succeeded=False), ScriptedAttempt()],
    "S3": [ScriptedAttempt(succeeded=False, stdout=TRACEBACK)],
    "CloudWatch": [ScriptedAttempt(succeeded=False, stdout=TRACEBACK)],
}
"""By operation, what becomes of job runs that nobody lets end."""


def script(emr: LocalEmr, operation: str, name: str) -> None:
    """Say what a case's job runs and sessions do.

    :param name: pattern for their names
    """
    attempts = ENDING_BY_THEMSELVES.get(operation, [ScriptedAttempt(hold=True)])
    ready_after = {"cancel": 0.0, "list of many": _MANY_SECONDS}.get(operation, _SESSION_SECONDS)
    emr.script(attempts, name, session=ScriptedSession(ready_after=ready_after))
