"""The command `emrs-local airflow`: what it refuses before it starts anything; see system/test_airflow_command.py."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_emrs_ext.local import airflow_cli
from airflow_emrs_ext.local.processes import progress
from airflow_emrs_ext.local.processes.endpoint import LocalEmrError, endpoint_process
from airflow_emrs_ext.local.processes.throwaway_airflow import ThrowawayAirflow
from tests.polling import eventually


def refused(folder: Path, *arguments: str) -> str:
    """What the command says when it is refused, in a folder; it leaves no Airflow there."""
    said = refused_over(folder, *arguments)
    assert not (folder / ".emrs-local" / "airflow").exists()
    return said


def refused_over(folder: Path, *arguments: str) -> str:
    """What the command says when it is refused, in a folder where an Airflow may be."""
    command = [sys.executable, "-m", "airflow_emrs_ext.local", "airflow", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (1, 2), done
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "dags").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--dags", "nowhere"], "--dags nowhere: is no folder: make it, or name the one that has your DAG files"),
        (["--runner", "flink"], "argument --runner: invalid choice: 'flink'"),
        (["--web-ports", "1"], "unrecognized arguments: --web-ports 1"),
        (["--web-port", "70000"], "argument --web-port: must be a number from 0 to 65535, not '70000'"),
    ],
)
def test_unusable_arguments_are_named(folder: Path, arguments: list[str], said: str) -> None:
    assert said in refused(folder, *arguments)


def test_a_home_that_holds_something_else_is_left_alone(folder: Path) -> None:
    (folder / "mine").mkdir()
    (folder / "mine" / "airflow").mkdir()
    (folder / "mine" / "airflow" / "file").touch()
    assert "--home mine: holds something else" in refused(folder, "--home", "mine", "--fresh")
    assert [path.name for path in (folder / "mine").iterdir()] == ["airflow"]
    assert (folder / "mine" / "airflow" / "file").exists()


def test_what_airflow_would_take_for_dags_is_named(folder: Path) -> None:
    environment = folder / "dags" / ".venv"
    environment.mkdir()
    (environment / "pyvenv.cfg").touch()
    (folder / "dags" / ".airflowignore").write_text("unrelated\n")
    said = refused(folder)
    assert f"{environment} included" in said
    assert "put the DAG files into a folder of their own, or name .venv in dags/.airflowignore" in said
    (folder / "dags" / ".airflowignore").write_text("unrelated\n.venv\n")
    assert "included" not in refused(folder, "--port", "1", "--web-port", "1")


def test_neither_airflow_nor_git_looks_into_a_home(folder: Path) -> None:
    refused(folder, "--web-port", "1", "--port", "1")
    home = folder / ".emrs-local"
    (home / "endpoint").mkdir()
    for place in (folder, home, home / "endpoint"):
        (place / "dag.py").write_text("from airflow import DAG")
    assert [Path(path) for path in dag_files(folder)] == [folder / "dag.py"]
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    status = subprocess.run(["git", "status", "--porcelain"], cwd=folder, capture_output=True, text=True, check=True)
    assert status.stdout == "?? dag.py\n"


def dag_files(folder: Path) -> list[str]:
    """The files in which Airflow looks for DAGs."""
    try:
        from airflow.dag_processing.dagbag import list_py_file_paths
    except ImportError:
        from airflow.utils.file import list_py_file_paths
    found: list[str] = list_py_file_paths(folder)
    return [path for path in found if Path(path).is_relative_to(folder)]


def test_a_taken_port_is_named(folder: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        assert f"--web-port {port}: Address already in use: choose another, or 0" in refused(folder, "--web-port", port)
        for option in ("--port", "--tls-port", "--sessions-port"):
            said = refused(folder, "--web-port", "0", option, port)
            assert f"{option} {port}: Address already in use: choose another, or 0" in said


@pytest.mark.parametrize("option", ["--port", "--tls-port", "--sessions-port"])
def test_a_port_is_given_once(folder: Path, option: str) -> None:
    said = refused(folder, "--web-port", "14590", option, "14590")
    assert f"--web-port 14590: is {option}, too: choose another, or 0 for a free one" in said


def test_what_an_option_gives_up_is_said_in_the_terminal(folder: Path) -> None:
    said = refused(folder, "--dags", "nowhere", "--host", "0.0.0.0", "--lenient")
    assert "WARNING: --host 0.0.0.0 lets other machines reach this endpoint" in said
    assert "--lenient switches off" in said
    assert "emrs-local: --host nowhere.invalid: " in refused(folder, "--host", "nowhere.invalid")


class TestAHomeOfEarlier:
    @pytest.fixture
    def database(self, folder: Path) -> Path:
        refused(folder, "--web-port", "1", "--port", "1")
        database = folder / ".emrs-local" / "airflow" / "airflow.db"
        database.parent.mkdir()
        database.touch()
        return database

    @pytest.mark.parametrize("wrong", [["--dags", "dgas"], ["--web-port", "14590", "--port", "14590"]])
    def test_it_is_not_forgotten_before_all_is_checked(self, folder: Path, database: Path, wrong: list[str]) -> None:
        assert wrong[1] in refused_over(folder, "--fresh", *wrong)
        assert database.exists()

    def test_what_cannot_be_forgotten_is_named(self, folder: Path, database: Path) -> None:
        database.parent.rename(folder / "bigger-disk")
        database.parent.symlink_to(folder / "bigger-disk")
        said = refused_over(folder, "--fresh", "--web-port", "0", "--port", "0")
        assert f"--fresh: {database.parent}: Cannot call rmtree on a symbolic link: remove it yourself" in said
        assert database.exists()

    def test_one_of_another_airflow_is_refused(self, folder: Path, database: Path) -> None:
        (folder / ".emrs-local" / "made-by-emrs-local").write_text("2.9.9")
        said = refused_over(folder, "--web-port", "0", "--port", "0")
        assert "is of Airflow 2.9.9, and this is " in said
        assert "name another, or begin anew with --fresh" in said


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_a_shell_gets_these_settings_and_no_others(shell: str, tmp_path: Path) -> None:
    (tmp_path / "env.sh").write_text(airflow_cli._shell_settings({"AIRFLOW_HOME": "/a b'c", "AWS_REGION": "us-east-1"}))
    other = {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite:////other.db\nAWS_X=1",
        "AWS_SESSION_TOKEN": "x",
        "AWS_REGION": "eu-west-1",
        "MY_AWS_X": "mine",
    }
    done = subprocess.run(
        [shell, "-eu", "-c", ". ./env.sh; env"], cwd=tmp_path, capture_output=True, text=True, env=os.environ | other
    )
    assert done.stderr == ""
    lines = [line for line in done.stdout.splitlines() if line.startswith(("AIRFLOW", "AWS_", "MY_AWS", "emrs"))]
    assert sorted(lines) == ["AIRFLOW_HOME=/a b'c", "AWS_REGION=us-east-1", "MY_AWS_X=mine"]


def test_a_password_is_in_no_argument(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []

    class Airflow:
        def query(self, *_: str) -> list[Any]:
            return []

        def python(self, *arguments: str) -> None:
            given.extend(arguments)

    monkeypatch.setattr(airflow_cli, "IS_3", False)
    file = tmp_path / "passwords.json"
    password = airflow_cli._make_user(Airflow(), file)  # type: ignore[arg-type]
    assert password in file.read_text()
    assert given
    assert password not in " ".join(given)
    assert [(path, path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == [(file, 0o600)]


def test_what_is_slow_is_waited_for_and_what_has_ended_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(progress, "REMIND_SECONDS", 0.05)
    arguments = ["--port", "0", "--runner", "simulated"]
    log = tmp_path / "endpoint.log"
    with endpoint_process(arguments, start_seconds=None, with_aws=False, log_file=log) as endpoint:
        os.kill(endpoint._process.pid, signal.SIGSTOP)
        with progress.Progress().waiting_for("the endpoint"):
            eventually(lambda: "still waiting for the endpoint" in capsys.readouterr().out)
        endpoint.check()
        os.kill(endpoint._process.pid, signal.SIGKILL)
        endpoint._process.wait()
        asked: list[str] = []
        with pytest.raises(LocalEmrError, match="the endpoint ended with status -9"):
            airflow_cli._answer(endpoint.check, lambda: asked.append(""))
        assert asked == []


def test_another_web_server_is_not_taken_for_airflow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(airflow_cli, "_LOOK_SECONDS", 0.01)
    with endpoint_process(
        ["--port", "0", "--runner", "simulated"], start_seconds=None, with_aws=False, log_file=tmp_path / "log"
    ) as endpoint:
        airflow = ThrowawayAirflow(tmp_path, tmp_path, {}, port=int(endpoint.url.rpartition(":")[2]))
        looks = iter([True, True])

        def check() -> None:
            if not next(looks, False):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            airflow_cli._answer(check, lambda: airflow_cli._check_web_server(airflow))


def test_a_database_that_cannot_be_read_ends_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    airflow = ThrowawayAirflow(tmp_path, tmp_path, {})
    watcher = airflow_cli._Watcher(airflow, progress.Progress())
    watcher.look()
    watcher.look()
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "what happens cannot be told, as Airflow's database cannot be read: no such table: " in said
    with contextlib.closing(sqlite3.connect(tmp_path / "airflow.db")) as database:
        for table in (
            "serialized_dag (dag_id)",
            "import_error (filename, stacktrace)",
            "dag_run (id, dag_id, run_id, state)",
            "dag (dag_id, is_paused)",
            "task_instance (dag_id, run_id, task_id, map_index, try_number, state)",
        ):
            database.execute(f"CREATE TABLE {table}")
        database.execute("INSERT INTO dag_run VALUES (1, 'mine', 'old', 'success')")
        database.commit()
        watcher.look()
        database.execute("INSERT INTO serialized_dag VALUES ('mine')")
        database.execute("INSERT INTO dag VALUES ('mine', 0), ('paused', 1)")
        database.execute("INSERT INTO dag_run VALUES (2, 'mine', 'new', 'failed'), (3, 'paused', 'one', 'queued')")
        database.execute("INSERT INTO task_instance VALUES ('mine', 'new', 'job', -1, 1, 'failed')")
        database.commit()
    watcher.look()
    watcher.look()
    assert [line.split("s  ")[1] for line in capsys.readouterr().out.splitlines()] == [
        "DAG mine is there",
        "DAG run mine new: failed",
        "DAG run paused one: queued; the DAG is paused",
        "task mine.job has failed, try 1: its log says why",
    ]


def test_a_home_has_one_user_at_a_time(folder: Path) -> None:
    hold = (
        "import sys, pathlib; from airflow_emrs_ext.local.airflow_cli import _own_home\n"
        "with _own_home(pathlib.Path('.emrs-local')):\n    print('held', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        assert "another emrs-local uses it" in refused(folder, "--fresh")
        assert other.stdin is not None
        other.stdin.close()
