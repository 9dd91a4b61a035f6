"""What the event of a trigger tells: all of a success, so that the worker that goes on with the task asks nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_emrs_ext._compat import TaskDeferred
from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.sensors.serverless import EmrServerlessJobRunSensor
from airflow_emrs_ext.triggers import workflow
from tests.polling import eventually
from tests.running import TaskInstance, context_of, named

pytestmark = pytest.mark.airflow

ROLE = "arn:aws:iam::123456789012:role/job"


@pytest.fixture
def application_id(emr: LocalEmr) -> str:
    client = emr.client("emr-serverless")
    return str(client.create_application(releaseLabel="emr-7.9.0", type="SPARK")["applicationId"])


def starting(application_id: str, **arguments: Any) -> Any:
    given = {"execution_role_arn": ROLE, "job_driver": spark_submit("s3://b/j.py"), "waiter_delay": 0.1, **arguments}
    return EmrServerlessStartJobRunOperator(
        task_id="a_task", application_id=application_id, deferrable=True, retries=0, **given
    )


def trigger_of(task: Any, ti: TaskInstance) -> Any:
    with pytest.raises(TaskDeferred) as deferral:
        task.execute(context_of(ti))
    path, arguments = deferral.value.trigger.serialize()
    assert path.endswith(".WorkflowTrigger")
    trigger: Any = workflow.WorkflowTrigger(**json.loads(json.dumps(arguments)))
    trigger.task_instance = named(dag_id="a_dag", run_id=ti.run_id, task_id="a_task", map_index=-1)
    trigger.trigger_id = 1
    return trigger


async def event_of(trigger: Any) -> Any:
    async for event in trigger.run():
        return json.loads(json.dumps(event.payload))
    raise AssertionError("the trigger ended without an event")


def test_the_worker_that_goes_on_after_a_success_asks_nothing(emr: LocalEmr, application_id: str) -> None:
    ti = TaskInstance()
    event = asyncio.run(event_of(trigger_of(starting(application_id), ti)))
    assert event["then"] is None
    calls = len(emr.calls())
    resumed = starting(application_id)
    result = resumed.execute_complete(context_of(ti), event)
    assert (result["state"], result["job_run_id"]) == ("SUCCESS", ti.xcoms["job_run_id"])
    assert [one["state"] for one in result["attempts"]] == ["SUCCESS"]
    assert result["billed_resource_utilization"]["vcpu_hour"] > 0
    assert len(emr.calls()) == calls
    assert "hook" not in vars(resumed)


@pytest.mark.parametrize(("delay", "holds_back"), [(0.1, False), (1, True), (30, True)])
def test_a_task_goes_on_no_sooner_than_a_scheduler_sees_its_deferral(
    emr: LocalEmr, application_id: str, monkeypatch: pytest.MonkeyPatch, delay: float, holds_back: bool
) -> None:
    trigger = trigger_of(starting(application_id, waiter_delay=delay), TaskInstance())
    eventually(lambda: [run["state"] for run in emr.job_runs(application_id)] == ["SUCCESS"])
    monkeypatch.setattr(workflow, "_LEAST_SECONDS", 3600)

    async def event_soon() -> Any:
        return await asyncio.wait_for(event_of(trigger), 6)

    if holds_back:
        with pytest.raises(asyncio.TimeoutError):
            asyncio.run(event_soon())
        assert emr.calls("GetJobRun")
    else:
        assert asyncio.run(event_soon())["result"]["state"] == "SUCCESS"


def test_a_sensors_result_comes_with_the_event(emr: LocalEmr, application_id: str) -> None:
    run = emr.client("emr-serverless").start_job_run(
        applicationId=application_id, executionRoleArn=ROLE, clientToken="a", jobDriver=spark_submit("s3://b/j.py")
    )

    def sensor() -> Any:
        return EmrServerlessJobRunSensor(
            task_id="a_task",
            application_id=application_id,
            job_run_id=run["jobRunId"],
            deferrable=True,
            poke_interval=0.1,
        )

    event = asyncio.run(event_of(trigger_of(sensor(), TaskInstance())))
    calls = len(emr.calls())
    assert sensor().execute_complete(context_of(TaskInstance()), event)["state"] == "SUCCESS"
    assert len(emr.calls()) == calls


@pytest.mark.parametrize(
    ("attempt", "arguments"),
    [
        (ScriptedAttempt(succeeded=False), {}),
        (ScriptedAttempt(), {"show_driver_logs": "always"}),
    ],
    ids=["failure", "log to show"],
)
def test_a_worker_tells_of_what_has_a_log(
    emr: LocalEmr, application_id: str, attempt: ScriptedAttempt, arguments: dict[str, Any]
) -> None:
    emr.script([attempt])
    event = asyncio.run(event_of(trigger_of(starting(application_id, **arguments), TaskInstance())))
    assert event["then"]["workflow"] == "wait_for_job_run"
    assert set(event["result"]) == {"application_id", "job_run_id"}


def test_an_event_that_would_be_too_long_leaves_it_to_the_worker(
    emr: LocalEmr, application_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workflow, "_LONGEST_REPORT", 100)
    event = asyncio.run(event_of(trigger_of(starting(application_id), TaskInstance())))
    assert event["then"]["workflow"] == "wait_for_job_run"


def test_reports_share_what_is_known_of_their_application(emr: LocalEmr, application_id: str) -> None:
    emr.script([ScriptedAttempt(hold=True)])
    triggers = [trigger_of(starting(application_id), TaskInstance(run_id=name)) for name in ("one", "two")]
    runs = [trigger.then["arguments"]["ids"]["job_run_id"] for trigger in triggers]

    async def one_after_the_other() -> list[Any]:
        first, second = (asyncio.create_task(event_of(trigger)) for trigger in triggers)
        await asyncio.to_thread(eventually, _all_running(emr, runs))
        await asyncio.to_thread(emr.finish, runs[0])
        events = [await first]
        await asyncio.to_thread(emr.finish, runs[1])
        return [*events, await second]

    events = asyncio.run(one_after_the_other())
    assert [event["result"]["state"] for event in events] == ["SUCCESS", "SUCCESS"]
    assert {event["result"]["architecture"] for event in events} == {"X86_64"}
    assert len(emr.calls("GetApplication", application_id=application_id)) == 1


def _all_running(emr: LocalEmr, runs: list[str]) -> Callable[[], bool]:
    return lambda: {run["state"] for run in emr.job_runs() if run["jobRunId"] in runs} == {"RUNNING"}
