"""A driver's log that is followed in the triggerer of a real Airflow, which is restarted in the middle."""

from __future__ import annotations

import re
import threading
from functools import partial
from pathlib import Path

import pytest

from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from tests.faults.deployment import Deployment, deployed

pytestmark = [pytest.mark.airflow, pytest.mark.faults, pytest.mark.timeout(600)]

DAG = """
import datetime
try:
    from airflow.sdk import dag
except ImportError:
    from airflow.decorators import dag
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator


@dag(dag_id="live", schedule=None, start_date=datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc))
def live():
    EmrServerlessStartJobRunOperator(
        task_id="job",
        application_id={application_id!r},
        execution_role_arn="arn:aws:iam::123456789012:role/job",
        job_driver={{"sparkSubmit": {{"entryPoint": "s3://b/job.py"}}}},
        show_driver_logs="live",
        deferrable=True,
        waiter_delay=5,
    )


live()
"""


class Driver:
    """Writes a numbered line every quarter of a second."""

    def __init__(self, emr: LocalEmr, job_run_id: str) -> None:
        self._emr, self._job_run_id = emr, job_run_id
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()
        self.count = 0

    def _write(self) -> None:
        while not self._is_over.wait(0.25):
            self._emr.write(self._job_run_id, stdout=f"row {self.count}\n")
            self.count += 1

    def end(self) -> None:
        self._is_over.set()
        self._thread.join()
        self._emr.finish(self._job_run_id)


def shown(deployment: Deployment) -> list[int]:
    """The numbers of the rows in the task's log, of its worker and of its triggerers."""
    files = (deployment.airflow.home / "logs").rglob("*task_id=job/attempt=1.log*")
    return [int(number) for file in files for number in re.findall(r"\[stdout\] row (\d+)", file.read_text())]


def has_shown(deployment: Deployment, number: int) -> bool:
    return max(shown(deployment), default=0) > number


def test_no_line_is_lost_with_a_triggerer_that_is_killed(emr: LocalEmr, tmp_path: Path) -> None:
    emr.configure(log_refresh_seconds=1.0)
    emr.client("s3").create_bucket(Bucket="live-logs")
    emr.script([ScriptedAttempt(hold=True)])
    application = emr.client("emr-serverless").create_application(
        type="SPARK",
        releaseLabel="emr-7.9.0",
        monitoringConfiguration={"s3MonitoringConfiguration": {"logUri": "s3://live-logs/"}},
    )
    dag = DAG.format(application_id=application["applicationId"])
    interval = {"AIRFLOW__EMRS_EXT__DRIVER_LOG_INTERVAL": "1"}
    with deployed(emr, tmp_path, {"live.py": dag}, **interval) as deployment:
        deployment.trigger("live")
        (run,) = deployment.wait_for("a job run", lambda: [r for r in emr.job_runs() if r["state"] == "RUNNING"], 120)
        driver = Driver(emr, run["jobRunId"])
        for is_last in (False, False, True):
            deployment.wait_for("rows in the log", partial(has_shown, deployment, driver.count + 10), 120)
            if not is_last:
                deployment.kill("triggerer")
                deployment.start("triggerer")
        driver.end()
        assert deployment.wait_for_end("live") == "success"
        rows = shown(deployment)
    twice = len(rows) - len(set(rows))
    print(f"{driver.count} rows written, {len(set(rows))} shown, {twice} of them twice")
    assert sorted(set(rows)) == list(range(driver.count))
