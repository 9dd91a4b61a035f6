"""The command `emrs-local airflow`: what it refuses before it starts anything; see system/test_airflow_command.py."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest


def refused(folder: Path, *arguments: str) -> str:
    """What the command says when it is refused, in a folder; it leaves no Airflow there."""
    command = [sys.executable, "-m", "airflow_emrs_ext.local", "airflow", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (1, 2), done
    assert "Traceback" not in done.stderr
    assert not (folder / ".emrs-local" / "airflow").exists()
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
    assert f"{folder / '.emrs-local'} included" in refused(folder, "--dags", ".")
    environment = folder / "dags" / ".venv"
    environment.mkdir()
    (environment / "pyvenv.cfg").touch()
    said = refused(folder)
    assert f"{environment} included" in said
    assert "put the DAG files into a folder of their own, or name .venv in dags/.airflowignore" in said


def test_a_taken_port_is_named(folder: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        assert f"--web-port {port}: Address already in use: choose another, or 0" in refused(folder, "--web-port", port)
        said = refused(folder, "--web-port", "0", "--port", port, "--runner", "simulated")
    assert f"127.0.0.1:{port} is taken: choose another --port" in said


def test_a_home_has_one_user_at_a_time(folder: Path) -> None:
    hold = (
        "import sys, pathlib; from airflow_emrs_ext.local.airflow_cli import _own_home\n"
        "with _own_home(pathlib.Path('.emrs-local'), False):\n    print('held', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        assert "another emrs-local uses it" in refused(folder, "--fresh")
        assert other.stdin is not None
        other.stdin.close()
