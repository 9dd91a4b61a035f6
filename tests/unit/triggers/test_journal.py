"""What a triggerer that is lost leaves behind, and what the next one makes of it."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from airflow_emrs_ext.plugin import listener
from airflow_emrs_ext.triggers import journal
from airflow_emrs_ext.triggers.serverless import ProcedureTrigger
from tests.polling import eventually

pytestmark = pytest.mark.airflow

TASK = {"dag_id": "a_dag", "run_id": "a_run", "task_id": "a_task", "map_index": -1}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__JOURNAL_FOLDER", str(tmp_path / "journal"))
    monkeypatch.setattr(journal, "has_ended", lambda task: task["task_id"] == "a_task")
    return tmp_path / "journal"


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


def entry(ids: dict[str, str], *, task: Any = TASK, targets: Any = ("SUCCESS",), **patience: Any) -> journal.Journal:
    trigger: Any = ProcedureTrigger(
        procedure="follow_job_run",
        arguments={"kind": "job_run", "ids": ids, "target_states": list(targets)},
        patience=patience,
        hook={"aws_conn_id": "aws_default"},
        on_kill_procedure="end_unowned",
        on_kill_arguments={"kind": "job_run", "ids": ids},
    )
    trigger.task_instance = SimpleNamespace(**task)
    made = journal.Journal.of(trigger)
    made.write()
    return made


def test_what_a_task_left_that_was_ended_meanwhile_is_ended(emr: LocalEmr, ids: dict[str, str], folder: Path) -> None:
    entry(ids)
    assert journal.look_after_what_was_left() == 1
    assert emr.job_runs()[0]["state"] in ("CANCELLING", "CANCELLED")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("how", "stays"),
    [
        ({"task": {**TASK, "task_id": "still deferred"}}, True),
        ({"targets": ["RUNNING", "SUCCESS"]}, False),
        ({"deadline": time.time() - 1}, False),
    ],
    ids=["has an owner", "is what was waited for", "was kept at its deadline"],
)
def test_what_nobody_asked_to_end_goes_on(
    emr: LocalEmr, ids: dict[str, str], folder: Path, how: dict[str, Any], stays: bool
) -> None:
    entry(ids, **how)
    journal.look_after_what_was_left()
    assert emr.calls("CancelJobRun") == []
    assert bool(list(folder.iterdir())) is stays


def test_one_broken_entry_does_not_hide_the_others(emr: LocalEmr, ids: dict[str, str], folder: Path) -> None:
    entry(ids)
    (folder / "0.json").write_text("{")
    assert journal.look_after_what_was_left() == 1
    assert [path.name for path in folder.iterdir()] == ["0.json"]


def test_an_entry_is_the_tasks_and_holds_no_secret(ids: dict[str, str], folder: Path) -> None:
    entry(ids).erase()
    made = entry(ids)
    entry(ids)
    assert list(folder.iterdir()) == [made.path]
    assert json.loads(folder.joinpath(str(made.path)).read_text())["task"] == TASK
    made.erase()
    made.erase()
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_written_costs_no_task(ids: dict[str, str], folder: Path) -> None:
    folder.write_text("a file")
    entry(ids)
    assert folder.read_text() == "a file"


def test_only_a_triggerer_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    done = threading.Event()

    class Component:
        """As Airflow's own: it learns its type after it has told that it starts."""

        def __init__(self, command: str, job_type: str) -> None:
            monkeypatch.setattr(sys, "argv", ["airflow", command])
            listener.on_starting(self)
            self.job_type = job_type

    def look() -> int:
        looked.append(sys.argv[1])
        done.set()
        return 0

    monkeypatch.setattr(listener, "_SECONDS", 0.1)
    monkeypatch.setattr(journal, "look_after_what_was_left", look)
    Component("scheduler", "SchedulerJob")
    Component("triggerer", "TriggererJob")
    assert done.wait(10)
    assert looked == ["triggerer"]
