"""The fixture that runs DAGs: what it says of a run is the same on every Airflow."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from airflow_emrs_ext._compat import AIRFLOW_3
from airflow_emrs_ext.exceptions import JobRunFailed
from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.local.dag_runs import DagRunError, UnexpectedState, _in_fork
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from tests.polling import eventually

if AIRFLOW_3:
    from airflow.sdk import DAG, Param, dag, task
else:
    from airflow import DAG
    from airflow.decorators import dag, task
    from airflow.models.param import Param

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(300)]

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
ROLE = "arn:aws:iam::123456789012:role/job"
Run = Callable[..., Any]


class Unhappy(Exception):
    """Of a task."""


def dag_of(name: str = "a_dag", **arguments: Any) -> DAG:
    return DAG(name, schedule=None, start_date=START, **arguments)


def job_run(emr: LocalEmr, **arguments: Any) -> EmrServerlessStartJobRunOperator:
    application = emr.client("emr-serverless").create_application(type="SPARK", releaseLabel="emr-7.9.0")
    return EmrServerlessStartJobRunOperator(
        task_id="job",
        application_id=application["applicationId"],
        execution_role_arn=ROLE,
        job_driver=spark_submit("s3://bucket/job.py"),
        **arguments,
    )


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_job_run_has_its_result_its_log_and_its_xcoms(emr: LocalEmr, run_dag: Run, deferrable: bool) -> None:
    emr.script([ScriptedAttempt(succeeded=False, details="boom"), ScriptedAttempt(stdout="the driver's line\n")])

    run = run_dag(job_run(emr, deferrable=deferrable, retry_policy={"maxAttempts": 2}, show_driver_logs="always"))

    assert (run.dag_id, run.state, list(run.tasks)) == ("job", "success", ["job"])
    job = run.tasks["job"]
    assert (job.state, job.tries, job.error, job.mapped) == ("success", 1, None, ())
    assert [attempt["state"] for attempt in job.result["attempts"]] == ["FAILED", "SUCCESS"]
    assert job.xcoms["job_run_id"] == job.result["job_run_id"] == emr.job_runs()[0]["jobRunId"]
    assert "the driver's line" in job.log
    assert job.log in run.log


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_failure_has_its_error_and_its_log(emr: LocalEmr, run_dag: Run, deferrable: bool) -> None:
    emr.script([ScriptedAttempt(succeeded=False, details="no such column")])

    with pytest.raises(
        UnexpectedState, match=r"(?s)The run of job is failed.*job: failed.*JobRunFailed.*no such column"
    ) as caught:
        run_dag(job_run(emr, deferrable=deferrable))

    error = caught.value.run.tasks["job"].error
    assert isinstance(error, JobRunFailed)
    assert error.facts["job_run_id"] == emr.job_runs()[0]["jobRunId"]


def test_each_task_has_its_own_log_and_what_it_returned(run_dag: Run) -> None:
    @dag(schedule=None, start_date=START, params={"n": Param(1, type="integer")})
    def chain():
        @task
        def first(params: dict | None = None) -> dict:
            print("from the first")
            return {"n": params["n"], "when": datetime(2026, 5, 1, tzinfo=timezone.utc), "price": Decimal("1.50")}

        @task(multiple_outputs=True)
        def second(given: dict, ds: str | None = None) -> dict:
            subprocess.run(["echo", "from a program of the second"], check=True)
            return {"n": given["n"] + 1, "ds": ds}

        second(first())

    run = run_dag(chain(), conf={"n": 41}, logical_date=datetime(2026, 3, 1))

    first, second = run.tasks["first"], run.tasks["second"]
    assert first.result == {"n": 41, "when": datetime(2026, 5, 1, tzinfo=timezone.utc), "price": Decimal("1.50")}
    assert second.xcoms == {"return_value": {"n": 42, "ds": "2026-03-01"}, "n": 42, "ds": "2026-03-01"}
    assert ("from the first" in first.log, "from the first" in second.log) == (True, False)
    assert ("from a program" in first.log, "from a program" in second.log) == (False, True)


def test_mapped_tasks_are_one_task_with_instances(run_dag: Run) -> None:
    with dag_of() as mapped:

        @task
        def halve(n: int) -> int:
            if n % 2:
                raise Unhappy(f"{n} is odd")
            print(f"halving {n}")
            return n // 2

        @task
        def after() -> None: ...

        halve.expand(n=[4, 5, 6]) >> after()

    run = run_dag(mapped, expect="failed")

    halves = run.tasks["halve"]
    assert (halves.state, halves.result) == ("failed", [2, None, 3])
    assert [(one.map_index, one.state) for one in halves.mapped] == [(0, "success"), (1, "failed"), (2, "success")]
    assert str(halves.error) == str(halves.mapped[1].error) == "5 is odd"
    assert ("halving 6" in halves.mapped[2].log, "halving 6" in halves.mapped[0].log) == (True, False)
    assert run.tasks["after"].state == "upstream_failed"
    assert run.tasks["after"].tries == 0


@pytest.mark.parametrize("deferrable", [False, True])
def test_retries_are_taken_soon(emr: LocalEmr, run_dag: Run, deferrable: bool) -> None:
    emr.script([ScriptedAttempt(succeeded=False)])

    job = job_run(emr, deferrable=deferrable, retries=2, retry_delay=timedelta(hours=1))
    run = run_dag(job, expect="failed")

    assert run.tasks["job"].tries == 3
    assert [one["state"] for one in emr.job_runs()] == ["FAILED"] * 3
    assert job.retry_delay == timedelta(hours=1)


def test_a_retry_can_succeed(tmp_path: Path, run_dag: Run) -> None:
    marker = tmp_path / "tried"
    with dag_of() as twice:

        @task(retries=1)
        def second_time() -> str:
            if not marker.exists():
                marker.touch()
                raise Unhappy("not yet")
            return "now"

        second_time()

    job = run_dag(twice).tasks["second_time"]

    assert (job.tries, job.result, job.error) == (2, "now", None)
    assert "not yet" in job.log


def test_what_a_task_changes_stays_in_the_run(run_dag: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_TEST", "seen")
    changed = []
    with dag_of() as changing:

        @task
        def change() -> str:
            changed.append(1)
            os.environ["OF_THE_TASK"] = "1"
            return os.environ["OF_THE_TEST"]

        change()

    assert [run_dag(changing).tasks["change"].result for _ in range(2)] == ["seen", "seen"]
    assert changed == []
    assert "OF_THE_TASK" not in os.environ


def test_variables_and_connections_of_the_environment_are_there(run_dag: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_BUCKET", "acme")
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", "postgres://someone@host/db")
    with dag_of() as reading:

        @task
        def read(var: Any = None, conn: Any = None) -> list[str]:
            return [var["value"].bucket, conn.warehouse.login]

        read()

    assert run_dag(reading).tasks["read"].result == ["acme", "someone"]


FILE = """
from datetime import datetime, timezone
{imports}
from common_to_the_dags import NAMES

for name in NAMES:
    with DAG(name, schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):
        @task
        def say(name: str) -> str:
            return name
        say(name)
"""
IMPORTS = (
    "from airflow.sdk import DAG, task" if AIRFLOW_3 else "from airflow import DAG\nfrom airflow.decorators import task"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "dags.py"
    path.write_text(FILE.format(imports=IMPORTS))
    (tmp_path / "common_to_the_dags.py").write_text('NAMES = ["east", "west"]')
    return path


def test_a_dag_of_a_file_is_named(run_dag: Run, file: Path) -> None:
    assert run_dag(file, dag_id="west").tasks["say"].result == "west"
    with pytest.raises(DagRunError, match=r"several DAGs or none \(east, west\): say which one with dag_id"):
        run_dag(str(file))
    with pytest.raises(DagRunError, match="has no DAG north; it has: east, west"):
        run_dag(file, dag_id="north")


def test_what_cannot_be_run_is_said(run_dag: Run, file: Path, emr: LocalEmr) -> None:
    with pytest.raises(DagRunError, match="is no file"):
        run_dag(file.with_name("nothing.py"))
    file.with_name("common_to_the_dags.py").write_text("raise ZeroDivisionError('of the file')")
    with pytest.raises(DagRunError, match=r"(?s)cannot be imported.*ZeroDivisionError: of the file"):
        run_dag(file)

    @dag(schedule=None, start_date=START)
    def not_called() -> None: ...

    with pytest.raises(DagRunError, match=r"neither a DAG nor an operator.*not_called.*Call a function with @dag"):
        run_dag(not_called)
    with dag_of():
        job = job_run(emr)
    with pytest.raises(DagRunError, match="Task job belongs to the DAG a_dag: run that"):
        run_dag(job)
    with pytest.raises(DagRunError, match="dag_id is for the path of a file"):
        run_dag(dag_of(), dag_id="a_dag")


def is_over(pid: str) -> bool:
    # A process that has ended, and for which nobody has waited, has no command line.
    command = Path(f"/proc/{pid}/cmdline")
    return not command.exists() or command.read_bytes() == b""


# In a session of its own, as Airflow's BashOperator starts its command; the second outlives the shell that starts it.
STARTED = "sleep 300 & echo $! >> {0}; (setsid sleep 300 & echo $! >> {0})"


def test_what_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"

    def hang() -> None:
        print("about to hang")
        subprocess.run(STARTED.format(pids), shell=True, start_new_session=True, check=True)
        time.sleep(300)

    with pytest.raises(DagRunError, match=r"(?s)it had not ended after 10 s.*about to hang"):
        _in_fork(hang, tmp_path, 10, "it")

    started = pids.read_text().split()
    assert len(started) == 2
    eventually(lambda: all(map(is_over, started)))


def test_what_ends_leaves_nothing_that_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"

    def start() -> str:
        subprocess.run(STARTED.format(pids), shell=True, start_new_session=True, check=True)
        return "done"

    assert _in_fork(start, tmp_path, 60, "it")[1] == "done"
    eventually(lambda: all(map(is_over, pids.read_text().split())))


def test_what_cannot_say_how_it_went_is_no_second_test_run(tmp_path: Path) -> None:
    def work() -> None:
        print("a disk that is full")
        sys.stdout.flush()
        # No file gets longer now.
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    before = os.getpid()
    with pytest.raises(DagRunError, match=r"(?s)it ended its process.*a disk that is full"):
        _in_fork(work, tmp_path, 60, "it")
    assert os.getpid() == before


def test_a_task_that_ends_its_process_is_reported(run_dag: Run) -> None:
    with dag_of() as ending:

        @task
        def end() -> None:
            print("the last words", flush=True)
            os._exit(17)

        end()

    with pytest.raises(DagRunError, match=r"(?s)ended its process, with status 17.*the last words"):
        run_dag(ending)


def test_only_a_state_that_is_expected_passes(run_dag: Run) -> None:
    with dag_of() as empty:

        @task
        def nothing() -> None: ...

        nothing()

    with pytest.raises(UnexpectedState, match="is success, not failed"):
        run_dag(empty, expect="failed")
    assert run_dag(empty, expect=None).state == "success"


def test_an_operator_alone_gives_what_it_made(emr: LocalEmr, run_dag: Run) -> None:
    operator = EmrServerlessCreateApplicationOperator(task_id="create", release_label="emr-7.9.0")

    run = run_dag(operator)

    assert [run.tasks["create"].result["application_id"]] == [one["applicationId"] for one in emr.applications()]
    # It still belongs to no DAG.
    assert run_dag(operator).state == "success"


def test_what_has_threads_in_the_test_has_them_in_the_run(emr: LocalEmr, run_dag: Run) -> None:
    """Airflow asks for connections in a thread of asgiref's, which a fork does not take along."""
    asyncio.run(sync_to_async(threading.get_ident)())

    assert run_dag(job_run(emr, deferrable=True), timeout=60).tasks["job"].state == "success"
