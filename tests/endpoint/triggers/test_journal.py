"""What a triggerer that is lost leaves behind, and what the next one makes of it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from airflow_emrs_ext.plugin import listener
from airflow_emrs_ext.triggers import journal, journal_entries, recovery, runner
from airflow_emrs_ext.triggers._compat import TRIGGERS_ARE_FORKED, TaskRow
from airflow_emrs_ext.triggers.workflow import WorkflowTrigger
from tests.polling import eventually
from tests.running import named

pytestmark = pytest.mark.airflow

TASK = {"dag_id": "a_dag", "run_id": "a_run", "task_id": "a_task", "map_index": -1}
MARKED_FAILED = TaskRow("failed", None, 1, has_resumed=False)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__JOURNAL_FOLDER", str(tmp_path / "journal"))
    monkeypatch.setattr(recovery, "_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(recovery, "_said", set())
    return tmp_path / "journal"


@pytest.fixture
def airflow_has(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let Airflow's database have these rows of the task, one after the other; the last for good."""

    def rows(*given: TaskRow | None) -> None:
        told = list(given)
        monkeypatch.setattr(recovery, "row_of_task", lambda identity: told.pop(0) if len(told) > 1 else told[0])

    rows(MARKED_FAILED)
    return rows


def told(caplog: pytest.LogCaptureFixture) -> list[Any]:
    """What the looks have said, in warnings and errors, that they cannot do or leave."""
    return [one for one in caplog.records if one.name == recovery.__name__ and one.levelname in ("WARNING", "ERROR")]


@pytest.fixture
def ids(emr: LocalEmr) -> dict[str, str]:
    emr.script([ScriptedAttempt(hold=True)])
    client = emr.client("emr-serverless")
    application_id = client.create_application(type="SPARK", releaseLabel="emr-7.9.0")["applicationId"]
    job_run_id = client.start_job_run(
        applicationId=application_id,
        executionRoleArn="arn:aws:iam::123456789012:role/job",
        jobDriver={"sparkSubmit": {"entryPoint": "s3://b/j.py"}},
    )["jobRunId"]
    eventually(lambda: emr.job_runs()[0]["state"] == "RUNNING")
    return {"application_id": application_id, "job_run_id": job_run_id}


def entry(ids: dict[str, str], *, targets: Any = ("SUCCESS",), **more: Any) -> journal.Journal:
    """The entry of a trigger that runs in this process."""
    trigger: Any = WorkflowTrigger(
        workflow="wait_for_job_run",
        arguments={"kind": "job_run", "ids": ids, "target_states": list(targets)},
        wait_policy={},
        hook={"aws_conn_id": "aws_default"},
        on_kill_workflow="end_if_orphaned",
        on_kill_arguments={"kind": "job_run", "ids": ids},
        **more,
    )
    trigger.task_instance = named(**TASK, try_number=1)
    made = journal.Journal.of(trigger)
    made.write()
    return made


def lost(ids: dict[str, str], **more: Any) -> journal.Journal:
    """The entry of a trigger whose triggerer is no more."""
    made = entry(ids, **more)
    made.leave()
    return made


def is_cancelled(emr: LocalEmr) -> bool:
    return emr.job_runs()[0]["state"] in ("CANCELLING", "CANCELLED")


def files(folder: Path) -> list[Path]:
    """What is there beside what tells that processes live."""
    return [path for path in folder.iterdir() if path.suffix not in (".alive", "") or path.name.endswith(".draft")]


@pytest.mark.parametrize(
    "rows",
    [
        (MARKED_FAILED,),
        (replace(MARKED_FAILED, state="success"),),
        (replace(MARKED_FAILED, state="skipped"),),
        (replace(MARKED_FAILED, state="removed"),),
        (None,),
    ],
    ids=["marked failed", "marked success", "DAG run timed out", "task removed", "deleted"],
)
def test_what_a_task_left_that_was_ended_meanwhile_is_ended(
    emr: LocalEmr, ids: dict[str, str], folder: Path, airflow_has: Any, rows: Any
) -> None:
    airflow_has(*rows)
    lost(ids)
    assert recovery.look_after_what_was_left() == 1
    assert is_cancelled(emr)
    assert files(folder) == []


@pytest.mark.parametrize(
    ("rows", "more", "stays"),
    [
        ((TaskRow("deferred", 7, 1, has_resumed=False),), {}, True),
        ((TaskRow("running", None, 1, has_resumed=True),), {}, True),
        ((TaskRow("up_for_retry", None, 1, has_resumed=True),), {}, True),
        ((TaskRow(None, None, 1, has_resumed=True),), {}, True),
        ((None, TaskRow("deferred", 7, 1, has_resumed=False)), {}, True),
        ((TaskRow("success", None, 1, has_resumed=True),), {}, False),
        ((TaskRow("failed", None, 1, has_resumed=True),), {}, False),
        ((TaskRow("failed", None, 2, has_resumed=False),), {}, False),
        ((TaskRow("running", None, 2, has_resumed=True),), {}, False),
        ((TaskRow("success", None, 1, has_resumed=False),), {"ending": {"workflow": "wait_for_state"}}, False),
        ((None,), {"targets": ["RUNNING", "SUCCESS"]}, False),
    ],
    ids=[
        "deferred",
        "resumed",
        "waits for a retry",
        "cleared",
        "there when asked again",
        "succeeded elsewhere",
        "failed elsewhere",
        "another try has failed",
        "is tried again",
        "ended by its trigger",
        "deleted, and is what was waited for",
    ],
)
def test_what_nobody_asked_to_end_goes_on(
    emr: LocalEmr, ids: dict[str, str], folder: Path, airflow_has: Any, rows: Any, more: dict[str, Any], stays: bool
) -> None:
    airflow_has(*rows)
    lost(ids, **more)
    recovery.look_after_what_was_left()
    assert emr.calls("CancelJobRun") == []
    assert bool(files(folder)) is stays


@pytest.mark.parametrize("state", ["failed", "success"])
def test_what_a_trigger_knew_to_be_ended_is_ended_whatever_it_was_waited_for(
    emr: LocalEmr, ids: dict[str, str], folder: Path, airflow_has: Any, state: str
) -> None:
    airflow_has(TaskRow(state, None, 1, has_resumed=False))
    made = entry(ids, targets=["RUNNING"])
    made.mark_ended()
    made.leave()
    assert recovery.look_after_what_was_left() == 1
    assert is_cancelled(emr)


def test_what_another_airflow_has_started_is_left_to_it(
    emr: LocalEmr, ids: dict[str, str], folder: Path, airflow_has: Any, monkeypatch: Any, caplog: Any
) -> None:
    """Two that share a folder: to the one, the other's tasks are deleted ones."""
    airflow_has(None)
    (record,) = emr.job_runs()
    emr.client("emr-serverless").tag_resource(
        resourceArn=record["arn"], tags={"airflow-emrs-ext:dag_id": "a_dag", "airflow-emrs-ext:deployment": "elsewhere"}
    )
    lost(ids)
    monkeypatch.setattr(runner, "deployments_here", lambda: {"this"})
    assert recovery.look_after_what_was_left() == 0
    assert emr.calls("CancelJobRun") == []
    assert len(files(folder)) == 1
    (warning,) = told(caplog)
    assert (warning.levelname, "elsewhere" in str(warning.args)) == ("WARNING", True)
    monkeypatch.setattr(runner, "deployments_here", lambda: {"this", "elsewhere"})
    assert recovery.look_after_what_was_left() == 1
    assert is_cancelled(emr)


RUNNING = TaskRow("running", None, 1, has_resumed=True)


@pytest.mark.parametrize(
    ("rows", "ends", "stays"),
    [
        ((RUNNING,), False, True),
        ((replace(RUNNING, state="up_for_retry"),), False, True),
        ((replace(RUNNING, state="failed"),), True, False),
        ((replace(RUNNING, state="success"),), True, False),
        ((None,), True, False),
        ((replace(RUNNING, try_number=2),), False, False),
        ((replace(RUNNING, try_number=2, state="failed"),), False, False),
    ],
    ids=["running", "waits for its retry", "failed", "success", "deleted", "is tried again", "another try has failed"],
)
@pytest.mark.parametrize("is_known", [True, False], ids=["ids", "tags"])
def test_what_a_killed_worker_left_is_ended_once_airflow_says_who_killed_it(
    emr: LocalEmr,
    ids: dict[str, str],
    folder: Path,
    airflow_has: Any,
    is_known: bool,
    rows: Any,
    ends: bool,
    stays: bool,
) -> None:
    tags = {"airflow-emrs-ext:dag_id": "a_dag"}
    emr.client("emr-serverless").tag_resource(resourceArn=emr.job_runs()[0]["arn"], tags=tags)
    task = named(**TASK, try_number=1)
    worker = journal.Journal.of_worker(task, {"aws_conn_id": "aws_default"}, {})
    if is_known:
        worker.keep("end_if_orphaned", {"kind": "job_run", "ids": ids})
    else:
        request = {"application_id": ids["application_id"], "tags": tags, "name": None}
        worker.keep("end_active_of_task", {"kind": "job_run", "request": request, "before": time.time()})
    airflow_has(*rows)
    recovery.look_after_what_was_left()
    assert is_cancelled(emr) is ends
    assert bool(files(folder)) is stays


def test_what_may_be_of_a_dag_run_that_was_made_again_is_left_and_said(
    emr: LocalEmr, ids: dict[str, str], folder: Path, airflow_has: Any, caplog: pytest.LogCaptureFixture
) -> None:
    task = named(**TASK, try_number=1, id="one")
    request = {"application_id": ids["application_id"], "tags": {"airflow-emrs-ext:dag_id": "a_dag"}, "name": None}
    worker = journal.Journal.of_worker(task, {"aws_conn_id": "aws_default"}, {})
    worker.keep("end_active_of_task", {"kind": "job_run", "request": request, "before": time.time()})
    airflow_has(replace(RUNNING, state="failed", instance="another"))
    assert recovery.look_after_what_was_left() == 0
    assert emr.calls("CancelJobRun") == []
    assert files(folder) == []
    (warning,) = told(caplog)
    assert (warning.levelname, TASK in warning.args) == ("WARNING", True)


@pytest.mark.parametrize("is_older", [True, False])
def test_what_is_ended_by_its_tags_was_there_before(
    emr: LocalEmr, ids: dict[str, str], airflow_has: Any, is_older: bool
) -> None:
    """A DAG run that is made again with the same id starts something with the same tags."""
    tags = {"airflow-emrs-ext:dag_id": "a_dag"}
    emr.client("emr-serverless").tag_resource(resourceArn=emr.job_runs()[0]["arn"], tags=tags)
    worker = journal.Journal.of_worker(named(**TASK, try_number=1), {"aws_conn_id": "aws_default"}, {})
    request = {"application_id": ids["application_id"], "tags": tags, "name": None}
    before = time.time() + (60 if is_older else -60)
    worker.keep("end_active_of_task", {"kind": "job_run", "request": request, "before": before})
    airflow_has(replace(RUNNING, state="failed"))
    assert recovery.look_after_what_was_left() == 1
    assert is_cancelled(emr) is is_older


@pytest.mark.parametrize(
    "row", [replace(RUNNING, state="failed", instance="one"), None], ids=["the same task instance", "deleted"]
)
def test_no_clock_is_asked_where_nobody_else_has_had_the_ids(
    emr: LocalEmr, ids: dict[str, str], airflow_has: Any, row: TaskRow | None
) -> None:
    """The worker's clock is two hours behind, and the service has not answered it."""
    tags = {"airflow-emrs-ext:dag_id": "a_dag"}
    emr.client("emr-serverless").tag_resource(resourceArn=emr.job_runs()[0]["arn"], tags=tags)
    task = named(**TASK, try_number=1, id="one")
    worker = journal.Journal.of_worker(task, {"aws_conn_id": "aws_default"}, {})
    request = {"application_id": ids["application_id"], "tags": tags, "name": None}
    worker.keep("end_active_of_task", {"kind": "job_run", "request": request, "before": time.time() - 7200})
    airflow_has(row)
    assert recovery.look_after_what_was_left() == 1
    assert is_cancelled(emr)


@pytest.mark.parametrize(("is_over", "stays"), [(True, False), (False, True)])
def test_an_entry_stays_until_a_worker_goes_on_with_what_is_not_over(
    ids: dict[str, str], folder: Path, airflow_has: Any, is_over: bool, stays: bool
) -> None:
    entry(ids, targets=["RUNNING"]).finish(is_over=is_over)
    assert bool(files(folder)) is stays
    airflow_has(RUNNING)
    recovery.look_after_what_was_left()
    assert bool(files(folder)) is stays
    airflow_has(replace(RUNNING, state="success"))
    recovery.look_after_what_was_left()
    assert files(folder) == []


def test_a_trigger_that_lives_ends_by_itself_what_is_to_be_ended(
    emr: LocalEmr, ids: dict[str, str], folder: Path, airflow_has: Any
) -> None:
    made = entry(ids)
    assert recovery.look_after_what_was_left() == 0
    made.leave()
    assert recovery.look_after_what_was_left() == 1


def test_a_process_that_is_killed_has_nothing_in_hand(folder: Path) -> None:
    code = (
        "import sys, pathlib, time; from airflow_emrs_ext.triggers import journal_entries;"
        "print(journal_entries.hand(pathlib.Path(sys.argv[1])), flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        try:
            assert journal_entries.is_in_hand(folder, name)
            journal_entries.tidy(folder, before=0)
            assert journal_entries.is_in_hand(folder, name)
        finally:
            process.kill()
            process.wait()
    assert not journal_entries.is_in_hand(folder, name)
    journal_entries.tidy(folder, before=0)
    assert not (folder / name).exists()


def test_one_triggerer_at_a_time_looks(emr: LocalEmr, ids: dict[str, str], folder: Path, airflow_has: Any) -> None:
    lost(ids)
    with journal_entries.alone(folder) as is_alone:
        assert is_alone
        assert recovery.look_after_what_was_left() == 0
    assert recovery.look_after_what_was_left() == 1


def test_what_cannot_be_ended_is_kept_and_ended_when_it_can_be(
    emr: LocalEmr, ids: dict[str, str], folder: Path, airflow_has: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_emrs_ext.triggers.runner._SECONDS", 0.1)
    lost(ids)
    emr.inject("*", "error", times=None)
    assert recovery.look_after_what_was_left() == 0
    assert len(files(folder)) == 1
    emr.clear_faults()
    assert recovery.look_after_what_was_left() == 1
    assert is_cancelled(emr)
    assert files(folder) == []


def test_what_can_never_be_ended_keeps_nothing_else_from_being_ended(
    emr: LocalEmr, ids: dict[str, str], folder: Path, airflow_has: Any
) -> None:
    made = lost(ids)
    assert made.path is not None
    first = folder / "0.json"
    journal_entries.save(
        first, {**journal_entries.read(made.path), "on_kill_arguments": {"kind": "of another time", "ids": ids}}
    )
    os.utime(first, (0, 0))
    assert [recovery.look_after_what_was_left() for _ in range(2)] == [0, 1]
    assert is_cancelled(emr)
    assert files(folder) == [first]


def test_what_cannot_be_ended_for_days_is_given_up_with_its_ids(
    emr: LocalEmr,
    ids: dict[str, str],
    folder: Path,
    airflow_has: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("airflow_emrs_ext.triggers.runner._SECONDS", 0.1)
    lost(ids)
    emr.inject("*", "error", times=None)
    recovery.look_after_what_was_left()
    (path,) = files(folder)
    noted = json.loads(path.read_text())
    path.write_text(json.dumps({**noted, "failed_at": noted["failed_at"] - recovery.MOST_DAYS * 86_400}))
    caplog.clear()
    recovery.look_after_what_was_left()
    assert files(folder) == []
    (given_up,) = told(caplog)
    assert given_up.levelname == "ERROR"
    assert ids.items() <= given_up.args[1].items()


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"task": {}}', '{"task": null, "patience": {}}', "\x00\xff", ""],
)
def test_a_corrupt_entry_is_moved_aside_once(
    emr: LocalEmr,
    ids: dict[str, str],
    folder: Path,
    airflow_has: Any,
    caplog: pytest.LogCaptureFixture,
    content: str,
) -> None:
    lost(ids)
    (folder / "0.json").write_text(content)
    assert recovery.look_after_what_was_left() == 1
    recovery.look_after_what_was_left()
    assert [path.name for path in files(folder)] == ["0.corrupt"]
    (warning,) = told(caplog)
    assert "0.corrupt" in warning.args


@pytest.mark.parametrize("added", [{"format": 2}, {"format": "new"}, {"on_kill_workflow": "end_otherwise"}])
def test_an_entry_of_a_newer_version_is_left_alone(
    emr: LocalEmr, ids: dict[str, str], folder: Path, airflow_has: Any, added: dict[str, Any]
) -> None:
    made = lost(ids)
    assert made.path is not None
    journal_entries.save(made.path, {**journal_entries.read(made.path), **added})
    before = made.path.read_bytes()
    assert recovery.look_after_what_was_left() == 0
    assert made.path.read_bytes() == before
    assert emr.calls("CancelJobRun") == []


def test_an_entry_says_no_workflow_that_ends_anything_else(
    emr: LocalEmr, ids: dict[str, str], folder: Path, airflow_has: Any
) -> None:
    made = lost(ids)
    assert made.path is not None
    arguments = {"application_id": ids["application_id"]}
    journal_entries.save(
        made.path,
        {**journal_entries.read(made.path), "on_kill_workflow": "delete_application", "on_kill_arguments": arguments},
    )
    assert recovery.look_after_what_was_left() == 0
    assert emr.calls("DeleteApplication") == []


def test_files_are_private_and_follow_no_link(ids: dict[str, str], folder: Path, tmp_path: Path) -> None:
    made = entry(ids)
    assert made.path is not None
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    victim = tmp_path / "victim"
    victim.write_text("mine")
    # Where an older version wrote its draft, and the entry itself.
    made.path.with_suffix(".draft").symlink_to(victim)
    made.path.unlink()
    made.path.symlink_to(victim)
    made.write()
    assert victim.read_text() == "mine"
    assert not made.path.is_symlink()


def test_a_link_is_no_entry(ids: dict[str, str], folder: Path, tmp_path: Path, airflow_has: Any) -> None:
    made = lost(ids)
    assert made.path is not None
    elsewhere = made.path.rename(tmp_path / "elsewhere")
    made.path.symlink_to(elsewhere)
    os.mkfifo(folder / "pipe.json")
    assert recovery.look_after_what_was_left() == 0
    assert elsewhere.exists()


def test_old_drafts_go(folder: Path) -> None:
    folder.mkdir()
    old, new = folder / ".a.draft", folder / ".b.draft"
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))
    recovery.look_after_what_was_left()
    assert [path.name for path in files(folder)] == [new.name]


def test_an_entry_is_the_tasks_and_holds_no_secret(ids: dict[str, str], folder: Path) -> None:
    entry(ids).erase()
    made = entry(ids)
    entry(ids)
    assert files(folder) == [made.path]
    assert json.loads(folder.joinpath(str(made.path)).read_text())["task"] == TASK
    made.erase()
    made.erase()
    assert files(folder) == []


def test_a_trigger_does_not_erase_what_another_triggerer_goes_on_with(ids: dict[str, str], folder: Path) -> None:
    made = entry(ids)
    assert made.path is not None
    journal_entries.save(made.path, {**journal_entries.read(made.path), "in_hand": "another.alive"})
    made.mark_ended()
    made.erase()
    assert journal_entries.read(made.path)["in_hand"] == "another.alive"
    assert "is_ended" not in journal_entries.read(made.path)


def test_a_folder_that_cannot_be_written_costs_no_task(ids: dict[str, str], folder: Path) -> None:
    folder.write_text("a file")
    entry(ids)
    assert folder.read_text() == "a file"


class Component:
    """As Airflow's own: it learns its type after it has told that it starts."""

    def __init__(self, command: str, job_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "argv", ["airflow", command])
        listener.on_starting(self)
        self.job_type = job_type


def fork() -> None:
    """As a triggerer of Airflow 3 does."""
    if TRIGGERS_ARE_FORKED:
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)


def test_only_a_triggerer_looks_and_goes_on_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    done = threading.Event()

    def look() -> int:
        looked.append(sys.argv[1])
        if len(looked) == 3:
            # It is a daemon, and would look on.
            monkeypatch.setattr(listener, "_EVERY_SECONDS", 1e6)
            done.set()
        raise ConnectionError("the database is away")

    monkeypatch.setattr(listener, "_FIRST_SECONDS", 0.1)
    monkeypatch.setattr(listener, "_EVERY_SECONDS", 0.01)
    monkeypatch.setattr(recovery, "look_after_what_was_left", look)
    Component("scheduler", "SchedulerJob", monkeypatch)
    fork()
    Component("triggerer", "TriggererJob", monkeypatch)
    fork()
    assert done.wait(10)
    assert looked == ["triggerer"] * 3


@pytest.mark.skipif(not TRIGGERS_ARE_FORKED, reason="Airflow 2 runs triggers in a thread")
def test_no_thread_is_there_when_the_triggerer_forks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "_look", lambda component: time.sleep(0))
    before = threading.active_count()
    Component("triggerer", "TriggererJob", monkeypatch)
    assert threading.active_count() == before
    fork()
