"""Tasks that work in sessions of real Spark, run by Airflow: results, errors, and where the token is not."""

from __future__ import annotations

import re
import sysconfig
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airflow_emrs_ext._compat import AIRFLOW_3
from airflow_emrs_ext.local.processes.throwaway_airflow import ThrowawayAirflow
from airflow_emrs_ext.local.services.connect.access import TOKEN_PREFIX
from airflow_emrs_ext.local.testing import LocalEmr, local_emr
from tests.airflow_homes import make_home
from tests.polling import eventually
from tests.spark_sessions import ROLE, session, start_session

DAGS = Path(__file__).with_name("session_dags")
pytestmark = [pytest.mark.spark, pytest.mark.airflow, pytest.mark.timeout(700)]


@dataclass
class Run:
    """One run of the DAG, and what it ran on."""

    emr: LocalEmr
    airflow: ThrowawayAirflow
    session_id: str

    def log(self, task_id: str) -> str:
        return self.airflow.task_log("session_work", task_id)

    def state(self, task_id: str) -> set[str | None]:
        return {task.state for task in self.airflow.task_states("session_work") if task.task_id == task_id}

    def result(self, task_id: str) -> Any:
        assert self.state(task_id) == {"success"}, self.log(task_id)
        return self.airflow.result("session_work", task_id)

    def failure(self, task_id: str) -> str:
        assert self.state(task_id) == {"failed"}, self.log(task_id)
        return self.log(task_id)


def another_python(folder: Path) -> Path:
    """An interpreter of its own, which finds what is installed beside this one."""
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "beside.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("work")
    with local_emr(runner="spark", application_start_seconds=0.05, scheduling_seconds=0.02) as emr:
        application_id, session_id = start_session(emr)
        emr.client("s3").create_bucket(Bucket="work")
        environ = {
            **emr.environ,
            "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
            # The lines in which libraries would write a token, if they were let.
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
            "APPLICATION_ID": application_id,
            "SESSION_ID": session_id,
            "ROLE": ROLE,
            "BUCKET": "work",
            "OTHER_PYTHON": str(another_python(folder / "other")),
            "PACKAGES": sysconfig.get_path("purelib"),
        }
        airflow = ThrowawayAirflow(folder / "airflow", DAGS, environ)
        make_home(airflow)
        with airflow.running():
            airflow.wait_for_dag("session_work")
            airflow.command("dags", "trigger", "session_work")
            over = ("success", "failed")
            airflow.wait_for("run", lambda: airflow.run_state("session_work") in over or None, 600)
        yield Run(emr, airflow, session_id)


def test_a_session_of_the_tasks_own_ends_with_it(run: Run) -> None:
    assert run.result("own") == {"sum": 45, "task_id": "own"}
    for name in ("own", "own_that_fails", "own_that_is_terminated", "sql_that_fails"):
        (own,) = (one for one in run.emr.sessions() if one.get("name") == f"session_work.{name}")
        eventually(lambda own=own: session(run.emr, own["sessionId"])["state"] == "TERMINATED", within=30)


def test_a_given_session_goes_on(run: Run) -> None:
    assert run.state("given") == {"success"}
    assert session(run.emr, run.session_id)["state"] in ("IDLE", "BUSY")


@pytest.mark.parametrize("task_id", ["as_people_write_it", "as_people_write_it_elsewhere"])
def test_ordinary_code_finds_the_session(run: Run, task_id: str) -> None:
    """``SparkSession.builder.getOrCreate()`` and the like, in the function, in what it calls, and in its threads."""
    assert run.result(task_id) == {"are_the_same": [True] * 4, "partitions": "3", "sum": 6}


def test_the_works_own_error_is_the_tasks(run: Run) -> None:
    log = run.failure("own_that_fails")
    assert "ValueError" in log
    assert "the work fails at 3" in log
    assert "SessionEnded" not in log


def test_a_session_that_is_terminated_during_the_work_is_told_within_seconds(run: Run) -> None:
    log = run.failure("own_that_is_terminated")
    assert re.search(r"Session \w+ of application \w+ is TERMINAT(ING|ED): .*TerminateSession", log)
    assert "SessionEnded" in log
    noticed = re.search(r"It took ([0-9.]+) s to notice", log)
    assert noticed
    assert float(noticed[1]) < 5


@pytest.mark.parametrize("task_id", ["frame", "frame_elsewhere"])
def test_a_frame_is_an_error_that_says_what_to_return(run: Run, task_id: str) -> None:
    assert "The function returned a Spark DataFrame, which lives in the session only" in run.failure(task_id)


def test_rows_are_an_ordinary_xcom(run: Run) -> None:
    assert run.result("rows") == [{"a": 1, "b": {"x": ["y"]}}]


def test_a_function_of_the_workers_python_runs_in_spark(run: Run) -> None:
    assert run.result("udf") == [40, 41, 42]


def test_another_interpreter(run: Run) -> None:
    result = run.result("elsewhere")
    assert (result["count"], result["rows"]) == (5, [{"a": 1}])
    assert Path(result["prefix"]).name == "other"
    assert re.fullmatch(r"sc://127\.0\.0\.1:\d+/;x-emrs-tunnel=\S+", result["own_environment"]["SPARK_REMOTE"])


@pytest.mark.skipif(not AIRFLOW_3, reason="Airflow 2 needs a package for it that it does not bring")
def test_a_virtual_environment(run: Run) -> None:
    result = run.result("in_a_virtual_environment")
    assert result["count"] == 4
    assert not Path(result["prefix"]).exists()


def test_rows_of_sql(run: Run) -> None:
    result = run.result("sql")
    assert result["session_id"] == run.session_id
    assert result["columns"] == ["page", "n", "d", "day"]
    assert result["rows"] == [[0, 3, "1.50", "2026-05-01"], [1, 3, "1.50", "2026-05-01"]]
    assert result["truncated"] is True
    assert [one["row_count"] for one in result["statements"]] == [0, 2]
    assert "Statement 1 of 2: CREATE OR REPLACE TEMPORARY VIEW visits" in run.log("sql")
    assert "2 rows, there are more" in run.log("sql")


def test_rows_of_sql_are_written(run: Run) -> None:
    assert run.result("sql_to_table")["output"] == "numbers"
    assert run.result("sql_from_file")["rows"] == [[5, 4]]
    assert run.result("sql_compound")["rows"] == [[2, "soon"], [3, "late"]]
    assert [one["row_count"] for one in run.result("sql_compound")["statements"]] == [0, 2]
    assert run.result("sql_whole")["rows"] == [["a;b"]]
    assert run.result("sql_to_path")["output"] == "s3://work/written"
    listed = run.emr.client("s3").list_objects_v2(Bucket="work", Prefix="written/")["Contents"]
    assert [key for key in (entry["Key"] for entry in listed) if key.endswith(".parquet")]


@pytest.mark.parametrize("task_id", ["sql_that_fails", "own_that_fails_in_spark"])
def test_an_error_of_spark_is_said_without_the_frames_of_java(run: Run, task_id: str) -> None:
    log = run.failure(task_id)
    assert "AnalysisException: [TABLE_OR_VIEW_NOT_FOUND] The table or view `no_such_table`" in log
    assert "org.apache.spark.sql" not in log
    assert "JVM stacktrace" not in log


def test_an_error_of_spark_is_explained(run: Run) -> None:
    log = run.failure("own_that_fails_in_spark")
    assert "(session_work.py, line" in log
    assert "in own_that_fails_in_spark)" in log


def test_a_pause_that_is_too_long_is_explained(run: Run) -> None:
    log = run.failure("own_that_pauses")
    assert "INVALID_HANDLE.SESSION_CLOSED" in log
    assert "spark.connect.session.manager.defaultSessionTimeout" in log
    assert "SessionEnded" not in log


def test_the_token_is_nowhere(run: Run) -> None:
    assert session(run.emr, run.session_id)["tokensMinted"] >= 10
    found = run.result("elsewhere")
    assert (found["token_in_environments"], found["token_in_commands"]) == (False, False)
    # Logs of tasks and components, the whole database with its XComs and rendered templates, the configuration.
    files = [path for path in run.airflow.home.rglob("*") if path.is_file()]
    assert any(path.suffix == ".db" for path in files)
    assert any(path.suffix == ".log" for path in files)
    assert [path for path in files if TOKEN_PREFIX.encode() in path.read_bytes()] == []
