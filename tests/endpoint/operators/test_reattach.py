"""Whose a job run is after a try was lost, cleared, killed or changed: never two at a time, none without an owner."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from airflow_emrs_ext._compat import AIRFLOW_3, AirflowException, AirflowTaskTimeout, TaskDeferred
from airflow_emrs_ext.core.formats import known
from airflow_emrs_ext.exceptions import JobRunCancelled, JobRunFailed, TaskKilled
from airflow_emrs_ext.hooks.serverless import EmrServerlessHook
from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from airflow_emrs_ext.operators._base import ends_with_task
from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.application_state import EmrServerlessDeleteApplicationOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.workflows import idempotent_start
from airflow_emrs_ext.workflows.idempotent_start import end_uncertain_start
from tests.polling import eventually, let_it_age
from tests.running import TaskInstance, TaskRun, context_of, fire, run_task

pytestmark = pytest.mark.airflow

IN_BOTH_MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
SECOND_TRY: dict[str, Any] = {"try_number": 2, "max_tries": 2}
# Of a task with two retries that was cleared after its first try.
CLEARED: dict[str, Any] = {"try_number": 2, "max_tries": 3}
# What Airflow resumes a task with.
ITS_TIME_IS_OVER = "Trigger timeout" if AIRFLOW_3 else "Trigger/execution timeout"
FIRST_TRY: dict[str, Any] = {"try_number": 1, "max_tries": 2}


@pytest.fixture
def application_id(emr: LocalEmr) -> str:
    emr.script([ScriptedAttempt(hold=True)])
    client = emr.client("emr-serverless")
    return str(client.create_application(releaseLabel="emr-7.9.0", type="SPARK")["applicationId"])


def operator(application_id: str, **arguments: Any) -> EmrServerlessStartJobRunOperator:
    return EmrServerlessStartJobRunOperator(
        **{
            "task_id": "a_task",
            "application_id": application_id,
            "execution_role_arn": "arn:aws:iam::123456789012:role/job",
            "job_driver": spark_submit("s3://b/j.py"),
            "waiter_delay": 0.1,
            "retries": 2,
            **arguments,
        }
    )


def lose(emr: LocalEmr, application_id: str, task_instance: dict[str, Any], **arguments: Any) -> str:
    """Begin a try that nobody hears of again once its job run is RUNNING; the job run's id."""
    with pytest.raises(TaskDeferred):
        operator(application_id, deferrable=True, **arguments).execute(context_of(TaskInstance(**task_instance)))
    return str(eventually(lambda: [one for one in emr.job_runs() if one["state"] == "RUNNING"])[-1]["jobRunId"])


def go_on(application_id: str, task_instance: dict[str, Any], **arguments: Any) -> TaskRun:
    return run_task(lambda: operator(application_id, **arguments), **task_instance)


def end_when_found(emr: LocalEmr, job_run_id: str, **how: Any) -> threading.Thread:
    """End a job run as soon as another try has looked at it."""
    looked = len(emr.calls("GetJobRun"))

    def end() -> None:
        eventually(lambda: len(emr.calls("GetJobRun")) > looked + 1)
        emr.finish(job_run_id, **how)

    thread = threading.Thread(target=end)
    thread.start()
    return thread


def ids(emr: LocalEmr) -> list[str]:
    return [one["jobRunId"] for one in emr.job_runs()]


def overlap(first: dict[str, Any], second: dict[str, Any]) -> bool:
    over = next(one["at"] for one in first["stateHistory"] if one["state"] in ("SUCCESS", "FAILED", "CANCELLED"))
    return bool(second["stateHistory"][0]["at"] < over)


@IN_BOTH_MODES
@pytest.mark.parametrize("succeeded", [True, False])
def test_the_next_try_goes_on_with_what_runs(
    emr: LocalEmr, application_id: str, deferrable: bool, succeeded: bool
) -> None:
    left = lose(emr, application_id, FIRST_TRY)
    ending = end_when_found(emr, left, succeeded=succeeded)
    run = go_on(application_id, SECOND_TRY, deferrable=deferrable)
    ending.join()
    assert ids(emr) == [left]
    assert run.xcoms["job_run_id"] == left
    assert type(run.error) is (type(None) if succeeded else JobRunFailed)


@IN_BOTH_MODES
def test_a_success_that_nobody_saw_is_the_result(emr: LocalEmr, application_id: str, deferrable: bool) -> None:
    left = lose(emr, application_id, FIRST_TRY)
    emr.finish(left)
    eventually(lambda: emr.job_runs()[0]["state"] == "SUCCESS")
    run = go_on(application_id, SECOND_TRY, deferrable=deferrable)
    assert (run.error, ids(emr)) == (None, [left])
    assert run.result["state"] == "SUCCESS"


@pytest.mark.parametrize("succeeded", [True, False])
def test_one_that_failed_or_that_a_person_cleared_is_followed_by_another(
    emr: LocalEmr, application_id: str, succeeded: bool
) -> None:
    left = lose(emr, application_id, FIRST_TRY)
    emr.finish(left, succeeded=succeeded)
    eventually(lambda: [one for one in emr.job_runs() if one["state"] != "RUNNING"])
    let_it_age(emr.job_runs())
    emr.script([ScriptedAttempt()])
    run = go_on(application_id, CLEARED if succeeded else SECOND_TRY)
    assert run.error is None
    assert ids(emr) == [left, run.result["job_run_id"]]


@pytest.mark.parametrize("remembered", [3600.0, 0.001], ids=["by its token", "by its tags"])
def test_what_runs_when_a_person_clears_the_task_is_gone_on_with_if_a_kill_keeps_it(
    emr: LocalEmr, application_id: str, monkeypatch: pytest.MonkeyPatch, remembered: float
) -> None:
    monkeypatch.setattr(idempotent_start, "_REMEMBERED_SECONDS", remembered)
    left = lose(emr, application_id, FIRST_TRY, cancel_on_kill=False)
    ending = end_when_found(emr, left)
    run = go_on(application_id, CLEARED, cancel_on_kill=False)
    ending.join()
    assert (run.error, ids(emr)) == (None, [left])


@pytest.mark.parametrize("remembered", [3600.0, 0.001], ids=["by its token", "by its tags"])
@pytest.mark.parametrize("has_started", [True, False], ids=["after another", "after a try that started none"])
def test_a_lost_try_after_a_clear_is_gone_on_with(
    emr: LocalEmr, application_id: str, monkeypatch: pytest.MonkeyPatch, remembered: float, has_started: bool
) -> None:
    monkeypatch.setattr(idempotent_start, "_REMEMBERED_SECONDS", remembered)
    before = []
    if has_started:
        before.append(lose(emr, application_id, FIRST_TRY))
        let_it_age(emr.job_runs())
        emr.script([ScriptedAttempt(hold=True)])
    left = lose(emr, application_id, CLEARED)
    let_it_age(emr.job_runs())
    ending = end_when_found(emr, left)
    run = go_on(application_id, {"try_number": 3, "max_tries": 3})
    ending.join()
    assert (run.error, ids(emr)) == (None, [*before, left])


@pytest.mark.parametrize("try_number", [1, 2])
def test_a_lost_answer_is_told_from_what_the_next_try_starts(
    emr: LocalEmr, application_id: str, try_number: int
) -> None:
    first = lose(emr, application_id, FIRST_TRY)
    let_it_age(emr.job_runs())
    emr.script([ScriptedAttempt(hold=True)])
    task = operator(application_id, deferrable=True)
    context = context_of(TaskInstance(**CLEARED))
    with pytest.raises(TaskDeferred):
        task.execute(context)
    second = ids(emr)[1]
    # Another process, without the notes of this one.
    start = {**task.start_arguments(context, task.request(context)), "try_number": try_number}
    hook = EmrServerlessHook()
    hook.run(end_uncertain_start(hook.run_context, **known(end_uncertain_start, start)))
    states = {one["jobRunId"]: one["state"] for one in emr.job_runs()}
    assert states[first] == "CANCELLED"
    assert (not states[second].startswith("CANCEL")) is (try_number == 1)
    assert set(states) == {first, second}


@pytest.mark.parametrize(
    ("changed", "task_instance"),
    [
        ({"reattach": False}, SECOND_TRY),
        ({"job_driver": spark_submit("s3://b/new.py")}, SECOND_TRY),
        ({"name": "another"}, SECOND_TRY),
        ({}, CLEARED),
        ({}, {**FIRST_TRY, "max_tries": 3}),
    ],
    ids=["no reattach", "another driver", "another name", "cleared", "cleared before its first try"],
)
def test_what_runs_is_ended_before_another_is_started(
    emr: LocalEmr, application_id: str, changed: dict[str, Any], task_instance: dict[str, Any]
) -> None:
    left = lose(emr, application_id, FIRST_TRY)
    let_it_age(emr.job_runs())
    emr.script([ScriptedAttempt()])
    run = go_on(application_id, task_instance, **changed)
    assert run.error is None
    first, second = emr.job_runs()
    assert (first["jobRunId"], first["state"]) == (left, "CANCELLED")
    assert not overlap(first, second)


def test_a_forgotten_token_doubles_nothing(emr: LocalEmr, application_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotent_start, "_REMEMBERED_SECONDS", 0.001)
    left = lose(emr, application_id, FIRST_TRY)
    emr.configure(client_token_seconds=0.001)
    ending = end_when_found(emr, left)
    run = go_on(application_id, SECOND_TRY)
    ending.join()
    assert (run.error, ids(emr)) == (None, [left])


def test_without_tags_the_tokens_are_enough(
    emr: LocalEmr, application_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__DEFAULT_TAGS", "False")
    left = lose(emr, application_id, FIRST_TRY)
    ending = end_when_found(emr, left)
    run = go_on(application_id, SECOND_TRY)
    ending.join()
    assert (run.error, ids(emr)) == (None, [left])
    assert emr.calls("ListJobRuns") == []


def test_one_that_is_being_cancelled_is_waited_for(emr: LocalEmr, application_id: str) -> None:
    emr.script([ScriptedAttempt(hold=True, stops_after=1.0)])
    left = lose(emr, application_id, FIRST_TRY, mode="STREAMING")
    emr.script([ScriptedAttempt(running_after=0.1, hold=True)])
    emr.client("emr-serverless").cancel_job_run(applicationId=application_id, jobRunId=left)
    assert emr.job_runs()[0]["state"] == "CANCELLING"
    run = go_on(application_id, SECOND_TRY, mode="STREAMING")
    assert run.error is None
    first, second = emr.job_runs()
    assert not overlap(first, second)


def test_a_token_of_ones_own_names_one_job_run_whatever_becomes_of_it(emr: LocalEmr, application_id: str) -> None:
    left = lose(emr, application_id, FIRST_TRY, client_request_token="mine")
    emr.client("emr-serverless").cancel_job_run(applicationId=application_id, jobRunId=left)
    run = go_on(application_id, SECOND_TRY, client_request_token="mine")
    assert isinstance(run.error, JobRunCancelled)
    assert ids(emr) == [left]


@pytest.mark.parametrize(
    ("state", "try_number", "reattach", "ends"),
    [
        ("running", 1, True, False),
        ("up_for_retry", 1, True, False),
        ("running", 3, True, True),
        ("running", 1, False, True),
        ("failed", 1, True, True),
        ("success", 1, True, True),
        ("restarting", 1, True, True),
        (None, 1, True, True),
        ("gone", 1, True, True),
        ("unknown", 1, True, False),
        ("unknown", 3, True, True),
    ],
)
def test_a_signal_that_no_person_sent_leaves_the_job_run_to_the_next_try(
    emr: LocalEmr,
    application_id: str,
    monkeypatch: pytest.MonkeyPatch,
    state: str | None,
    try_number: int,
    reattach: bool,
    ends: bool,
) -> None:
    monkeypatch.setattr(ends_with_task, "state_of_task", lambda ti, seconds: state)
    task = operator(application_id, reattach=reattach)

    def signalled(*_: Any) -> None:
        task.on_kill()

    def kill() -> None:
        eventually(lambda: [one for one in emr.job_runs() if one["state"] == "RUNNING"])
        os.kill(os.getpid(), signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, signalled)
    killer = threading.Thread(target=kill)
    try:
        killer.start()
        with pytest.raises(TaskKilled):
            task.execute(context_of(TaskInstance(try_number=try_number, max_tries=2)))
    finally:
        signal.signal(signal.SIGUSR1, before)
        killer.join()
    assert bool(emr.calls("CancelJobRun")) is ends


def kill_at_its_time_limit(resumed: EmrServerlessStartJobRunOperator, ti: TaskInstance) -> None:
    """Call the operator as Airflow 2 does, which does not resume a deferred task whose time is over."""
    if AIRFLOW_3:
        from airflow.sdk.execution_time.context import set_current_context
    else:
        from airflow.models.taskinstance import set_current_context

    with set_current_context(context_of(ti)):
        try:
            raise AirflowTaskTimeout
        except AirflowTaskTimeout:
            resumed.on_kill()


@pytest.mark.parametrize("ends", [True, False])
def test_a_deferred_task_whose_time_is_over_is_killed_by_a_process_that_knows_nothing_of_it(
    emr: LocalEmr, application_id: str, ends: bool
) -> None:
    ti = TaskInstance()
    with pytest.raises(TaskDeferred):
        operator(application_id, deferrable=True, cancel_on_timeout=ends).execute(context_of(ti))
    kill_at_its_time_limit(operator(application_id, deferrable=True, cancel_on_timeout=ends), ti)
    assert bool(emr.calls("CancelJobRun")) is ends


@pytest.mark.parametrize("is_killed", [True, False], ids=["killed", "resumed"])
@pytest.mark.parametrize("ends", [True, False])
def test_a_job_run_whose_submission_no_worker_has_heard_of_is_ended_at_the_time_limit(
    emr: LocalEmr, application_id: str, ends: bool, is_killed: bool
) -> None:
    """Airflow 2 kills the task, Airflow 3 resumes it with the error."""
    ti = TaskInstance()
    how: dict[str, Any] = {"submit_from": "triggerer", "cancel_on_timeout": ends, "wait_for": "submission"}
    with pytest.raises(TaskDeferred) as deferral:
        operator(application_id, **how).execute(context_of(ti))
    # The triggerer submits it, and its event is lost.
    asyncio.run(fire(*deferral.value.trigger.serialize()))
    (left,) = ids(emr)
    late = operator(application_id, **how)
    if is_killed:
        kill_at_its_time_limit(late, ti)
    else:
        with pytest.raises(AirflowException):
            late.resume_execution(
                "__fail__", {"error": "Trigger timeout" if AIRFLOW_3 else "Trigger/execution timeout"}, context_of(ti)
            )
    assert ids(emr) == [left]
    assert bool(emr.calls("CancelJobRun")) is ends


class Finalized:
    """An object with a finalizer."""

    def __init__(self, finalizer: Callable[[], object]) -> None:
        self._finalizer = finalizer

    def __del__(self) -> None:
        self._finalizer()


def goes_on() -> None:
    # Where the interruption comes again is another finalizer.
    Finalized(lambda: threading.Event().wait(0.2))
    eventually(lambda: False)


def defers() -> None:
    raise TaskDeferred(trigger=None, method_name="execute_complete")


def returns() -> None:
    pass


@pytest.mark.parametrize("then", [goes_on, defers, returns])
@pytest.mark.parametrize("interruption", [None, AirflowTaskTimeout], ids=["kill", "timeout"])
def test_an_interruption_in_a_finalizer_is_not_lost(
    emr: LocalEmr, application_id: str, interruption: type[BaseException] | None, then: Callable[[], None]
) -> None:
    task = operator(application_id)

    def interrupt() -> None:
        if interruption:
            raise interruption
        task.on_kill()

    def work() -> None:
        task.own(context_of(TaskInstance()), {"application_id": application_id, "job_run_id": job_run_id})
        Finalized(interrupt)
        then()

    job_run_id = lose(emr, application_id, FIRST_TRY)
    alarm = signal.getsignal(signal.SIGALRM), bool(signal.getitimer(signal.ITIMER_REAL)[0])
    with pytest.raises(interruption or TaskKilled), task.ends_at_kill():
        work()
    assert bool(emr.calls("CancelJobRun")) is (interruption is None)
    # Airflow's own, or pytest's.
    assert (signal.getsignal(signal.SIGALRM), bool(signal.getitimer(signal.ITIMER_REAL)[0])) == alarm


@pytest.mark.parametrize("then", [defers, returns])
def test_a_kill_that_something_catches_is_none_the_less_one(
    emr: LocalEmr, application_id: str, then: Callable[[], None]
) -> None:
    task = operator(application_id)
    job_run_id = lose(emr, application_id, FIRST_TRY)

    def work() -> None:
        task.own(context_of(TaskInstance()), {"application_id": application_id, "job_run_id": job_run_id})
        with suppress(BaseException):
            task.on_kill()
        then()

    with pytest.raises(TaskKilled), task.ends_at_kill():
        work()
    assert emr.calls("CancelJobRun")


@pytest.mark.parametrize("try_number", [1, 2])
def test_a_kill_before_a_start_was_asked_for_starts_nothing_and_ends_what_was_left(
    emr: LocalEmr, application_id: str, try_number: int
) -> None:
    left = lose(emr, application_id, {**FIRST_TRY, "task_id": "a_task"})
    task = operator(application_id)
    task._ti = TaskInstance(try_number=try_number, max_tries=2)
    task.start_arguments(context_of(task._ti), task.request(context_of(task._ti)))
    task._noted().note({"asked": False})
    task.end_started("timeout")
    assert ids(emr) == [left]
    assert bool(emr.calls("CancelJobRun")) is (try_number == 2)
    assert len(emr.calls("StartJobRun")) == 1


@pytest.mark.parametrize("try_number", [2, 3])
def test_without_reattach_a_try_goes_on_with_its_own_that_another_process_has_started(
    emr: LocalEmr, application_id: str, try_number: int
) -> None:
    """Two triggerers may run the trigger of one try for a while, each with a journal of its own."""
    own = lose(emr, application_id, SECOND_TRY, reattach=False)
    arguments = {"reattach": False, "wait_for": "submission"}
    emr.script([ScriptedAttempt(hold=True)])
    run = go_on(application_id, {**SECOND_TRY, "try_number": try_number, "max_tries": 3}, **arguments)
    assert run.error is None
    assert (run.xcoms["job_run_id"] == own) is (try_number == 2)
    assert bool(emr.calls("CancelJobRun")) is (try_number == 3)


def test_a_signal_in_the_middle_of_a_log_line_ends_the_job_run(
    emr: LocalEmr, application_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Log:
        """As Airflow's: it holds a lock while it writes."""

        def __init__(self) -> None:
            self.lock = threading.Lock()
            self.is_interrupted = False

        def info(self, *_: Any) -> None:
            assert self.lock.acquire(timeout=5)
            try:
                if not self.is_interrupted and emr.job_runs():
                    self.is_interrupted = True
                    os.kill(os.getpid(), signal.SIGUSR1)
                    eventually(lambda: False, within=1)
            finally:
                self.lock.release()

        warning = error = debug = exception = info

        def log(self, level: int, *arguments: Any) -> None:
            self.info(*arguments)

    task = operator(application_id)
    monkeypatch.setattr(type(task), "log", Log())
    before = signal.signal(signal.SIGUSR1, lambda *_: task.on_kill())
    try:
        with pytest.raises(TaskKilled):
            task.execute(context_of(TaskInstance()))
    finally:
        signal.signal(signal.SIGUSR1, before)
    eventually(lambda: emr.job_runs()[0]["state"] == "CANCELLED")


def test_the_two_kinds_of_retries_are_warned_of(
    emr: LocalEmr, application_id: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments: dict[str, Any] = {"wait_for": "submission", "job_retry_policy": {"maxAttempts": 3}}

    def said(run_id: str, **more: Any) -> str:
        assert go_on(application_id, {**FIRST_TRY, "run_id": run_id}, **arguments, **more).error is None
        return caplog.text + capsys.readouterr().out

    assert "attempts" not in said("one", retries=0)
    assert "up to 9 attempts" in said("two")


def test_an_application_is_created_once(emr: LocalEmr) -> None:
    def create(task_instance: dict[str, Any], **arguments: Any) -> str:
        run = run_task(
            lambda: EmrServerlessCreateApplicationOperator(
                task_id="a_task", release_label="emr-7.9.0", waiter_delay=0.1, retries=2, **arguments
            ),
            **task_instance,
        )
        assert run.error is None
        return str(run.result["application_id"])

    first = create(FIRST_TRY)
    assert create(SECOND_TRY) == first
    assert create({"try_number": 3, "max_tries": 4}) == first
    other = create({"try_number": 4, "max_tries": 4}, architecture="ARM64")
    assert other != first
    run_task(lambda: EmrServerlessDeleteApplicationOperator(task_id="delete", application_id=first, waiter_delay=0.1))
    assert create({"try_number": 5, "max_tries": 6}) not in (first, other)


@IN_BOTH_MODES
def test_a_try_that_may_start_nothing_names_what_is_left(
    emr: LocalEmr, application_id: str, monkeypatch: pytest.MonkeyPatch, deferrable: bool
) -> None:
    job_run_id = lose(emr, application_id, FIRST_TRY)
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__ACCESS_PATIENCE", "1")
    emr.inject("StartJobRun", "error", times=None, status=403, code="AccessDeniedException")
    run = go_on(application_id, SECOND_TRY, deferrable=deferrable)
    assert f"Job run {job_run_id} of an earlier try is RUNNING" in str(run.error)
    assert emr.calls("CancelJobRun") == []
