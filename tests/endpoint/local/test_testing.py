"""The Python test API and the administrative API behind it."""

from __future__ import annotations

import gzip
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from airflow_emrs_ext.local.runners.scripts import Script
from airflow_emrs_ext.local.testing import LocalEmr, LocalEmrError, ScriptedAttempt, local_emr
from tests.polling import eventually

ROLE = "arn:aws:iam::123456789012:role/jobs"
DRIVER = {"sparkSubmit": {"entryPoint": "s3://bucket/job.py"}}


def submit(emr: LocalEmr, **params: Any) -> tuple[str, str]:
    """A job run of an application of its own; :return: both ids."""
    client = emr.client("emr-serverless")
    application_id = client.create_application(releaseLabel="emr-7.5.0", type="SPARK")["applicationId"]
    job_run = client.start_job_run(applicationId=application_id, executionRoleArn=ROLE, jobDriver=DRIVER, **params)
    return application_id, job_run["jobRunId"]


def in_state(emr: LocalEmr, state: str) -> dict[str, Any]:
    """The only job run, when it has come to ``state``."""
    return eventually(lambda: next((run for run in emr.job_runs() if run["state"] == state), None))


def test_scripts_apply_by_name_and_the_last_one_wins(emr: LocalEmr) -> None:
    emr.script(attempts=[ScriptedAttempt(succeeded=False, details="all fail")])
    emr.script(attempts=[ScriptedAttempt(details="this one does not")], name="good-*")
    client = emr.client("emr-serverless")
    application_id, _ = submit(emr, name="bad")
    for name in ("good-1", "good"):
        client.start_job_run(applicationId=application_id, executionRoleArn=ROLE, jobDriver=DRIVER, name=name)
    eventually(lambda: all(run["state"] in ("SUCCESS", "FAILED") for run in emr.job_runs()))
    assert [(run["name"], run["state"], run["stateDetails"]) for run in emr.job_runs()] == [
        ("bad", "FAILED", "all fail"),
        ("good-1", "SUCCESS", "this one does not"),
        ("good", "FAILED", "all fail"),
    ]
    assert emr.job_runs("00other") == []
    assert len(emr.job_runs(application_id)) == 3


def test_a_held_run_ends_when_it_is_told_to(emr: LocalEmr) -> None:
    emr.script(attempts=[ScriptedAttempt(hold=True)])
    _, job_run_id = submit(emr)
    with pytest.raises(LocalEmrError, match="400 jobRunId: "):
        emr.finish("00nothere")
    in_state(emr, "RUNNING")
    with pytest.raises(LocalEmrError, match="400 after: must be a number of seconds of at least 0, not -1"):
        emr.finish(job_run_id, after=-1)
    emr.finish(job_run_id, succeeded=False, details="enough", after=0.01)
    assert in_state(emr, "FAILED")["stateDetails"] == "enough"


def test_reset_forgets_everything_but_the_settings_it_was_made_with(emr: LocalEmr) -> None:
    before = emr.configure()
    emr.script(attempts=[ScriptedAttempt(hold=True)])
    emr.inject("GetJobRun", "throttle", times=None)
    submit(emr)
    emr.configure(seconds_per_minute=0.5, quota_scale=3)
    emr.reset()
    assert (emr.applications(), emr.job_runs(), emr.calls()) == ([], [], [])
    assert emr.configure() == before
    submit(emr)
    in_state(emr, "SUCCESS")


def test_calls_are_recorded(emr: LocalEmr) -> None:
    application_id, job_run_id = submit(emr, name="nightly", clientToken="token-1")
    client = emr.client("emr-serverless", region_name="eu-west-1")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_job_run(applicationId=application_id, jobRunId=job_run_id)
    assert [call["operation"] for call in emr.calls()] == ["CreateApplication", "StartJobRun", "GetJobRun"]
    (start,) = emr.calls("StartJobRun")
    assert start["parameters"] == {"applicationId": application_id, "clientToken": "token-1", "name": "nightly"}
    assert (start["status"], start["error"], start["region"]) == (200, None, "us-east-1")
    (get,) = emr.calls("GetJobRun")
    assert (get["region"], get["accessKeyId"]) == ("eu-west-1", "test")
    assert start["time"] < get["time"]
    with pytest.raises(LocalEmrError, match="400 operation: must be one of"):
        emr.calls("GetJob")


def test_logs_are_delivered(emr: LocalEmr) -> None:
    emr.script(attempts=[ScriptedAttempt(stdout="counted 42\n", stderr="WARN careful\n")])
    s3: Any = emr.client("s3")
    s3.create_bucket(Bucket="bucket")
    logs = {
        "s3MonitoringConfiguration": {"logUri": "s3://bucket/logs"},
        "cloudWatchLoggingConfiguration": {"enabled": True},
    }
    application_id, job_run_id = submit(emr, configurationOverrides={"monitoringConfiguration": logs})
    in_state(emr, "SUCCESS")
    key = f"logs/applications/{application_id}/jobs/{job_run_id}/SPARK_DRIVER/stdout.gz"
    assert gzip.decompress(s3.get_object(Bucket="bucket", Key=key)["Body"].read()) == b"counted 42\n"
    events = emr.client("logs").filter_log_events(logGroupName="/aws/emr-serverless")["events"]
    assert {event["message"] for event in events} == {"counted 42", "WARN careful"}


def test_a_dashboard_is_shown_once(emr: LocalEmr) -> None:
    emr.script(attempts=[ScriptedAttempt(hold=True)])
    application_id, job_run_id = submit(emr)
    in_state(emr, "RUNNING")
    client = emr.client("emr-serverless")
    url = client.get_dashboard_for_job_run(applicationId=application_id, jobRunId=job_run_id)["url"]
    assert url.startswith(f"{emr.url}/_emrs/dashboards/")
    with pytest.raises(urllib.error.HTTPError, match="405"):
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=10)
    with urllib.request.urlopen(url, timeout=10) as page:
        assert job_run_id in page.read().decode()
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(url, timeout=10)
    emr.configure(dashboard_url_seconds=0)
    url = client.get_dashboard_for_job_run(applicationId=application_id, jobRunId=job_run_id)["url"]
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(url, timeout=10)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"seconds_per_minut": 1}, "seconds_per_minut: no setting that can be changed; there are"),
        ({"seconds_per_minute": 0}, "seconds_per_minute: must be more than 0"),
        ({"scheduling_seconds": -1}, "scheduling_seconds: must be a number of at least 0, not -1"),
        ({"scheduling_seconds": "1"}, "scheduling_seconds: must be a number"),
        ({"check_responses": 1}, "check_responses: must be true or false, not 1"),
        ({"endpoint_url": "http://elsewhere"}, "endpoint_url: no setting that can be changed"),
    ],
)
def test_unusable_settings_are_refused_and_named(settings: dict[str, Any], expected: str, emr: LocalEmr) -> None:
    before = emr.configure()
    with pytest.raises(LocalEmrError, match=f"400 {expected}"):
        emr.configure(**{"log_refresh_seconds": 1, **settings})
    assert emr.configure() == before


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"name": ""}, "name: must be a pattern"),
        ({"attempts": []}, "attempts: must have at least one entry"),
        ({"attempts": [1]}, "attempts: must be a list of objects"),
        ({"attempts": [{"ends": 1}]}, r"attempts\[0\].ends: unknown; there are running_after, ends_after"),
        ({"attempts": [{"ends_after": "1"}]}, "ends_after: must be a number of seconds of at least 0, not '1'"),
        ({"attempts": [{"hold": 1}]}, "hold: must be true or false, not 1"),
        ({"attempts": [{"stdout": 1}]}, "stdout: must be a string, not 1"),
        ({"session": 1}, "session: must be an object"),
        ({"session": {"ready": 1}}, "session.ready: unknown; there are ready_after, ends_after, succeeded"),
        ({"session": {"ends_after": -1}}, "ends_after: must be a number of seconds of at least 0, not -1"),
        ({"job": "x"}, "job: unknown; there are attempts, name, session"),
    ],
)
def test_unusable_scripts_are_refused_and_named(document: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=f"^{expected}"):
        Script.from_dict(document)


def test_scripts_travel_unchanged() -> None:
    script = Script(attempts=(ScriptedAttempt(succeeded=False, details="boom"), ScriptedAttempt(hold=True)), name="a*")
    assert Script.from_dict(script.as_dict()) == script
    assert script.attempt(1).details == "boom"
    assert script.attempt(2) == script.attempt(7) == script.attempts[1]


def test_another_interpreter_and_other_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho started by "$0" >> {tmp_path}/log\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("EMRS_LOCAL_PYTHON", str(python))
    # What would send the endpoint's own clients elsewhere.
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with local_emr(quota_scale=2, seconds_per_minute=0.5) as emr:
        assert (tmp_path / "log").read_text() == f"started by {python}\n"
        assert emr.configure()["quota_scale"] == 2
        assert emr.configure()["seconds_per_minute"] == 0.5
        monkeypatch.delenv("AWS_PROFILE")
        assert emr.client("s3").list_buckets()["Buckets"] == []
        url = emr.url
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{url}/_emrs/health", timeout=5)


def test_logs_go_to_another_s3_when_told_to(emr: LocalEmr) -> None:
    emr.client("s3").create_bucket(Bucket="elsewhere")
    with local_emr(s3_endpoint=emr.url, scheduling_seconds=0) as other:
        assert other.environ["AWS_ENDPOINT_URL_S3"] == emr.url
        logs = {"s3MonitoringConfiguration": {"logUri": "s3://elsewhere/logs"}}
        submit(other, configurationOverrides={"monitoringConfiguration": logs})
        in_state(other, "SUCCESS")
        assert len(other.client("s3").list_objects_v2(Bucket="elsewhere")["Contents"]) == 2
    assert len(emr.client("s3").list_objects_v2(Bucket="elsewhere")["Contents"]) == 2


def test_an_endpoint_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.touch()
    with pytest.raises(LocalEmrError, match=r"(?s)before it was ready.*File exists"), local_emr(state_dir=occupied):
        pass


def test_it_needs_nothing_but_the_standard_library() -> None:
    """A test suite that uses it may have none of what the endpoint itself needs."""
    program = (
        "import sys\n"
        "for name in ('airflow', 'boto3', 'botocore', 'pyspark', 'moto', 'uvicorn', 'starlette', 'a2wsgi'):\n"
        "    sys.modules[name] = None\n"
        "import airflow_emrs_ext.local.testing\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
