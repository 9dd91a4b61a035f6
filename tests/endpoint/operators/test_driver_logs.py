"""What a task shows of its drivers' logs, and what an error says of them; the same in both modes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from airflow_emrs_ext.exceptions import ConfigurationError, JobRunCancelled, JobRunFailed
from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.sensors.serverless import EmrServerlessJobRunSensor
from tests.running import TaskRun, run_task

pytestmark = pytest.mark.airflow

ROLE = "arn:aws:iam::123456789012:role/job"
TRACEBACK = """\
Traceback (most recent call last):
  File "/tmp/spark-1b2c/job.py", line 9, in main
    raise ValueError("the third column is empty")
ValueError: the third column is empty
"""
JAVA = """\
Exception in thread "main" org.apache.spark.SparkException: Job aborted due to stage failure
\tat org.apache.spark.scheduler.DAGScheduler.x(DAGScheduler.scala:1)
Caused by: java.lang.OutOfMemoryError: Java heap space
\tat com.acme.Report.lines(Report.scala:17)
"""
EXIT_1 = "Job failed, please check complete logs in configured logging destination. ExitCode: 1."
S3 = {"s3MonitoringConfiguration": {"logUri": "s3://driver-logs/here/"}}
CLOUD_WATCH = {"cloudWatchLoggingConfiguration": {"enabled": True, "logGroupName": "/driver/logs"}}
MANAGED = {"managedPersistenceMonitoringConfiguration": {"enabled": True}}
NOT_MANAGED = {"managedPersistenceMonitoringConfiguration": {"enabled": False}}

IN_BOTH_MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
Said = Callable[[], str]


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Said:
    """What was logged until now, by whichever way this Airflow logs."""
    caplog.set_level("INFO")
    return lambda: caplog.text + capsys.readouterr().out


@pytest.fixture(autouse=True)
def _bucket_and_pace(emr: LocalEmr, monkeypatch: pytest.MonkeyPatch) -> None:
    emr.client("s3").create_bucket(Bucket="driver-logs")
    emr.configure(log_refresh_seconds=0.2)
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__DRIVER_LOG_INTERVAL", "1")


def failing(**output: str) -> ScriptedAttempt:
    return ScriptedAttempt(succeeded=False, details=EXIT_1, ends_after=0.1, **output)


def application(emr: LocalEmr, *monitoring: dict[str, Any]) -> str:
    merged = {name: value for one in (NOT_MANAGED, *monitoring) for name, value in one.items()}
    client = emr.client("emr-serverless")
    created = client.create_application(releaseLabel="emr-7.9.0", type="SPARK", monitoringConfiguration=merged)
    return str(created["applicationId"])


def start(application_id: str, **arguments: Any) -> TaskRun:
    return run_task(
        lambda: EmrServerlessStartJobRunOperator(
            **{
                "task_id": "a_task",
                "application_id": application_id,
                "execution_role_arn": ROLE,
                "job_driver": spark_submit("s3://b/job.py"),
                "waiter_delay": 0.1,
                **arguments,
            }
        )
    )


def facts_of(task: TaskRun) -> dict[str, Any]:
    return dict(task.result if task.error is None else getattr(task.error, "facts", {}))


@IN_BOTH_MODES
def test_a_failure_shows_the_traceback_and_says_the_exception_and_the_line(
    emr: LocalEmr, said: Said, deferrable: bool
) -> None:
    emr.script([failing(stdout=f"counting\n{TRACEBACK}", stderr="INFO noise\n")])
    task = start(application(emr, S3), deferrable=deferrable)
    assert isinstance(task.error, JobRunFailed)
    assert "The driver said: ValueError: the third column is empty (job.py, line 9, in main)." in str(task.error)
    logged = said()
    assert all(line in logged for line in TRACEBACK.splitlines())
    assert "counting" not in logged
    assert "noise" not in logged
    assert facts_of(task)["diagnosis"] == {
        "exception": "ValueError: the third column is empty",
        "place": "job.py, line 9, in main",
        "why": "",
        "advice": "",
    }
    (shown,) = facts_of(task)["driver_logs"]
    assert shown["text"] == TRACEBACK.rstrip("\n")
    assert shown["places"] == [facts_of(task)["log_locations"]["s3_uri"] + "stdout.gz"]


@pytest.mark.parametrize("monitoring", [CLOUD_WATCH, MANAGED], ids=["cloudwatch", "managed"])
@IN_BOTH_MODES
def test_the_log_may_be_elsewhere(emr: LocalEmr, said: Said, monitoring: dict[str, Any], deferrable: bool) -> None:
    emr.script([failing(stdout=f"counting\n{TRACEBACK}")])
    task = start(application(emr, monitoring), deferrable=deferrable)
    assert "ValueError: the third column is empty (job.py, line 9, in main)" in str(task.error)
    assert 'raise ValueError("the third column is empty")' in said()


@IN_BOTH_MODES
def test_what_a_dashboard_does_not_give_is_explained_without_its_url(
    emr: LocalEmr, said: Said, deferrable: bool
) -> None:
    emr.configure(dashboard_url_seconds=0.001)
    emr.script([failing(stdout=TRACEBACK)])
    task = start(application(emr, MANAGED), deferrable=deferrable)
    note = facts_of(task)["driver_logs"][0]["note"]
    assert "cannot be read without a browser" in note
    assert "Driver stdout" in note
    assert "/_emrs/dashboards/" not in json.dumps(facts_of(task)) + said()


@IN_BOTH_MODES
def test_a_java_exception_is_diagnosed(emr: LocalEmr, said: Said, deferrable: bool) -> None:
    emr.script([failing(stderr=f"INFO noise\n{JAVA}INFO bye\n")])
    task = start(application(emr, S3), deferrable=deferrable)
    assert "java.lang.OutOfMemoryError: Java heap space (Report.scala, line 17)" in str(task.error)
    assert "exit code 137 is the kernel's kill. Raise spark.driver.memory" in str(task.error)
    assert "Caused by: java.lang.OutOfMemoryError" in said()


@IN_BOTH_MODES
def test_each_attempt_shows_its_own(emr: LocalEmr, said: Said, deferrable: bool) -> None:
    emr.script([failing(stdout=TRACEBACK.replace("third", f"{number}.")) for number in (1, 2, 3)])
    task = start(application(emr, S3), deferrable=deferrable, retry_policy={"maxAttempts": 3})
    logged = said()
    for number in (1, 2, 3):
        assert re.search(rf"Driver log of attempt {number}, s3://driver-logs/here/.*/attempts/{number}/", logged)
        assert f"ValueError: the {number}. column is empty" in logged
    assert "attempt 3: " in str(task.error)
    assert "ValueError: the 3. column is empty" in str(task.error)
    assert [shown["attempt"] for shown in facts_of(task)["driver_logs"]] == [1, 2, 3]
    assert facts_of(task)["attempts"][0]["log_locations"]["s3_uri"].endswith("/attempts/1/SPARK_DRIVER/")


def test_without_an_exception_the_last_lines_are_shown(emr: LocalEmr, said: Said) -> None:
    numbers = "".join(f"line {number}\n" for number in range(100))
    emr.script([failing(stdout=numbers, stderr="killed\n")])
    task = start(application(emr, S3))
    logged = said()
    assert "[stdout] line 99" in logged
    assert "[stderr] killed" in logged
    assert "line 79\n" not in logged
    assert str(task.error).endswith("ExitCode: 1.")


def test_a_cancelled_job_run_shows_its_last_lines(emr: LocalEmr, said: Said) -> None:
    emr.configure(seconds_per_minute=0.05)
    emr.script([ScriptedAttempt(hold=True, stdout="step 7 of 9\n")])
    task = start(application(emr, S3), execution_timeout_minutes=5)
    assert isinstance(task.error, JobRunCancelled)
    assert "Raise `execution_timeout_minutes`" in str(task.error)
    assert "step 7 of 9" in said()


@pytest.mark.parametrize(("show", "shown"), [("never", False), ("on_failure", False), ("always", True)])
def test_a_success_shows_its_last_lines_if_told_so(emr: LocalEmr, said: Said, show: str, shown: bool) -> None:
    emr.script([ScriptedAttempt(stdout="counted 14 words\n")])
    task = start(application(emr, S3), show_driver_logs=show)
    assert task.error is None
    assert ("counted 14 words" in said()) is shown
    assert bool(task.result["driver_logs"]) is shown
    assert task.result["diagnosis"] is None


def test_never_reads_nothing(emr: LocalEmr, said: Said) -> None:
    emr.script([failing(stdout=TRACEBACK)])
    task = start(application(emr, S3), show_driver_logs="never")
    assert "ValueError" not in str(task.error) + said()
    assert facts_of(task)["driver_logs"] == []


@pytest.mark.parametrize(
    ("monitoring", "reason"),
    [
        ({"s3MonitoringConfiguration": {"logUri": "s3://no-such-bucket/"}}, "Create the bucket of the log URI"),
        ({}, "the job run keeps none; give it"),
    ],
    ids=["no bucket", "no logs"],
)
@IN_BOTH_MODES
def test_logs_that_cannot_be_had_are_explained_and_hide_nothing(
    emr: LocalEmr, said: Said, monitoring: dict[str, Any], reason: str, deferrable: bool
) -> None:
    emr.script([ScriptedAttempt(succeeded=False, details="ModuleNotFoundError: No module named 'pandas'")])
    task = start(application(emr, monitoring), deferrable=deferrable)
    assert isinstance(task.error, JobRunFailed)
    assert "No module named 'pandas'" in str(task.error)
    assert "--py-files" in str(task.error)
    assert reason in facts_of(task)["driver_logs"][0]["note"]
    assert reason in said()


def test_an_unknown_choice_is_refused_before_anything_starts(emr: LocalEmr) -> None:
    task = start(application(emr), show_driver_logs="sometimes")
    assert isinstance(task.error, ConfigurationError)
    assert "on_failure, always, live, never" in str(task.error)
    assert emr.job_runs() == []


@IN_BOTH_MODES
def test_an_s3_that_cannot_be_reached_hides_nothing(
    emr: LocalEmr, said: Said, monkeypatch: pytest.MonkeyPatch, deferrable: bool
) -> None:
    elsewhere = {"extra": {"service_config": {"s3": {"endpoint_url": "http://127.0.0.1:9"}}}}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({"conn_type": "aws", **elsewhere}))
    emr.script([failing(stdout=TRACEBACK)])
    task = start(application(emr, S3), deferrable=deferrable)
    assert isinstance(task.error, JobRunFailed)
    assert EXIT_1 in str(task.error)
    assert "cannot be read" in facts_of(task)["driver_logs"][0]["note"]
    assert "127.0.0.1:9" in said()


@IN_BOTH_MODES
def test_what_crosses_from_the_triggerer_is_small(emr: LocalEmr, deferrable: bool) -> None:
    frames = "".join(f'  File "/tmp/x/job.py", line {number}, in f\n    {"x" * 300}\n' for number in range(300))
    text = f"Traceback (most recent call last):\n{frames}ValueError: {'long ' * 5000}\n"
    emr.script([failing(stdout=text, stderr="y" * 100_000)])
    task = start(application(emr, S3), deferrable=deferrable, retry_policy={"maxAttempts": 10})
    assert len(facts_of(task)["driver_logs"]) == 10
    assert len(json.dumps(facts_of(task))) < 30_000
    assert len(str(task.error)) < 2_000


@IN_BOTH_MODES
def test_a_sensor_says_the_same(emr: LocalEmr, said: Said, deferrable: bool) -> None:
    emr.script([failing(stdout=TRACEBACK)])
    ids = start(application(emr, S3), wait_for="submission").result
    sensor = run_task(
        lambda: EmrServerlessJobRunSensor(
            task_id="sensor",
            application_id=ids,
            job_run_id=ids,
            poke_interval=0.1,
            timeout=30,
            deferrable=deferrable,
        )
    )
    assert isinstance(sensor.error, JobRunFailed)
    assert "ValueError: the third column is empty (job.py, line 9, in main)" in str(sensor.error)
    assert 'raise ValueError("the third column is empty")' in said()
