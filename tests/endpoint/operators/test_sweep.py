"""The sweep: what it takes for left over, what it leaves alone, what it ends."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_emrs_ext._compat import AIRFLOW_3
from airflow_emrs_ext.exceptions import ResourceNotFound
from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.operators.managed_endpoint import EmrContainersCreateManagedEndpointOperator
from airflow_emrs_ext.operators.session import EmrServerlessStartSessionOperator
from airflow_emrs_ext.operators.sweep import EmrContainersSweepOperator, EmrServerlessSweepOperator
from airflow_emrs_ext.results import SweepResult
from tests.polling import eventually
from tests.running import TaskInstance, run_task
from tests.services import CONTAINERS
from tests.typed import misfits

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.skipif(not AIRFLOW_3, reason="Airflow 2 asks its database; the example DAG's test covers it"),
]

ROLE = "arn:aws:iam::123456789012:role/job"
DAG_RUNS = {"over": "success", "going": "running", "waiting": "queued"}


class Asking(TaskInstance):
    """A task instance that knows the DAG runs above."""

    @staticmethod
    def get_dr_count(dag_id: str, run_ids: list[str], states: list[str] | None) -> int:
        return sum(1 for run_id in run_ids if run_id in DAG_RUNS and (not states or DAG_RUNS[run_id] in states))


@pytest.fixture
def application_id(emr: LocalEmr) -> str:
    emr.script([ScriptedAttempt(hold=True)])
    created = emr.client("emr-serverless").create_application(
        type="SPARK", releaseLabel="emr-7.13.0", interactiveConfiguration={"sessionEnabled": True}
    )
    return str(created["applicationId"])


def start_session(application_id: str, run_id: str) -> str:
    run = run_task(
        lambda: EmrServerlessStartSessionOperator(
            task_id="a_task", application_id=application_id, execution_role_arn=ROLE, waiter_delay=0.1
        ),
        run_id=run_id,
    )
    return str(run.result["session_id"])


def start_job_run(application_id: str, run_id: str, map_index: int = -1, **arguments: Any) -> str:
    run = run_task(
        lambda: EmrServerlessStartJobRunOperator(
            task_id="a_task",
            application_id=application_id,
            execution_role_arn=ROLE,
            job_driver=spark_submit("s3://b/j.py"),
            waiter_delay=0.1,
            wait_for="running",
            **arguments,
        ),
        run_id=run_id,
        map_index=map_index,
    )
    return str(run.result["job_run_id"])


def sweep(**arguments: Any) -> list[dict[str, Any]]:
    operator = EmrServerlessSweepOperator(**{"task_id": "sweep", **arguments})
    result = operator.execute({"ti": Asking()})
    assert not list(misfits(result, SweepResult))
    orphans: list[dict[str, Any]] = result["orphans"]
    return orphans


def running(emr: LocalEmr) -> set[str]:
    eventually(
        lambda: not [one for one in emr.sessions() + emr.job_runs() if one["state"] in {"TERMINATING", "CANCELLING"}]
    )
    sessions = {one["sessionId"] for one in emr.sessions() if one["state"] in {"STARTED", "IDLE"}}
    return sessions | {one["jobRunId"] for one in emr.job_runs() if one["state"] == "RUNNING"}


def test_what_a_finished_dag_run_left_is_reported_and_ended_if_asked(emr: LocalEmr, application_id: str) -> None:
    left = start_session(application_id, "over")
    kept = {start_session(application_id, "going"), start_session(application_id, "waiting")}
    unknown = start_session(application_id, "elsewhere")
    job_run = start_job_run(application_id, "over")
    kept |= {start_job_run(application_id, "going"), start_job_run(application_id, "over", 1, mode="STREAMING")}
    client = emr.client("emr-serverless")
    by_hand = client.start_session(applicationId=application_id, executionRoleArn=ROLE, name="by-hand")["sessionId"]
    eventually(lambda: by_hand in running(emr))

    reported = sweep(application_ids=[application_id])
    assert {one.get("session_id") or one.get("job_run_id"): one["dag_run"] for one in reported} == {
        left: "over",
        unknown: "unknown",
        job_run: "over",
    }
    assert not any(one["ended"] for one in reported)
    assert reported[0]["owner"].keys() == {"dag_id", "run_id", "task_id", "deployment"}
    assert {left, unknown, job_run} < running(emr)

    ended = sweep(end=True)
    assert {one.get("session_id") or one.get("job_run_id") for one in ended if one["ended"]} == {left, job_run}
    eventually(lambda: not {left, job_run} & running(emr))
    assert kept | {unknown} < running(emr)

    young = sweep(end=True, end_unknown_after=3600)
    assert [one["ended"] for one in young] == [False]
    # Of what is a second old nobody can say that it is older than none, as the service dates its answers.
    (old,) = eventually(lambda: [one for one in sweep(end=True, end_unknown_after=0) if one["ended"]])
    assert old["session_id"] == unknown
    assert kept < running(emr)
    assert sweep() == []


def test_what_another_airflow_has_started_is_not_taken_for_left_over(
    emr: LocalEmr, application_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_session(application_id, "over")
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__DEPLOYMENT", "another")
    (found,) = sweep(end=True, end_unknown_after=0)
    assert (found["dag_run"], found["ended"], found["owner"]["deployment"]) == ("unknown", False, "tests")


def test_an_application_that_cannot_be_looked_at_does_not_hide_the_others(emr: LocalEmr, application_id: str) -> None:
    left = start_session(application_id, "over")
    with pytest.raises(ResourceNotFound):
        sweep(application_ids=["00fdoesnotexist1", {"application_id": application_id}], end=True)
    eventually(lambda: left not in running(emr))


def test_emr_on_eks_is_swept_as_well(emr: LocalEmr) -> None:
    emr.script([ScriptedAttempt(hold=True)])
    cluster_id = CONTAINERS.make_place(emr, "s3://logs/")
    ended, kept = "over", "going"

    def start_job_run_on() -> Any:
        arguments = {"task_id": "a_task", "waiter_delay": 0.1, "wait_for": "running"}
        return CONTAINERS.operator(cluster_id, "s3://b/j.py", conf={}, **arguments)

    def create_endpoint_on() -> Any:
        return EmrContainersCreateManagedEndpointOperator(
            task_id="a_task",
            waiter_delay=0.1,
            virtual_cluster_id=cluster_id,
            execution_role_arn=ROLE,
            release_label="emr-7.14.0-latest",
        )

    for run_id in (ended, kept):
        run_task(start_job_run_on, run_id=run_id)
        run_task(create_endpoint_on, run_id=run_id)
    found = EmrContainersSweepOperator(task_id="sweep", end=True).execute({"ti": Asking()})["orphans"]
    assert {(one["kind"], one["owner"]["run_id"], one["ended"]) for one in found} == {
        ("eks_job_run", ended, True),
        ("managed_endpoint", ended, True),
    }
    eventually(lambda: {one["state"] for one in emr.eks_job_runs()} == {"CANCELLED", "RUNNING"})
    eventually(lambda: {one["state"] for one in emr.managed_endpoints()} == {"TERMINATED", "ACTIVE"})
