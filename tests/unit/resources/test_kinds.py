from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_emrs_ext.resources import APPLICATION, JOB_RUN, SESSION, to_json
from airflow_emrs_ext.resources.base import details_of

FACTS: dict[str, Any] = {
    "application_id": "00fapp",
    "job_run_id": "00frun",
    "attempt": 2,
    "mode": "BATCH",
    "type": "SPARK",
    "retry_policy": None,
    "monitoring_configuration": {},
}
S3 = {"s3MonitoringConfiguration": {"logUri": "s3://logs/here/"}}
BASE = "applications/00fapp/jobs/00frun"


def test_times_are_iso_8601_in_utc() -> None:
    summer = timezone(timedelta(hours=2))
    assert to_json(datetime(2026, 5, 1, 12, tzinfo=summer)) == "2026-05-01T10:00:00+00:00"
    assert to_json(None) is None


def test_details_are_the_services_own_words_up_to_some_thousand_characters() -> None:
    assert details_of(None) == details_of("", None) == details_of() == ""
    assert details_of("USER_ERROR", None, "exit code 1") == "USER_ERROR: exit code 1"
    assert details_of("x" * 4000) == "x" * 4000
    cut = details_of("a" * 2000 + "b" * 1_000_000 + "c" * 2000)
    assert cut == f"{'a' * 2000} [... 1000000 characters left out ...] {'c' * 2000}"


def test_of_huge_details_an_error_has_the_beginning_and_the_end() -> None:
    ids = {"application_id": "00fapp", "job_run_id": "00frun"}
    moment = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)
    run = {
        "applicationId": "00fapp",
        "jobRunId": "00frun",
        "arn": "arn",
        "createdAt": moment,
        "updatedAt": moment,
        "state": "FAILED",
        "stateDetails": f"Job failed, {'at org.apache.Spark ' * 100_000}Caused by: java.io.IOException: disk full",
        "jobDriver": {},
    }
    snapshot = JOB_RUN.read(ids, {"jobRun": run})
    error = JOB_RUN.ended(ids, snapshot)
    assert error is not None
    for text in (snapshot.state_details, snapshot.facts["state_details"], error.message):
        assert "Job failed, at org" in text
        assert "characters left out" in text
        assert "disk full" in text
    assert len(json.dumps({"message": error.message, **error.facts})) < 15_000


@pytest.mark.parametrize(
    ("facts", "application_monitoring", "s3_uri"),
    [
        ({}, {}, None),
        ({}, S3, f"s3://logs/here/{BASE}/SPARK_DRIVER/"),
        ({"retry_policy": {"maxAttempts": 1}}, S3, f"s3://logs/here/{BASE}/SPARK_DRIVER/"),
        ({"retry_policy": {"maxAttempts": 3}}, S3, f"s3://logs/here/{BASE}/attempts/2/SPARK_DRIVER/"),
        ({"mode": "STREAMING"}, S3, f"s3://logs/here/{BASE}/attempts/2/SPARK_DRIVER/"),
        ({"type": "HIVE"}, S3, f"s3://logs/here/{BASE}/HIVE_DRIVER/"),
        (
            {"monitoring_configuration": {"s3MonitoringConfiguration": {"logUri": "s3://own"}}},
            S3,
            f"s3://own/{BASE}/SPARK_DRIVER/",
        ),
        ({"monitoring_configuration": {"s3MonitoringConfiguration": {}}}, S3, None),
    ],
)
def test_s3_logs(facts: dict[str, Any], application_monitoring: dict[str, Any], s3_uri: str | None) -> None:
    assert JOB_RUN.log_locations({**FACTS, **facts}, application_monitoring)["s3_uri"] == s3_uri


def test_cloud_watch_logs() -> None:
    enabled = {"cloudWatchLoggingConfiguration": {"enabled": True}}
    own = {"cloudWatchLoggingConfiguration": {"enabled": True, "logGroupName": "g", "logStreamNamePrefix": "p"}}
    off = {"cloudWatchLoggingConfiguration": {"enabled": False}}
    locations = JOB_RUN.log_locations(FACTS, enabled)
    assert locations["cloudwatch_log_group"] == "/aws/emr-serverless"
    assert locations["cloudwatch_log_stream_prefix"] == f"/{BASE}/SPARK_DRIVER"
    locations = JOB_RUN.log_locations({**FACTS, "monitoring_configuration": own}, enabled)
    assert locations["cloudwatch_log_group"] == "g"
    assert locations["cloudwatch_log_stream_prefix"] == f"p/{BASE}/SPARK_DRIVER"
    assert JOB_RUN.log_locations({**FACTS, "monitoring_configuration": off}, enabled)["cloudwatch_log_group"] is None


def test_managed_storage_is_on_unless_switched_off() -> None:
    off = {"managedPersistenceMonitoringConfiguration": {"enabled": False}}
    assert JOB_RUN.log_locations(FACTS, {})["managed_storage"] is True
    assert JOB_RUN.log_locations(FACTS, off)["managed_storage"] is False
    empty = {"managedPersistenceMonitoringConfiguration": {}}
    assert JOB_RUN.log_locations({**FACTS, "monitoring_configuration": empty}, off)["managed_storage"] is True


def test_facts_are_plain_json() -> None:
    moment = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)
    run = {
        "applicationId": "00fapp",
        "jobRunId": "00frun",
        "arn": "arn",
        "createdAt": moment,
        "updatedAt": moment,
        "startedAt": moment,
        "state": "SUCCESS",
        "stateDetails": "done",
        "jobDriver": {"hive": {"query": "s3://b/q.sql"}},
        "billedResourceUtilization": {"vCPUHour": 0.1, "memoryGBHour": 0.4, "storageGBHour": 0.0},
        "totalExecutionDurationSeconds": 61,
    }
    facts = JOB_RUN.read({"application_id": "00fapp", "job_run_id": "00frun"}, {"jobRun": run}).facts
    assert json.loads(json.dumps(facts)) == facts
    assert facts["billed_resource_utilization"] == {"vcpu_hour": 0.1, "memory_gb_hour": 0.4, "storage_gb_hour": 0.0}
    assert (facts["type"], facts["mode"], facts["attempt"]) == ("HIVE", "BATCH", 1)
    assert facts["started_at"] == "2026-05-01T12:00:00+00:00"

    application = {
        "applicationId": "00fapp",
        "arn": "arn",
        "createdAt": moment,
        "updatedAt": moment,
        "state": "CREATED",
        "type": "Spark",
        "releaseLabel": "emr-7.9.0",
    }
    facts = APPLICATION.read({"application_id": "00fapp"}, {"application": application}).facts
    assert json.loads(json.dumps(facts)) == facts


def test_facts_of_a_session_are_plain_json() -> None:
    moment = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)
    ids = {"application_id": "00fapp", "session_id": "00fses"}
    session: dict[str, Any] = {
        "applicationId": "00fapp",
        "sessionId": "00fses",
        "arn": "arn",
        "state": "IDLE",
        "stateDetails": "",
        "releaseLabel": "emr-7.13.0",
        "executionRoleArn": "role",
        "createdBy": "me",
        "createdAt": moment,
        "updatedAt": moment,
        "idleSince": moment,
        "idleTimeoutMinutes": 15,
        "totalResourceUtilization": {"vCPUHour": 0.1},
    }
    facts = SESSION.read(ids, {"session": session}).facts
    assert json.loads(json.dumps(facts)) == facts
    assert facts["idle_since"] == "2026-05-01T12:00:00+00:00"
    assert facts["total_resource_utilization"]["vcpu_hour"] == 0.1
    assert SESSION.ids_of(session) == ids
    assert JOB_RUN.ids_of({"applicationId": "00fapp", "id": "00frun"})["job_run_id"] == "00frun"


@pytest.mark.parametrize(
    ("state", "details", "said"),
    [
        ("TERMINATED", "Session was idle for 15 minutes", "`idle_timeout_minutes`"),
        ("TERMINATED", "Session reached its maximum duration of 24 hours", "24 hours at most"),
        ("TERMINATED", "Session terminated by request", "Somebody ended it"),
        ("FAILED", "Driver lost", "logs"),
    ],
)
def test_a_session_that_has_ended_says_which_end_and_what_to_do(state: str, details: str, said: str) -> None:
    moment = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)
    ids = {"application_id": "00fapp", "session_id": "00fses"}
    response = {
        "session": {
            **dict.fromkeys(("arn", "releaseLabel", "executionRoleArn", "createdBy"), "x"),
            "applicationId": "00fapp",
            "sessionId": "00fses",
            "createdAt": moment,
            "updatedAt": moment,
            "state": state,
            "stateDetails": details,
        }
    }
    error = SESSION.ended(ids, SESSION.read(ids, response))
    assert error is not None
    assert details in error.message
    assert said in error.message
