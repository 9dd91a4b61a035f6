"""Waits that a message ends, on the local endpoint's own events, EventBridge and SQS."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from airflow_emrs_ext.core.effects import Call, Effects, Observation, PollState, RunContext, WaitPolicy
from airflow_emrs_ext.hooks.base import EmrHook
from airflow_emrs_ext.job_spec import eks_spark_submit, spark_submit
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from airflow_emrs_ext.notifications import create_notification_queue
from airflow_emrs_ext.operators.containers_job_run import EmrContainersStartJobRunOperator
from airflow_emrs_ext.runtime import event_queue, poll_schedule
from airflow_emrs_ext.runtime.event_queue import Notifications
from airflow_emrs_ext.runtime.shared_driver import shared_driver
from airflow_emrs_ext.sensors.serverless import EmrServerlessJobRunSensor
from airflow_emrs_ext.workflows.registry import WORKFLOWS
from tests.endpoint.plugin.eks import Cluster
from tests.polling import eventually
from tests.running import TaskRun, run_task

pytestmark = pytest.mark.airflow

ROLE = "arn:aws:iam::123456789012:role/job"
# Who is not told, waits for longer than a test may take.
NEVER = 3600.0


@pytest.fixture
def looks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let who waits look once: what ends the wait then is a message."""
    monkeypatch.setattr(poll_schedule, "_SHORTEST_PAUSE", NEVER)


@pytest.fixture
def application_id(emr: LocalEmr) -> str:
    client = emr.client("emr-serverless")
    return str(client.create_application(releaseLabel="emr-6.15.0", type="SPARK")["applicationId"])


def start_run(emr: LocalEmr, application_id: str) -> str:
    emr.script([ScriptedAttempt(hold=True)])
    started = emr.client("emr-serverless").start_job_run(
        applicationId=application_id, executionRoleArn=ROLE, jobDriver=spark_submit("s3://b/j.py")
    )
    return str(started["jobRunId"])


def is_running(emr: LocalEmr, *job_run_ids: str) -> bool:
    return all(run["state"] == "RUNNING" for run in emr.job_runs() if run["jobRunId"] in job_run_ids)


def ended_meanwhile(emr: LocalEmr, make: Callable[[], Any], *, eks: bool = False) -> TaskRun:
    """How a task ends whose job run ends once it has looked."""
    looks, record_id = ("DescribeJobRun", "id") if eks else ("GetJobRun", "jobRunId")
    records = emr.eks_job_runs if eks else emr.job_runs

    def end() -> None:
        eventually(lambda: emr.calls(looks))
        (run,) = eventually(lambda: [one for one in records() if one["state"] == "RUNNING"])
        emr.finish(run[record_id])

    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(end)
        task = run_task(make)
        ending.result()
    return task


@pytest.mark.usefixtures("looks_once")
def test_a_message_ends_the_wait(emr: LocalEmr, application_id: str) -> None:
    queue = create_notification_queue()
    job_run_id = start_run(emr, application_id)

    def sensor() -> Any:
        return EmrServerlessJobRunSensor(
            task_id="a_sensor",
            application_id=application_id,
            job_run_id=job_run_id,
            deferrable=True,
            poke_interval=NEVER,
            timeout=2 * NEVER,
            notification_queue=queue,
        )

    task = ended_meanwhile(emr, sensor)

    assert task.error is None
    assert task.result["state"] == "SUCCESS"


@pytest.mark.usefixtures("looks_once")
def test_airflows_configuration_may_name_the_queue(emr: LocalEmr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__NOTIFICATION_QUEUE", create_notification_queue())
    emr.script([ScriptedAttempt(hold=True)])
    cluster_id = Cluster(emr).cluster_id

    def operator() -> Any:
        return EmrContainersStartJobRunOperator(
            task_id="a_task",
            virtual_cluster_id=cluster_id,
            execution_role_arn=ROLE,
            release_label="emr-7.9.0-latest",
            job_driver=eks_spark_submit("s3://b/j.py"),
            deferrable=True,
            waiter_delay=NEVER,
        )

    task = ended_meanwhile(emr, operator, eks=True)

    assert task.error is None
    assert task.result["state"] == "COMPLETED"


def test_a_queue_that_is_not_there_fails_nothing(
    emr: LocalEmr, application_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    queue = create_notification_queue()
    emr.client("sqs").delete_queue(QueueUrl=queue)
    job_run_id = start_run(emr, application_id)

    def sensor() -> Any:
        return EmrServerlessJobRunSensor(
            task_id="a_sensor",
            application_id=application_id,
            job_run_id=job_run_id,
            deferrable=True,
            poke_interval=0.1,
            timeout=60,
            notification_queue=queue,
        )

    task = ended_meanwhile(emr, sensor)

    assert task.error is None
    assert task.result["state"] == "SUCCESS"
    (warning,) = (record for record in caplog.records if record.name == event_queue.__name__)
    assert (warning.levelname, warning.args[0]) == ("WARNING", queue)


@pytest.mark.usefixtures("looks_once")
def test_triggerers_that_share_a_queue_get_each_their_own(emr: LocalEmr, application_id: str) -> None:
    queue = create_notification_queue()
    job_run_ids = [start_run(emr, application_id) for _ in range(12)]
    eventually(lambda: is_running(emr, *job_run_ids))

    with ThreadPoolExecutor(2) as pool:
        triggerers = [pool.submit(asyncio.run, watch(application_id, job_run_ids[half::2], queue)) for half in (0, 1)]
        eventually(lambda: len(emr.calls("GetJobRun")) + len(emr.calls("ListJobRuns")) >= 2)
        for job_run_id in job_run_ids:
            emr.finish(job_run_id)
        watched = [triggerer.result() for triggerer in triggerers]

    assert watched == [job_run_ids[0::2], job_run_ids[1::2]]


async def watch(application_id: str, job_run_ids: list[str], queue: str) -> list[str]:
    """Wait for the end of job runs as a triggerer does; their ids."""
    ctx = RunContext(wait_policy=WaitPolicy(waiter_delay=NEVER, notification_queue=queue))
    async with shared_driver({"aws_conn_id": "aws_default"}, EmrHook) as driver:
        waits = (
            driver.run(
                WORKFLOWS["wait_until_changed"](
                    ctx,
                    kind="job_run",
                    ids={"application_id": application_id, "job_run_id": job_run_id},
                    target_states=["SUCCESS"],
                )
            )
            for job_run_id in job_run_ids
        )
        # A thread that waits for what never comes cannot be ended by pytest.
        ended = await asyncio.wait_for(asyncio.gather(*waits), 120)
    return [one["job_run_id"] for one in ended]


class Desk:
    """SQS, played: what it would hand out, and what is done with it."""

    def __init__(self, *receptions: list[dict[str, Any]] | Exception) -> None:
        self.receptions = list(receptions)
        self.deleted: list[str] = []
        self.given_back: dict[str, int] = {}
        self.waited: list[int] = []
        self.keeps = False

    async def run(self, steps: Effects[dict[str, Any]]) -> dict[str, Any]:
        call = next(steps)
        assert isinstance(call, Call)
        entries = call.parameters.get("Entries", ())
        if entries and self.keeps:
            raise PermissionError(f"not allowed: {call.operation}")
        if call.operation == "delete_message_batch":
            self.deleted += [entry["ReceiptHandle"] for entry in entries]
        elif call.operation == "change_message_visibility_batch":
            self.given_back.update({entry["ReceiptHandle"]: entry["VisibilityTimeout"] for entry in entries})
        else:
            self.waited.append(call.parameters["WaitTimeSeconds"])
            # Others have their turn meanwhile, as over a network.
            await asyncio.sleep(0.01)
            if not self.receptions:
                await asyncio.Future()
            reception = self.receptions.pop(0)
            if isinstance(reception, Exception):
                raise reception
            return {"Messages": reception}
        return {}


def message(own_id: str, *, state: str = "SUCCESS", receptions: int = 1, age: float = 0.0) -> dict[str, Any]:
    event = {
        "source": "aws.emr-serverless",
        "detail-type": "EMR Serverless Job Run State Change",
        "detail": {"applicationId": "an_application", "jobRunId": own_id, "state": state},
    }
    sent = int((time.time() - age) * 1000)
    attributes = {"ApproximateReceiveCount": str(receptions), "SentTimestamp": str(sent)}
    return {"ReceiptHandle": own_id, "Body": json.dumps(event), "Attributes": attributes}


class Waiter:
    """One that waits for one job run; it notes how it looks meanwhile."""

    def __init__(self, desk: Desk, own_id: str) -> None:
        self.looks_rarely: list[bool] = []
        self._own_id = own_id
        self._answer: asyncio.Future[Observation | None] = asyncio.get_running_loop().create_future()
        self.notifications = Notifications("a-queue", desk.run, self._tell, self._reconsider)
        self._notified: Callable[[], bool] = bool

    def _tell(self, kind: str, ids: Mapping[str, str], state: str) -> bool:
        is_mine = ids["job_run_id"] == self._own_id
        if is_mine:
            self._answer.set_result(Observation(state))
        return is_mine

    async def _ask(self, step: PollState) -> Observation | None:
        self._notified = step.notified
        self._reconsider()
        return await self._answer

    def _reconsider(self) -> None:
        self.looks_rarely.append(self._notified())

    async def wait(self) -> Observation | None:
        ids = {"application_id": "an_application", "job_run_id": self._own_id}
        return await self.notifications.poll_state(PollState("job_run", ids, None, None, 30, 300, "a-queue"), self._ask)


async def test_what_becomes_of_messages() -> None:
    foreign = [message(f"foreign-{count}", receptions=count) for count in (1, 2, 6, 11, 12)]
    old, junk = message("old", age=700), {**message("junk"), "Body": "?"}
    desk = Desk([*foreign, old, junk], [message("mine", state="FAILED")])
    waiter = Waiter(desk, "mine")

    assert await waiter.wait() == Observation("FAILED")
    waiter.notifications.close()

    # At once, then later and later, in case another triggerer wants it, until nobody can be expected to.
    assert desk.given_back == {"foreign-1": 0, "foreign-2": 0, "foreign-6": 4, "foreign-11": 30, "junk": 0}
    assert {"foreign-12", "old"} <= set(desk.deleted)


async def test_nobody_relies_on_a_queue_before_it_could_be_read() -> None:
    desk = Desk([], [message("mine")])
    waiter = Waiter(desk, "mine")
    await waiter.wait()

    assert waiter.looks_rarely == [False, True]
    # At first it asks without waiting for a message: whether there is a queue is to be known at once.
    assert desk.waited[:2] == [0, 20]


async def test_nobody_relies_on_a_queue_that_cannot_be_read_any_more(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(event_queue, "_FIRST_PAUSE", 0)
    lost = ConnectionError("no network")
    desk = Desk([], lost, lost, [message("mine")])
    waiter = Waiter(desk, "mine")
    await waiter.wait()

    assert waiter.looks_rarely == [False, True, False, True]
    told = [(record.levelname, record.args[1:]) for record in caplog.records if record.name == event_queue.__name__]
    assert told == [("WARNING", (lost,)), ("INFO", ())]


async def test_what_cannot_be_deleted_ends_waits_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk([message("foreign")], [message("foreign")], [message("mine")])
    desk.keeps = True
    waiter = Waiter(desk, "mine")

    assert await waiter.wait() == Observation("SUCCESS")
    assert waiter.looks_rarely == [False, True]
    errors = [record.args[1] for record in caplog.records if record.name == event_queue.__name__]
    assert ["change_message_visibility_batch" in str(error) for error in errors].count(True) == 1


async def test_it_receives_as_long_as_somebody_waits() -> None:
    desk = Desk([message("mine")])
    waiter = Waiter(desk, "mine")
    await waiter.wait()
    await asyncio.sleep(0)
    desk.receptions.append([message("another's")])
    received = len(desk.waited)
    await asyncio.sleep(0)

    assert len(desk.waited) == received
