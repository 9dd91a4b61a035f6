"""When a trigger ends its task: only where nothing is lost, and with what a worker would have stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.triggers.base import TaskSuccessEvent, TriggerEvent

from airflow_emrs_ext._compat import CAN_END_IN_TRIGGER, TaskDeferred
from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from airflow_emrs_ext.operators._base.end_from_trigger import ending
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.sensors.serverless import EmrServerlessJobRunSensor
from tests.running import TaskInstance, context_of, named, run_task

pytestmark = pytest.mark.airflow
where_it_can = pytest.mark.skipif(not CAN_END_IN_TRIGGER, reason="it takes Airflow 3.3")

ROLE = "arn:aws:iam::123456789012:role/job"
TASK = {"dag_id": "a_dag", "run_id": "a_run", "task_id": "a_task", "map_index": -1}


Said = Callable[[], str]


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Said:
    """The log of the task, wherever Airflow writes it."""
    caplog.set_level("INFO")
    return lambda: caplog.text + capsys.readouterr().out


class Wanted(EmrServerlessStartJobRunOperator):
    def post_execute(self, context: Any, result: Any = None) -> None:
        """Something that a user wants done."""


class OtherLink(EmrServerlessStartJobRunOperator):
    operator_extra_links = (object(),)


def operator(cls: Any = EmrServerlessStartJobRunOperator, **arguments: Any) -> Any:
    return cls(
        **{
            "task_id": "a_task",
            "application_id": "00f",
            "execution_role_arn": ROLE,
            "job_driver": spark_submit("s3://b/j.py"),
            "deferrable": True,
            "waiter_delay": 0.1,
            "end_from_trigger": True,
            **arguments,
        }
    )


def in_a_dag(**arguments: Any) -> Any:
    from airflow.sdk import DAG

    with DAG("a_dag", schedule=None):
        return operator(**arguments)


@where_it_can
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"on_success_callback": print}, "on_success_callback"),
        ({"outlets": ["s3://results"]}, "outlets"),
        ({"post_execute": lambda context, result: None}, "a post_execute"),
        ({"cls": Wanted}, "a post_execute of its own"),
        ({"cls": OtherLink}, "links of another kind"),
    ],
)
def test_what_only_a_worker_does_keeps_the_end_there(arguments: dict[str, Any], reason: str, said: Said) -> None:
    task = in_a_dag(**arguments)
    assert ending(task, "wait_for_job_run", {}) is None
    assert reason in said()


@where_it_can
@pytest.mark.parametrize(
    ("variable", "reason"),
    [("METRICS__STATSD_ON", "metrics"), ("STATE_STORE__CLEAR_ON_SUCCESS", "clear_on_success")],
)
def test_so_does_what_airflow_is_configured_to_do(
    variable: str, reason: str, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    monkeypatch.setenv(f"AIRFLOW__{variable}", "True")
    assert ending(in_a_dag(), "wait_for_job_run", {}) is None
    assert reason in said()


@pytest.fixture
def listener() -> Iterator[None]:
    from airflow.listeners import hookimpl
    from airflow.sdk.listener import get_listener_manager

    class Listener:
        @hookimpl
        def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:
            """Keep the lineage, say."""

    heard = Listener()
    get_listener_manager().pm.register(heard, "lineage")
    yield
    get_listener_manager().pm.unregister(heard)


@where_it_can
@pytest.mark.usefixtures("listener")
def test_so_does_a_listener(said: Said) -> None:
    assert ending(in_a_dag(), "wait_for_job_run", {}) is None
    assert "listeners want to know of its success (lineage)" in said()


@where_it_can
def test_so_does_a_task_that_is_mapped_over_the_result(said: Said) -> None:
    from airflow.sdk import DAG, task

    @task
    def each(pair: Any) -> None:
        """Something with it."""

    with DAG("a_dag", schedule=None):
        started = operator()
        each.expand(pair=started.output)
    assert ending(started, "wait_for_job_run", {}) is None
    assert "mapped over its result" in said()


@where_it_can
@pytest.mark.parametrize(
    ("arguments", "xcoms"),
    [({}, "whole"), ({"multiple_outputs": True}, "each"), ({"do_xcom_push": False}, "none")],
)
def test_the_trigger_stores_what_the_task_is_to_store(arguments: dict[str, Any], xcoms: str) -> None:
    found = ending(in_a_dag(**arguments), "wait_for_state", {"kind": "session"}, concludes=True)
    assert found == {"workflow": "wait_for_state", "arguments": {"kind": "session"}, "xcoms": xcoms, "concludes": True}


def test_nobody_says_anything_who_was_not_asked(said: Said) -> None:
    assert ending(operator(end_from_trigger=False, on_success_callback=print), "wait_for_job_run", {}) is None
    assert not said()


@pytest.mark.skipif(CAN_END_IN_TRIGGER, reason="an older Airflow")
def test_an_older_airflow_ends_it_in_a_worker(said: Said) -> None:
    assert ending(operator(), "wait_for_job_run", {}) is None
    assert "it takes Airflow 3.3" in said()


class Supervisor:
    """Stores what a trigger sends to Airflow."""

    def __init__(self) -> None:
        self.xcoms: dict[str, Any] = {}

    def send(self, message: Any) -> None:
        self.xcoms[message.key] = message.value


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    stores = Supervisor()
    monkeypatch.setattr("airflow.sdk.execution_time.task_runner.SUPERVISOR_COMMS", stores, raising=False)
    return stores


@pytest.fixture
def application_id(emr: LocalEmr) -> str:
    client = emr.client("emr-serverless")
    return str(client.create_application(releaseLabel="emr-7.9.0", type="SPARK")["applicationId"])


def event_of(task: Any) -> TriggerEvent:
    """What the trigger of a task sends."""

    async def run(trigger: Any) -> TriggerEvent:
        trigger.task_instance = named(**TASK, try_number=1)
        trigger.trigger_id = 1
        async for event in trigger.run():
            return event
        raise AssertionError("the trigger ended without an event")

    with pytest.raises(TaskDeferred) as deferral:
        task.execute(context_of(TaskInstance()))
    path, arguments = deferral.value.trigger.serialize()
    assert path == "airflow_emrs_ext.triggers.workflow.WorkflowTrigger"
    return asyncio.run(run(type(deferral.value.trigger)(**arguments)))


@where_it_can
def test_the_xcoms_are_those_of_a_worker(emr: LocalEmr, application_id: str, supervisor: Supervisor) -> None:
    each = {"application_id": application_id, "multiple_outputs": True}
    event = event_of(in_a_dag(**each))
    by_worker = run_task(lambda: operator(**each, end_from_trigger=False))
    assert isinstance(event, TaskSuccessEvent)
    mine, theirs = supervisor.xcoms, by_worker.xcoms
    # Those that a worker has stored before the deferral.
    beforehand = {key for key in theirs if key.startswith("_link_")} | {"emr_run"}
    assert set(mine) == set(theirs) - beforehand
    assert mine["state"] == "SUCCESS"
    assert mine["return_value"] == {key: value for key, value in mine.items() if key != "return_value"}
    assert {key: type(value) for key, value in mine.items()} == {key: type(theirs[key]) for key in mine}


@where_it_can
def test_a_sensor_has_its_result_from_there(emr: LocalEmr, application_id: str, supervisor: Supervisor) -> None:
    from airflow.sdk import DAG

    run = emr.client("emr-serverless").start_job_run(
        applicationId=application_id, executionRoleArn=ROLE, clientToken="a", jobDriver=spark_submit("s3://b/j.py")
    )
    ids = {"application_id": application_id, "job_run_id": run["jobRunId"]}

    def make(**arguments: Any) -> Any:
        return EmrServerlessJobRunSensor(
            task_id="a_task", target_states=["SUCCESS"], deferrable=True, waiter_delay=0.1, **ids, **arguments
        )

    with DAG("a_dag", schedule=None):
        sensor = make(end_from_trigger=True)
    assert isinstance(event_of(sensor), TaskSuccessEvent)
    assert supervisor.xcoms["return_value"] == run_task(make).result


@where_it_can
def test_a_failure_is_a_workers(emr: LocalEmr, application_id: str, supervisor: Supervisor, said: Said) -> None:
    emr.script(attempts=[ScriptedAttempt(succeeded=False, stdout="Traceback (most recent call last):\n")])
    event = event_of(in_a_dag(application_id=application_id))
    log = said()
    assert "A worker ends this task: JobRunFailed" in log
    assert "Traceback" not in log
    assert type(event) is TriggerEvent
    assert "result" in event.payload
    assert not supervisor.xcoms


@where_it_can
def test_so_is_a_success_whose_xcoms_cannot_be_stored(emr: LocalEmr, application_id: str) -> None:
    # There is no Airflow here that would take them.
    task = run_task(lambda: in_a_dag(application_id=application_id))
    assert (task.deferred, task.error) == (True, None)
    assert task.result["state"] == "SUCCESS"
