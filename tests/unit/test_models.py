from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_emrs_ext.models import APPLICATION, JOB_RUN, log_locations, to_json

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
    assert log_locations({**FACTS, **facts}, application_monitoring)["s3_uri"] == s3_uri


def test_cloud_watch_logs() -> None:
    enabled = {"cloudWatchLoggingConfiguration": {"enabled": True}}
    own = {"cloudWatchLoggingConfiguration": {"enabled": True, "logGroupName": "g", "logStreamNamePrefix": "p"}}
    off = {"cloudWatchLoggingConfiguration": {"enabled": False}}
    locations = log_locations(FACTS, enabled)
    assert locations["cloudwatch_log_group"] == "/aws/emr-serverless"
    assert locations["cloudwatch_log_stream_prefix"] == f"/{BASE}/SPARK_DRIVER"
    locations = log_locations({**FACTS, "monitoring_configuration": own}, enabled)
    assert locations["cloudwatch_log_group"] == "g"
    assert locations["cloudwatch_log_stream_prefix"] == f"p/{BASE}/SPARK_DRIVER"
    assert log_locations({**FACTS, "monitoring_configuration": off}, enabled)["cloudwatch_log_group"] is None


def test_managed_storage_is_on_unless_switched_off() -> None:
    off = {"managedPersistenceMonitoringConfiguration": {"enabled": False}}
    assert log_locations(FACTS, {})["managed_storage"] is True
    assert log_locations(FACTS, off)["managed_storage"] is False
    empty = {"managedPersistenceMonitoringConfiguration": {}}
    assert log_locations({**FACTS, "monitoring_configuration": empty}, off)["managed_storage"] is True


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
