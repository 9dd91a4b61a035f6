"""Quotas are token buckets, and the endpoint answers as the service does when one is empty."""

from __future__ import annotations

from typing import Any

import botocore.config
import botocore.exceptions
import pytest

from airflow_emrs_ext.local.server.quotas import Quotas, TokenBucket
from airflow_emrs_ext.local.testing import LocalEmr
from airflow_emrs_ext.shared.quotas import quotas_of

ONCE = botocore.config.Config(retries={"total_max_attempts": 1})


class Clock:
    """A clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_gives_its_burst_at_once_and_its_rate_from_then_on() -> None:
    clock = Clock()
    bucket = TokenBucket(rate=2, burst=5, clock=clock)
    assert [bucket.take() for _ in range(7)] == [True] * 5 + [False] * 2
    clock.now += 0.4
    assert not bucket.take()
    clock.now += 0.1
    assert [bucket.take(), bucket.take()] == [True, False]
    clock.now += 3600
    assert [bucket.take() for _ in range(6)] == [True] * 5 + [False]


def test_regions_and_operations_have_buckets_of_their_own() -> None:
    quotas = Quotas({"A": (1, 1), "B": (1, 1)}, Clock())
    assert quotas.admit("us-east-1", "A", 1)
    assert not quotas.admit("us-east-1", "A", 1)
    assert quotas.admit("us-east-1", "B", 1)
    assert quotas.admit("eu-west-1", "A", 1)
    quotas.reset()
    assert quotas.admit("us-east-1", "A", 1)


def test_the_scale_multiplies_and_zero_turns_off() -> None:
    quotas = Quotas({"A": (1, 10)}, Clock())
    assert sum(quotas.admit("r", "A", 0.5) for _ in range(100)) == 5
    assert sum(quotas.admit("r", "A", 2) for _ in range(100)) == 20
    assert sum(quotas.admit("r", "A", 0.001) for _ in range(100)) == 1
    assert all(quotas.admit("r", "A", 0) for _ in range(100))
    assert all(quotas.admit("r", "NotPublished", 1) for _ in range(100))


def test_the_quotas_are_the_published_ones() -> None:
    published = quotas_of("emr-serverless")
    assert published["GetJobRun"] == published["GetApplication"] == (10, 50)
    assert published["StartJobRun"] == published["ListJobRuns"] == (1, 25)
    assert published["GetDashboardForJobRun"] == (1, 2)


def test_a_call_past_the_quota_is_throttled(emr: LocalEmr) -> None:
    client: Any = emr.client("emr-serverless", config=ONCE)
    application_id = client.create_application(releaseLabel="emr-7.5.0", type="SPARK")["applicationId"]
    emr.configure(quota_scale=0.1)
    statuses: list[tuple[int, str]] = []
    for _ in range(4):
        try:
            client.list_job_runs(applicationId=application_id)
        except botocore.exceptions.ClientError as error:
            statuses.append((error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Message"]))
        else:
            statuses.append((200, ""))
    assert statuses == [(200, "")] * 2 + [(429, "Rate exceeded")] * 2
    assert [call["error"] for call in emr.calls("ListJobRuns")] == [None, None] + ["ThrottlingException"] * 2
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.list_job_run_attempts(applicationId=application_id, jobRunId="00nothere")
