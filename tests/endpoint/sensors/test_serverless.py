from __future__ import annotations

from typing import Any

import pytest

from airflow_emrs_ext._compat import AirflowSensorTimeout, AirflowSkipException
from airflow_emrs_ext.exceptions import (
    ConfigurationError,
    JobRunFailed,
    ResourceNotFound,
    TargetUnreachable,
)
from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from airflow_emrs_ext.sensors.serverless import EmrServerlessApplicationSensor, EmrServerlessJobRunSensor
from tests.polling import eventually
from tests.running import TaskRun, run_task

pytestmark = pytest.mark.airflow

IN_BOTH_MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["poke", "deferrable"])


@pytest.fixture
def application_id(emr: LocalEmr) -> str:
    client = emr.client("emr-serverless")
    return str(client.create_application(releaseLabel="emr-7.9.0", type="SPARK")["applicationId"])


def start_run(emr: LocalEmr, application_id: str, **attempt: Any) -> str:
    emr.script([ScriptedAttempt(**attempt)])
    started = emr.client("emr-serverless").start_job_run(
        applicationId=application_id,
        executionRoleArn="arn:aws:iam::123456789012:role/job",
        jobDriver=spark_submit("s3://b/j.py"),
    )
    return str(started["jobRunId"])


def sense(sensor_class: type, **arguments: Any) -> TaskRun:
    return run_task(lambda: sensor_class(**{"task_id": "a_sensor", "poke_interval": 0.1, "timeout": 20, **arguments}))


def sense_run(application_id: str, job_run_id: str, **arguments: Any) -> TaskRun:
    return sense(EmrServerlessJobRunSensor, application_id=application_id, job_run_id=job_run_id, **arguments)


@IN_BOTH_MODES
def test_a_job_run_that_succeeds(emr: LocalEmr, application_id: str, deferrable: bool) -> None:
    job_run_id = start_run(emr, application_id)
    task = sense_run(application_id, job_run_id, deferrable=deferrable)
    assert task.error is None
    assert task.result["state"] == "SUCCESS"
    assert [attempt["attempt"] for attempt in task.result["attempts"]] == [1]


@IN_BOTH_MODES
def test_any_state_can_be_the_target(emr: LocalEmr, application_id: str, deferrable: bool) -> None:
    job_run_id = start_run(emr, application_id, hold=True)
    task = sense_run(application_id, job_run_id, target_states=["RUNNING"], deferrable=deferrable)
    assert task.result["state"] == "RUNNING"
    emr.finish(job_run_id, succeeded=False, details="boom")
    task = sense_run(application_id, job_run_id, target_states={"SUCCESS", "FAILED"}, deferrable=deferrable)
    assert task.result["state"] == "FAILED"


@IN_BOTH_MODES
def test_a_target_out_of_reach_fails_at_once(emr: LocalEmr, application_id: str, deferrable: bool) -> None:
    job_run_id = start_run(emr, application_id)
    sense_run(application_id, job_run_id, deferrable=deferrable)
    task = sense_run(application_id, job_run_id, target_states=["RUNNING"], deferrable=deferrable)
    assert isinstance(task.error, TargetUnreachable)
    assert "can no longer reach RUNNING" in str(task.error)


@IN_BOTH_MODES
@pytest.mark.parametrize("soft_fail", [False, True])
def test_a_failed_job_run(emr: LocalEmr, application_id: str, deferrable: bool, soft_fail: bool) -> None:
    job_run_id = start_run(emr, application_id, succeeded=False, details="ValueError: boom")
    task = sense_run(application_id, job_run_id, deferrable=deferrable, soft_fail=soft_fail)
    assert type(task.error) is (AirflowSkipException if soft_fail else JobRunFailed)
    assert "ValueError: boom" in str(task.error)


@IN_BOTH_MODES
@pytest.mark.parametrize("soft_fail", [False, True])
def test_the_timeout_is_airflows(emr: LocalEmr, application_id: str, deferrable: bool, soft_fail: bool) -> None:
    job_run_id = start_run(emr, application_id, hold=True)
    task = sense_run(application_id, job_run_id, timeout=1.2, deferrable=deferrable, soft_fail=soft_fail)
    assert type(task.error) is (AirflowSkipException if soft_fail else AirflowSensorTimeout)
    eventually(lambda: emr.job_runs()[0]["state"] == "RUNNING")


@IN_BOTH_MODES
def test_a_service_that_stays_away_until_the_timeout(emr: LocalEmr, application_id: str, deferrable: bool) -> None:
    job_run_id = start_run(emr, application_id, hold=True)
    emr.inject("GetJobRun", "throttle", times=None)
    task = sense_run(application_id, job_run_id, timeout=1.0, deferrable=deferrable)
    assert type(task.error) is AirflowSensorTimeout


@IN_BOTH_MODES
def test_each_key_is_an_xcom(emr: LocalEmr, application_id: str, deferrable: bool) -> None:
    run = start_run(emr, application_id)
    task = sense_run(application_id, run, deferrable=deferrable, multiple_outputs=True)
    assert task.xcoms["state"] == "SUCCESS"


@IN_BOTH_MODES
def test_an_application(emr: LocalEmr, application_id: str, deferrable: bool) -> None:
    task = sense(EmrServerlessApplicationSensor, application_id=application_id, deferrable=deferrable)
    assert task.result["state"] == "CREATED"
    emr.client("emr-serverless").start_application(applicationId=application_id)
    arguments = {"application_id": {"application_id": application_id}, "deferrable": deferrable}
    task = sense(EmrServerlessApplicationSensor, target_states="STARTED", **arguments)
    assert task.result["state"] == "STARTED"
    task = sense(EmrServerlessApplicationSensor, target_states=["CREATED"], **arguments)
    assert isinstance(task.error, TargetUnreachable)


@IN_BOTH_MODES
def test_an_unknown_job_run(emr: LocalEmr, application_id: str, deferrable: bool) -> None:
    task = sense_run(application_id, "00fdoesnotexist1", deferrable=deferrable)
    assert isinstance(task.error, ResourceNotFound)
    assert "`job_run_id`" in str(task.error)


def test_an_unknown_state_is_named_with_the_known_ones(emr: LocalEmr, application_id: str) -> None:
    task = sense_run(application_id, "00f", target_states=["FINISHED"])
    assert isinstance(task.error, ConfigurationError)
    assert "`target_states`" in str(task.error)
    assert "SUCCESS" in str(task.error)
