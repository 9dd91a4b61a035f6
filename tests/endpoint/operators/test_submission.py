"""Job runs that the triggerer submits: the same outcome, and nothing left behind by tasks that are ended meanwhile."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from airflow_emrs_ext._compat import TaskDeferred
from airflow_emrs_ext.exceptions import ConfigurationError, RequestRejected, WaitTimeout
from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.triggers import journal, workflow
from airflow_emrs_ext.triggers import recovery as lookout
from airflow_emrs_ext.triggers._compat import TaskRow
from tests.polling import eventually, let_it_age
from tests.running import TaskInstance, TaskRun, context_of, named, run_task

pytestmark = pytest.mark.airflow

ROLE = "arn:aws:iam::123456789012:role/job"
MARKED_FAILED = TaskRow("failed", None, 1, has_resumed=False)
WAITS = pytest.mark.parametrize(
    "waiting",
    [{"deferrable": False}, {"deferrable": True}, {"wait_for": "submission"}],
    ids=["blocking", "deferrable", "not at all"],
)


@pytest.fixture
def application_id(emr: LocalEmr) -> str:
    client = emr.client("emr-serverless")
    return str(client.create_application(releaseLabel="emr-7.9.0", type="SPARK")["applicationId"])


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A connection of the test's own whose account takes one StartJobRun, and the next a thousand seconds later."""
    name = request.node.name
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", "aws://")
    monkeypatch.setenv(
        "AIRFLOW__EMRS_EXT__QUOTAS", '{"emr-serverless": {"StartJobRun": [0.001, 1], "GetJobRun": null}}'
    )
    return str(name)


def operator(application_id: str, **arguments: Any) -> EmrServerlessStartJobRunOperator:
    return EmrServerlessStartJobRunOperator(
        **{
            "task_id": "a_task",
            "application_id": application_id,
            "execution_role_arn": ROLE,
            "job_driver": spark_submit("s3://b/j.py"),
            "waiter_delay": 0.1,
            "submit_from": "triggerer",
            **arguments,
        }
    )


def start(application_id: str, **arguments: Any) -> TaskRun:
    return run_task(lambda: operator(application_id, **arguments))


def deferred(application_id: str, *, try_number: int = 1, **arguments: Any) -> Any:
    """The trigger that submits, as the triggerer makes it."""
    task = operator(application_id, **arguments)
    with pytest.raises(TaskDeferred) as deferral:
        task.execute(context_of(TaskInstance(task_id=task.task_id, try_number=try_number)))
    trigger: Any = workflow.WorkflowTrigger(**deferral.value.trigger.serialize()[1])
    trigger.task_instance = named(dag_id="a_dag", run_id="a_run", task_id="a_task", map_index=-1, try_number=try_number)
    trigger.trigger_id = 1
    return trigger


@WAITS
def test_the_outcome_is_that_of_a_submission_from_the_worker(
    emr: LocalEmr, application_id: str, waiting: dict[str, Any]
) -> None:
    own = start(application_id, **waiting)
    assert own.error is None
    assert own.deferred
    next_try = {"task_id": "a_task", "try_number": 2, "max_tries": 1}
    other = run_task(lambda: operator(application_id, submit_from="worker", retries=1, **waiting), **next_try)
    assert own.comparable() == other.comparable()
    assert own.result["job_run_id"] == other.result["job_run_id"], "the same task's own"
    assert len(emr.job_runs()) == 1


def test_no_worker_submits(emr: LocalEmr, application_id: str) -> None:
    deferred(application_id)
    assert emr.calls("StartJobRun") == []


def test_a_token_of_the_users_own_is_used(emr: LocalEmr, application_id: str) -> None:
    run = start(application_id, client_request_token="mine", deferrable=True)
    assert run.error is None
    assert [one["clientToken"] for one in emr.job_runs()] == ["mine"]


def test_a_refusal_is_the_same_error(application_id: str) -> None:
    refused = {"retry_policy": {"maxAttempts": 11}}
    own, other = start(application_id, **refused), start(application_id, submit_from="worker", **refused)
    assert isinstance(own.error, RequestRejected)
    assert own.comparable() == other.comparable()


def test_a_failure_is_the_same_error(emr: LocalEmr, application_id: str) -> None:
    emr.script([ScriptedAttempt(succeeded=False, details="Job failed, please check the logs")])
    own = start(application_id, deferrable=True, show_driver_logs="never")
    assert "FAILED" in str(own.error)
    assert own.xcoms["job_run_id"] == emr.job_runs()[0]["jobRunId"]


def test_the_deadline_counts_from_the_first_moment(emr: LocalEmr, application_id: str, slowly: str) -> None:
    emr.script([ScriptedAttempt(hold=True)])
    assert start(application_id, aws_conn_id=slowly, wait_for="submission").error is None
    late = run_task(lambda: operator(application_id, aws_conn_id=slowly, wait_timeout=0.5), task_id="another")
    assert isinstance(late.error, WaitTimeout)
    assert "its turn under the service's quota has not come" in str(late.error)
    assert len(emr.job_runs()) == 1


def test_it_is_checked(application_id: str) -> None:
    with pytest.raises(ConfigurationError, match="`submit_from` is 'scheduler'; it takes one of worker, triggerer"):
        operator(application_id, submit_from="scheduler").execute(context_of(TaskInstance()))


async def killed(begun: Any, *triggers: Any) -> None:
    """Run triggers until something has begun, then end their tasks as Airflow does."""

    async def run(trigger: Any) -> None:
        async for _ in trigger.run():
            pass

    tasks = [asyncio.create_task(run(trigger)) for trigger in triggers]
    await asyncio.to_thread(eventually, begun)
    while not all(task.done() for task in tasks):
        for task in tasks:
            task.cancel("by a user")
        await asyncio.sleep(0)
    for task in tasks:
        with pytest.raises(asyncio.CancelledError):
            await task


def any_entry_has(journal_folder: Path, words: str) -> bool:
    return any(words in entry.read_text() for entry in journal_folder.glob("*.json"))


@pytest.fixture
def ended_by_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(trigger: Any) -> bool:
        return False

    monkeypatch.setattr(workflow, "has_owner", answer)


@pytest.mark.usefixtures("ended_by_a_user")
async def test_a_kill_before_the_submission_starts_nothing(
    emr: LocalEmr, application_id: str, slowly: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__JOURNAL_FOLDER", str(tmp_path))
    first, second = (deferred(application_id, aws_conn_id=slowly) for _ in range(2))
    # What it has started stays in the journal until a worker goes on with its task, which is another one.
    first.task_instance.task_id = "another_task"
    async for _ in first.run():
        pass
    await killed(partial(any_entry_has, tmp_path, '"asked": false'), second)
    assert len(emr.calls("StartJobRun")) == 1
    assert emr.calls("CancelJobRun") == []


@pytest.mark.usefixtures("ended_by_a_user")
async def test_a_kill_after_a_submission_whose_answer_is_lost_cancels_the_job_run(
    emr: LocalEmr, application_id: str
) -> None:
    emr.script([ScriptedAttempt(hold=True)])
    emr.inject("StartJobRun", "delay", times=1, seconds=60)
    await killed(lambda: len(emr.calls("StartJobRun")) == 1, deferred(application_id))
    assert emr.job_runs()[0]["state"] in ("CANCELLING", "CANCELLED")


@pytest.mark.usefixtures("ended_by_a_user")
async def test_a_kill_while_answers_are_lost_finds_what_was_started(emr: LocalEmr, application_id: str) -> None:
    """Each start has its effect, and its answer is lost: before the kill, and twice after it."""
    emr.script([ScriptedAttempt(hold=True)])
    emr.inject("StartJobRun", "drop", times=4)
    await killed(lambda: len(emr.calls("StartJobRun")) >= 2, deferred(application_id))
    assert [run["state"] in ("CANCELLING", "CANCELLED") for run in emr.job_runs()] == [True]
    assert len(emr.calls("StartJobRun")) > 4


@pytest.fixture
def busily(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A connection of the test's own whose account takes twenty StartJobRun a second, one after the other."""
    name = request.node.name
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", "aws://")
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__QUOTAS", '{"emr-serverless": {"StartJobRun": [20, 1], "ListJobRuns": null}}')
    return str(name)


async def test_many_are_seen_to_be_new_together(emr: LocalEmr, application_id: str, busily: str) -> None:
    emr.script([ScriptedAttempt(hold=True)])
    options = {"aws_conn_id": busily, "waiter_delay": 30}
    triggers = [deferred(application_id, task_id=f"task_{number}", **options) for number in range(12)]

    async def event_of(trigger: Any) -> Any:
        (event,) = [event async for event in trigger.run()]
        return event.payload

    events = await asyncio.gather(*map(event_of, triggers))
    assert {event["result"]["job_run_id"] for event in events} == {run["jobRunId"] for run in emr.job_runs()}
    assert len(emr.calls("StartJobRun")) == 12
    assert len(emr.calls("GetJobRun")) + len(emr.calls("ListJobRuns")) <= 4


@pytest.mark.usefixtures("ended_by_a_user")
async def test_a_kill_before_it_is_seen_to_be_new_cancels_the_job_run(
    emr: LocalEmr, application_id: str, slowly: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__JOURNAL_FOLDER", str(tmp_path))
    emr.script([ScriptedAttempt(hold=True)])
    # One waits for its turn, and so the other for what that one will have started.
    triggers = [deferred(application_id, task_id=f"task_{n}", aws_conn_id=slowly, waiter_delay=30) for n in range(2)]
    await killed(partial(any_entry_has, tmp_path, '"started"'), *triggers)
    assert len(emr.calls("StartJobRun")) == 1, "none was repeated to learn what it had started"
    assert [run["state"] in ("CANCELLING", "CANCELLED") for run in emr.job_runs()] == [True]


@pytest.mark.usefixtures("ended_by_a_user")
async def test_a_kill_leaves_the_job_run_alone_if_told_so(emr: LocalEmr, application_id: str) -> None:
    emr.script([ScriptedAttempt(hold=True)])
    emr.inject("StartJobRun", "delay", times=1, seconds=60)
    await killed(lambda: len(emr.calls("StartJobRun")) == 1, deferred(application_id, cancel_on_kill=False))
    assert len(emr.calls("StartJobRun")) <= 1
    assert emr.calls("CancelJobRun") == []


@pytest.mark.usefixtures("ended_by_a_user")
def test_a_kill_after_a_failure_that_is_passed_by_cancels_what_the_try_after_it_has_left(
    emr: LocalEmr, application_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__JOURNAL_FOLDER", str(tmp_path))
    emr.script([ScriptedAttempt(succeeded=False)])
    in_worker = {"submit_from": "worker", "show_driver_logs": "never"}
    failed = run_task(lambda: operator(application_id, **in_worker))
    assert "FAILED" in str(failed.error)
    let_it_age(emr.job_runs())
    emr.script([ScriptedAttempt(hold=True)])
    run_task(lambda: operator(application_id, wait_for="submission", **in_worker), task_id="a_task", try_number=2)
    monkeypatch.setenv("AIRFLOW_CONN_TWO_A_SECOND", "aws://")
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__QUOTAS", '{"emr-serverless": {"StartJobRun": [2, 1]}}')
    third = deferred(application_id, try_number=3, aws_conn_id="two_a_second")
    seen = len(emr.calls("GetJobRun"))
    asyncio.run(killed(lambda: len(emr.calls("GetJobRun")) > seen, third))
    assert len(emr.job_runs()) == 2
    assert [run["state"] in ("CANCELLING", "CANCELLED") for run in emr.job_runs()] == [False, True]


def test_the_journal_knows_whether_it_was_asked_for_and_no_request(
    application_id: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__JOURNAL_FOLDER", str(tmp_path))
    driver = spark_submit("s3://b/j.py", arguments=["hunter2"])
    left = journal.Journal.of(deferred(application_id, job_driver=driver))
    left.write()
    left.note({"asked": True})
    assert journal.Journal.of(deferred(application_id, job_driver=driver)).recall() == {"asked": True}
    assert journal.Journal.of(deferred(application_id)).recall() == {}
    (entry,) = tmp_path.glob("*.json")
    assert "hunter2" not in entry.read_text()
    left.leave()
    monkeypatch.setattr(lookout, "row_of_task", lambda identity: MARKED_FAILED)
    lookout.look_after_what_was_left()
    assert list(tmp_path.glob("*.json")) == []


@pytest.mark.parametrize(("waiting", "is_over"), [({}, True), ({"wait_for": "submission"}, False)])
def test_what_a_lost_triggerer_has_started_is_ended_with_its_task(
    emr: LocalEmr,
    application_id: str,
    waiting: dict[str, Any],
    is_over: bool,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__JOURNAL_FOLDER", str(tmp_path))
    emr.script([ScriptedAttempt(hold=True)])
    ids = start(application_id, wait_for="submission").result
    lost = journal.Journal.of(deferred(application_id, **waiting))
    lost.note({"asked": True, "started": {name: ids[name] for name in ("application_id", "job_run_id")}})
    lost.leave()
    monkeypatch.setattr(lookout, "row_of_task", lambda identity: MARKED_FAILED)
    assert lookout.look_after_what_was_left() == is_over
    assert list(tmp_path.glob("*.json")) == []
    assert (emr.job_runs()[0]["state"] in ("CANCELLING", "CANCELLED")) == is_over


def test_what_was_started_without_an_answer_is_found_by_its_tags(
    emr: LocalEmr, application_id: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The triggerer is lost between its request and the answer."""
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__JOURNAL_FOLDER", str(tmp_path))
    emr.script([ScriptedAttempt(hold=True)])
    assert start(application_id, wait_for="submission").error is None
    other = run_task(lambda: operator(application_id, wait_for="submission"), task_id="another_task")
    lost = journal.Journal.of(deferred(application_id))
    lost.note({"asked": True})
    lost.leave()
    monkeypatch.setattr(lookout, "row_of_task", lambda identity: MARKED_FAILED)
    assert lookout.look_after_what_was_left() == 1
    cancelled = {run["jobRunId"] for run in emr.job_runs() if run["state"] in ("CANCELLING", "CANCELLED")}
    assert cancelled == {run["jobRunId"] for run in emr.job_runs()} - {other.result["job_run_id"]}
    assert len(cancelled) == 1


@pytest.mark.parametrize("waiting", [{"submit_from": "worker"}, {"submit_from": "worker", "deferrable": True}])
def test_what_cannot_be_cancelled_at_the_deadline_is_kept_and_cancelled_when_it_can_be(
    emr: LocalEmr, application_id: str, waiting: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__JOURNAL_FOLDER", str(tmp_path))
    emr.script([ScriptedAttempt(hold=True)])
    emr.inject("CancelJobRun", "error", status=400, code="ValidationException", times=None)
    trigger_class = workflow.WorkflowTrigger
    task_instance = named(dag_id="a_dag", run_id="a_run", task_id="a_task", map_index=-1, try_number=1)
    # Airflow 2 gives a trigger none when it is made.
    always = property(lambda self: task_instance, lambda self, value: None)
    monkeypatch.setattr(trigger_class, "task_instance", always, raising=False)
    run = start(application_id, wait_timeout=0.5, **waiting)
    assert isinstance(run.error, WaitTimeout)
    (entry,) = (json.loads(path.read_text()) for path in tmp_path.glob("*.json"))
    assert entry["is_ended"]
    assert entry["in_hand"] is None
    monkeypatch.setattr(lookout, "row_of_task", lambda identity: TaskRow("failed", None, 1, has_resumed=True))
    emr.clear_faults()
    assert lookout.look_after_what_was_left() == 1
    assert emr.job_runs()[0]["state"] in ("CANCELLING", "CANCELLED")
    assert list(tmp_path.glob("*.json")) == []
