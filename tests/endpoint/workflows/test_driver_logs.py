"""The driver's log, line by line, while it is written: from S3 and CloudWatch Logs, in worker and triggerer."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

from airflow_emrs_ext.core.effects import Notes, OwnNotes, RunContext, WaitPolicy
from airflow_emrs_ext.exceptions import EmrError, JobRunFailed
from airflow_emrs_ext.hooks.serverless import EmrServerlessHook
from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from airflow_emrs_ext.triggers.workflow import WorkflowTrigger
from airflow_emrs_ext.workflows.job_run import wait_for_job_run
from tests.driving import drive_on_loop
from tests.polling import eventually
from tests.running import TaskInstance

pytestmark = pytest.mark.airflow

UPLOAD_SECONDS = 0.3
PATIENCE = WaitPolicy(waiter_delay=0.2, driver_log_interval=3 * UPLOAD_SECONDS)
S3 = {"s3MonitoringConfiguration": {"logUri": "s3://followed/logs/"}}
CLOUD_WATCH = {"cloudWatchLoggingConfiguration": {"enabled": True, "logGroupName": "/followed"}}
NOT_MANAGED = {"managedPersistenceMonitoringConfiguration": {"enabled": False}}

EVERYWHERE = pytest.mark.parametrize("monitoring", [S3, CLOUD_WATCH, {**S3, **CLOUD_WATCH}], ids=["s3", "cw", "both"])
IN_BOTH_MODES = pytest.mark.parametrize("asynchronous", [False, True], ids=["blocking", "deferrable"])


@dataclass
class Lines:
    """A log that keeps what is written to it."""

    written: list[str] = field(default_factory=list)

    def info(self, message: str, *arguments: Any) -> None:
        self.written.append(message % arguments)

    warning = info

    def log(self, level: int, message: str, *arguments: Any) -> None:
        self.info(message, *arguments)

    def of(self, stream: str) -> list[str]:
        start = f"[{stream}] "
        return [line.removeprefix(start) for line in self.written if line.startswith(start)]


@dataclass
class Following:
    """A wait that goes on in a thread."""

    thread: threading.Thread
    lines: Lines
    result: dict[str, Any] = field(default_factory=dict)
    error: EmrError | None = None


@pytest.fixture(autouse=True)
def _bucket_and_pace(emr: LocalEmr) -> None:
    emr.client("s3").create_bucket(Bucket="followed")
    emr.configure(log_refresh_seconds=UPLOAD_SECONDS)


def start(emr: LocalEmr, monitoring: Mapping[str, Any], *attempts: ScriptedAttempt, **request: Any) -> dict[str, str]:
    emr.script(attempts or [ScriptedAttempt(hold=True)])
    client = emr.client("emr-serverless")
    application = client.create_application(
        releaseLabel="emr-7.9.0", type="SPARK", monitoringConfiguration={**NOT_MANAGED, **monitoring}
    )
    run = client.start_job_run(
        applicationId=application["applicationId"],
        executionRoleArn="arn:aws:iam::123456789012:role/job",
        jobDriver=spark_submit("s3://b/job.py"),
        **request,
    )
    eventually(lambda: emr.job_runs()[0]["state"] == "RUNNING" or None)
    return {"application_id": application["applicationId"], "job_run_id": run["jobRunId"]}


@contextmanager
def following(ids: Mapping[str, str], asynchronous: bool, notes: Notes | None = None) -> Iterator[Following]:
    lines = Lines()
    hook = EmrServerlessHook(aws_conn_id="aws_default", wait_policy=PATIENCE)
    ctx = RunContext(wait_policy=PATIENCE, log=lines, notes=notes or OwnNotes())

    def follow() -> None:
        steps = wait_for_job_run(ctx, kind="job_run", ids=ids, target_states=["SUCCESS"], show_driver_logs="live")
        try:
            one.result = asyncio.run(drive_on_loop(hook, steps)) if asynchronous else hook.run(steps)
        except EmrError as error:
            one.error = error

    one = Following(threading.Thread(target=follow), lines)
    one.thread.start()
    try:
        yield one
    finally:
        one.thread.join(timeout=30)
        assert not one.thread.is_alive()


@EVERYWHERE
@IN_BOTH_MODES
def test_each_line_is_shown_soon_and_once(emr: LocalEmr, monitoring: dict[str, Any], asynchronous: bool) -> None:
    ids = start(emr, monitoring)
    with following(ids, asynchronous) as one:
        for number in range(4):
            emr.write(ids["job_run_id"], stdout=f"row {number}\n", stderr=f"INFO {number}\n")
            written = time.monotonic()
            eventually(lambda number=number: f"row {number}" in one.lines.of("stdout") or None)  # type: ignore[misc]
            assert time.monotonic() - written < 5
        emr.write(ids["job_run_id"], stdout="the end")
        emr.finish(ids["job_run_id"])
    assert one.error is None
    assert one.lines.of("stdout") == [*(f"row {number}" for number in range(4)), "the end"]
    assert one.lines.of("stderr") == [f"INFO {number}" for number in range(4)]
    assert len([line for line in one.lines.written if line.startswith("Driver log of attempt 1, ")]) == 2


def test_a_line_is_shown_when_it_is_whole(emr: LocalEmr) -> None:
    ids = start(emr, S3)
    with following(ids, False) as one:
        emr.write(ids["job_run_id"], stdout="first\nsec")
        eventually(lambda: one.lines.of("stdout") or None)
        emr.write(ids["job_run_id"], stdout="ond\nlast")
        eventually(lambda: len(one.lines.of("stdout")) == 2 or None)
        emr.finish(ids["job_run_id"])
    assert one.lines.of("stdout") == ["first", "second", "last"]


@IN_BOTH_MODES
def test_each_attempt_is_followed(emr: LocalEmr, asynchronous: bool) -> None:
    attempts = [
        ScriptedAttempt(succeeded=False, ends_after=0.3, stdout="try 1\n"),
        ScriptedAttempt(succeeded=False, ends_after=0.3, stdout="try 2\n"),
        ScriptedAttempt(hold=True, stdout="try 3\n"),
    ]
    ids = start(emr, S3, *attempts, retryPolicy={"maxAttempts": 3})
    with following(ids, asynchronous) as one:
        eventually(lambda: "try 3" in one.lines.of("stdout") or None)
        emr.finish(ids["job_run_id"])
    assert one.lines.of("stdout") == ["try 1", "try 2", "try 3"]


@IN_BOTH_MODES
def test_a_failure_says_why_and_shows_nothing_twice(emr: LocalEmr, asynchronous: bool) -> None:
    ids = start(emr, S3)
    with following(ids, asynchronous) as one:
        emr.write(
            ids["job_run_id"],
            stdout='Traceback (most recent call last):\n  File "/tmp/x/job.py", line 3, in <module>\nValueError: no\n',
        )
        emr.finish(ids["job_run_id"], succeeded=False, details="Job failed.")
    assert isinstance(one.error, JobRunFailed)
    assert "ValueError: no (job.py, line 3)" in one.error.message
    assert len([line for line in one.lines.written if "ValueError: no" in line]) == 1


def test_both_modes_log_the_same(emr: LocalEmr) -> None:
    failing = ScriptedAttempt(succeeded=False, ends_after=0.3, stdout="row\nrow\n", stderr="Error: no such class\n")
    ids = start(emr, {**S3, **CLOUD_WATCH}, failing, retryPolicy={"maxAttempts": 2})
    eventually(lambda: emr.job_runs()[0]["state"] == "FAILED" or None)
    logs = []
    for asynchronous in (False, True):
        with following(ids, asynchronous) as one:
            pass
        assert isinstance(one.error, JobRunFailed)
        logs.append([*one.lines.written, one.error.message])
    assert logs[0] == logs[1]
    assert len([line for line in logs[0] if line == "[stdout] row"]) == 4


def test_what_cannot_be_followed_is_shown_at_the_end(emr: LocalEmr) -> None:
    ids = start(emr, {"managedPersistenceMonitoringConfiguration": {"enabled": True}})
    with following(ids, False) as one:
        emr.write(ids["job_run_id"], stdout="counted 14 words\n")
        eventually(lambda: [line for line in one.lines.written if "cannot be followed" in line] or None)
        emr.finish(ids["job_run_id"])
    assert "  [stdout] counted 14 words" in one.lines.written


def trigger(ids: Mapping[str, str], try_number: int = 1) -> tuple[WorkflowTrigger, Lines]:
    one = WorkflowTrigger(
        workflow="wait_for_job_run",
        arguments={"kind": "job_run", "ids": ids, "target_states": ["SUCCESS"], "show_driver_logs": "live"},
        wait_policy=asdict(PATIENCE),
        hook={"aws_conn_id": "aws_default"},
    )
    lines = Lines()
    one.task_instance = TaskInstance(try_number=try_number)  # type: ignore[assignment]
    one._log = lines  # type: ignore[assignment]
    return one, lines


async def fire(one: WorkflowTrigger) -> Any:
    async for event in one.run():
        return event.payload
    raise AssertionError("no event")


@EVERYWHERE
async def test_another_triggerer_goes_on_where_the_first_one_was(
    emr: LocalEmr, monitoring: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__JOURNAL_FOLDER", str(tmp_path))
    ids = start(emr, monitoring)
    shown: list[str] = []
    for number in range(3):
        one, lines = trigger(ids)
        running = asyncio.create_task(fire(one))
        emr.write(ids["job_run_id"], stdout=f"row {number}\nrow {number}b\n")
        await asyncio.to_thread(eventually, lambda lines=lines: lines.of("stdout") or None)  # type: ignore[misc]
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        shown += lines.of("stdout")
        emr.write(ids["job_run_id"], stdout=f"meanwhile {number}\n")
    one, lines = trigger(ids)
    emr.finish(ids["job_run_id"])
    await fire(one)
    shown += lines.of("stdout")
    expected = [line for n in range(3) for line in (f"row {n}", f"row {n}b", f"meanwhile {n}")]
    assert shown == expected
    assert await asyncio.to_thread(lambda: list(tmp_path.glob("*.json"))) == []


async def test_another_try_shows_all_in_its_own_log(
    emr: LocalEmr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__JOURNAL_FOLDER", str(tmp_path))
    ids = start(emr, S3)
    emr.write(ids["job_run_id"], stdout="row 1\n")
    one, lines = trigger(ids)
    running = asyncio.create_task(fire(one))
    await asyncio.to_thread(eventually, lambda: lines.of("stdout") or None)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    emr.finish(ids["job_run_id"])
    one, lines = trigger(ids, try_number=2)
    await fire(one)
    assert lines.of("stdout") == ["row 1"]
