"""`emrs-local airflow` as a user runs it: an Airflow with a web UI whose links lead to the endpoint."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from airflow_emrs_ext.local.testing import LocalEmr
from tests.browsing import IS_3, Browser
from tests.polling import eventually

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900), pytest.mark.documentation]

DAG = """
from datetime import datetime
from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
try:
    from airflow.sdk import DAG
except ImportError:
    from airflow import DAG

with DAG("linked", schedule=None, start_date=datetime(2026, 1, 1), is_paused_upon_creation=False):
    application = EmrServerlessCreateApplicationOperator(task_id="application", release_label="emr-7.9.0")
    EmrServerlessStartJobRunOperator(
        task_id="job",
        application_id=application.output["application_id"],
        execution_role_arn="arn:aws:iam::123456789012:role/job",
        job_driver={"sparkSubmit": {"entryPoint": "s3://bucket/job.py"}},
        deferrable=True,
    )

with DAG("later", schedule="@once", start_date=datetime(2026, 1, 1)):
    EmrServerlessCreateApplicationOperator(task_id="never", release_label="emr-7.9.0")
"""
# Settings of another Airflow and account that a shell has.
OTHERS = {
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite:////nowhere/airflow.db",
    "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
}
BROKEN = "from airflow_emrs_ext.operators import nothing_of_this_name  # a DAG\n"


class Command:
    """The command in a terminal, in a folder with DAG files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.web_port = free_port()
        options = ["--web-port", str(self.web_port), "--port", "0", "--runner", "simulated"]
        self._log = folder / "terminal"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "airflow_emrs_ext.local", "airflow", *options],
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "EMRS_TEST_MARK": str(folder)},
            )
        self.see(r"s  ready\n")

    def see(self, pattern: str) -> re.Match[str]:
        """What it prints sooner or later."""

        def look() -> re.Match[str] | None:
            assert self.process.poll() is None, self.said
            return re.search(pattern, self.said)

        return eventually(look, within=400)

    @property
    def said(self) -> str:
        return self._log.read_text()

    @property
    def endpoint(self) -> LocalEmr:
        return LocalEmr(self.see(r"endpoint +(http://\S+)")[1])

    @property
    def password(self) -> str:
        return self.see(r"user admin, password (\S+)\n")[1]

    def shell(self, command: str) -> str:
        """Run a command in another shell, which has been told of this Airflow."""
        done = subprocess.run(
            ["bash", "-c", f"source .emrs-local/env.sh; {command}"],
            cwd=self.folder,
            capture_output=True,
            text=True,
            env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", **pythonpath(), **OTHERS},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def end(self, number: signal.Signals) -> None:
        """End it as a person or a supervisor does; nothing that it started is left."""
        self.process.send_signal(number)
        assert self.process.wait(timeout=60) == 0, self.said
        assert left_running(self.folder) == []


def pythonpath() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def left_running(folder: Path) -> list[psutil.Process]:
    """Every process that descends from the command, whoever its parent is now."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("EMRS_TEST_MARK") == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    folder = tmp_path_factory.mktemp("newcomer")
    (folder / "dags").mkdir()
    (folder / "dags" / "linked.py").write_text(DAG)
    command = Command(folder)
    yield command
    command.process.terminate()
    command.process.wait(timeout=60)
    assert left_running(folder) == []


def test_a_broken_dag_file_is_shown_and_so_is_its_repair(command: Command) -> None:
    file = command.folder / "dags" / "mine.py"
    file.write_text(BROKEN)
    command.see(r"mine\.py cannot be imported:\n(.*\n)*.*nothing_of_this_name")
    file.write_text(DAG.replace("linked", "mine").replace("later", "mine_later"))
    command.see(r"mine\.py is mended")
    command.see(r"DAG mine is there")


def test_a_dag_run_is_told_of_and_its_links_lead_to_the_endpoint(command: Command) -> None:
    command.see("DAG linked is there")
    command.shell("airflow dags trigger linked")
    run_id = command.see(r"DAG run linked (\S+): success")[1]
    (job_run,) = [run for run in command.endpoint.job_runs() if run["name"] == "linked.job"]
    browser = Browser(f"http://127.0.0.1:{command.web_port}", "admin", command.password)
    page = browser.open(browser.link("EMR run", "linked", run_id, "job", -1))
    assert page.status == 200
    assert job_run["jobRunId"] in page.text
    sent = browser.open(browser.link("Spark UI", "linked", run_id, "job", -1))
    assert sent.location.startswith(f"{command.endpoint.url}/_emrs/dashboards/")
    assert Browser(command.endpoint.url).open(sent.location).status in (200, 302, 307)


def test_nobody_gets_in_without_the_password(command: Command) -> None:
    browser = Browser(f"http://127.0.0.1:{command.web_port}")
    if IS_3:
        assert browser.get("/api/v2/dags").status == 401
    else:
        assert "/login/" in browser.get("/home").location


def test_a_failed_task_is_explained(command: Command) -> None:
    command.see("DAG linked is there")
    command.endpoint.inject("StartJobRun", "error", code="ValidationException")
    command.shell("airflow dags trigger linked --run-id manual__2026-05-02T00:00:00+00:00")
    command.see(r"task linked\.job has failed, try 1: \w+: .*start_job_run was refused: ValidationException")
    command.see(r"DAG run linked \S+: failed")


def test_what_nobody_asked_for_does_not_run(command: Command) -> None:
    command.see("DAG later is there")
    assert "DAG run later" not in command.said
    assert "never" not in command.shell(
        "airflow dags list-runs later --output plain || airflow dags list-runs -d later"
    )


def test_the_next_start_goes_on(command: Command) -> None:
    """The last of this module: it ends the command and starts another."""
    password, applications = command.password, [one["applicationId"] for one in command.endpoint.applications()]
    command.end(signal.SIGINT)
    again = Command(command.folder)
    assert again.password == password
    assert [one["applicationId"] for one in again.endpoint.applications()] == applications
    again.see("DAG linked is there")
    assert "DAG run linked" not in again.said, "what was over before is no news"
    again.end(signal.SIGHUP)
