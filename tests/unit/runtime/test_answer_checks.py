"""What a client makes of an answer, and what of it passes."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import boto3
import pytest

from airflow_emrs_ext.resources.api_errors import UnreadableAnswer
from airflow_emrs_ext.runtime.answer_checks import check

NOW = datetime(2026, 5, 1, tzinfo=timezone.utc)
RUN: dict[str, Any] = {
    "applicationId": "00fapp",
    "jobRunId": "00frun",
    "arn": "arn",
    "createdBy": "me",
    "createdAt": NOW,
    "updatedAt": NOW,
    "executionRole": "role",
    "state": "RUNNING",
    "stateDetails": "",
    "releaseLabel": "emr-7.9.0",
    "jobDriver": {"sparkSubmit": {"entryPoint": "s3://b/j.py", "entryPointArguments": ["1"]}},
    "tags": {"team": "data"},
    "totalExecutionDurationSeconds": 5,
    "billedResourceUtilization": {"vCPUHour": 1, "memoryGBHour": 0.5},
}


def answered(run: dict[str, Any], content_type: str = "application/json") -> dict[str, Any]:
    return {"jobRun": run, "ResponseMetadata": {"HTTPHeaders": {"content-type": content_type}}}


@pytest.fixture(scope="module")
def client() -> Any:
    return boto3.Session("a", "b").client("emr-serverless", "us-east-1")


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"state": "PAUSED"},
        {"aMemberOfTomorrow": [1]},
        {"stateDetails": None},
        {name: value for name, value in RUN.items() if name == "state"},
    ],
    ids=["as it is", "a new state", "a new member", "a null", "members missing"],
)
def test_what_may_be_new_or_missing_passes(client: Any, changed: dict[str, Any]) -> None:
    check(client, "get_job_run", answered({**RUN, **changed}))


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"state": 5}, "jobRun.state"),
        ({"createdAt": "yesterday"}, "jobRun.createdAt"),
        ({"tags": ["team"]}, "jobRun.tags"),
        ({"tags": {"team": 5}}, "jobRun.tags.team"),
        ({"jobDriver": {"sparkSubmit": {"entryPointArguments": "text"}}}, "entryPointArguments"),
        ({"jobDriver": {"sparkSubmit": {"entryPointArguments": [["nested"]]}}}, "entryPointArguments[0]"),
        ({"totalExecutionDurationSeconds": True}, "totalExecutionDurationSeconds"),
        ({"billedResourceUtilization": {"vCPUHour": "much"}}, "vCPUHour"),
    ],
    ids=lambda given: str(given)[:40],
)
def test_a_member_of_another_type_is_named(client: Any, changed: dict[str, Any], place: str) -> None:
    with pytest.raises(UnreadableAnswer) as unreadable:
        check(client, "get_job_run", answered({**RUN, **changed}))
    assert place in str(unreadable.value)


def test_a_page_for_people_is_no_answer(client: Any) -> None:
    with pytest.raises(UnreadableAnswer, match="text/html"):
        check(client, "stop_application", answered({}, "text/html; charset=utf-8"))


def test_answers_of_other_services_are_read_as_strictly_and_may_be_called_text() -> None:
    logs = boto3.Session("a", "b").client("logs", "us-east-1")
    page = {"events": [{"message": "one", "timestamp": 1}], "nextForwardToken": "f/1"}
    check(logs, "get_log_events", {**answered({}, "text/html"), **page})
    with pytest.raises(UnreadableAnswer, match="nextForwardToken is list and not string"):
        check(logs, "get_log_events", {**page, "nextForwardToken": ["f/1"]})
