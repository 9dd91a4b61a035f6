"""What a report says beside what describes a job run, of answers as a service gives them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from airflow_emrs_ext.resources import JOB_RUN
from airflow_emrs_ext.workflows.report import report
from tests.unit.stepping import Stepper

CREATED = datetime(2026, 1, 1, tzinfo=timezone.utc)
BATCH = {"type": "SPARK", "mode": "BATCH", "retry_policy": {"maxAttempts": 2}}
FACTS = {"application_id": "a", "job_run_id": "j", "attempt": 2, "monitoring_configuration": {}, **BATCH}


def attempt(number: int) -> dict[str, Any]:
    times = {"createdAt": CREATED, "updatedAt": CREATED, "jobCreatedAt": CREATED}
    common = {"applicationId": "a", "id": "j", "arn": "arn", "createdBy": "somebody", "stateDetails": "", **times}
    return {**common, "executionRole": "r", "releaseLabel": "emr-7.9.0", "attempt": number, "state": "FAILED"}


def test_an_attempt_that_is_on_two_pages_is_one() -> None:
    pages = [
        {"jobRunAttempts": [attempt(2), attempt(1)], "nextToken": "more"},
        {"jobRunAttempts": [attempt(1)]},
    ]
    application = {"application": {"applicationId": "a", "architecture": "ARM64"}}
    facts = Stepper([*pages, application]).run(lambda ctx: report(ctx, JOB_RUN, dict(FACTS)))
    assert [one["attempt"] for one in facts["attempts"]] == [1, 2]
    assert facts["architecture"] == "ARM64"
