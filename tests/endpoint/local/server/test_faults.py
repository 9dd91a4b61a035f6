"""Injected faults, as real clients meet them."""

from __future__ import annotations

import time
from typing import Any

import botocore.config
import botocore.exceptions
import pytest

from airflow_emrs_ext.local.server.faults import Fault, Faults
from airflow_emrs_ext.local.testing import LocalEmr, LocalEmrError
from tests.polling import eventually

ONCE = botocore.config.Config(retries={"total_max_attempts": 1}, read_timeout=1)
NEW = {"releaseLabel": "emr-7.5.0", "type": "SPARK"}


@pytest.fixture
def client(emr: LocalEmr) -> Any:
    """A client that tries once."""
    return emr.client("emr-serverless", config=ONCE)


@pytest.mark.parametrize(
    ("arguments", "code", "status"),
    [
        (("throttle", {}), "ThrottlingException", 429),
        (("error", {}), "InternalServerException", 500),
        (("error", {"status": 503}), "ServiceUnavailableException", 503),
        (("error", {"code": "ServiceQuotaExceededException"}), "ServiceQuotaExceededException", 402),
    ],
)
def test_faults_that_answer(arguments: Any, code: str, status: int, emr: LocalEmr, client: Any) -> None:
    fault, options = arguments
    emr.inject("CreateApplication", fault, **options)
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        client.create_application(**NEW)
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert emr.applications() == []
    assert [(call["fault"], call["status"], call["error"]) for call in emr.calls()] == [(fault, status, code)]
    client.create_application(**NEW)
    assert len(emr.applications()) == 1


def test_reset_closes_the_connection_before_the_effect(emr: LocalEmr, client: Any) -> None:
    emr.inject("CreateApplication", "reset")
    with pytest.raises(botocore.exceptions.ConnectionClosedError):
        client.create_application(**NEW)
    assert emr.applications() == []
    assert emr.calls()[0]["status"] is None


def test_drop_closes_the_connection_after_the_effect(emr: LocalEmr, client: Any) -> None:
    emr.inject("CreateApplication", "drop")
    with pytest.raises(botocore.exceptions.ConnectionClosedError):
        client.create_application(**NEW, clientToken="once")
    assert len(emr.applications()) == 1
    again = client.create_application(**NEW, clientToken="once")
    assert [application["applicationId"] for application in emr.applications()] == [again["applicationId"]]


def test_drop_may_hang_after_the_effect(emr: LocalEmr, client: Any) -> None:
    emr.inject("CreateApplication", "drop", seconds=0.4)
    began = time.monotonic()
    with pytest.raises(botocore.exceptions.ConnectionClosedError):
        client.create_application(**NEW)
    assert 0.4 <= time.monotonic() - began < 1
    assert len(emr.applications()) == 1


def test_delay_answers_later(emr: LocalEmr, client: Any) -> None:
    emr.inject("CreateApplication", "delay", seconds=0.4)
    began = time.monotonic()
    client.create_application(**NEW)
    assert 0.4 <= time.monotonic() - began < 1
    assert len(emr.applications()) == 1


def test_stall_never_answers(emr: LocalEmr, client: Any) -> None:
    emr.inject("CreateApplication", "stall", times=2)
    with pytest.raises(botocore.exceptions.ReadTimeoutError):
        client.create_application(**NEW)
    emr.clear_faults()
    emr.inject("CreateApplication", "stall", seconds=0.2)
    with pytest.raises(botocore.exceptions.ConnectionClosedError):
        client.create_application(**NEW)
    assert emr.applications() == []


def test_a_fault_hits_as_often_as_it_says(emr: LocalEmr, client: Any) -> None:
    emr.inject("GetApplication", "throttle", times=2)
    patient: Any = emr.client("emr-serverless")
    with pytest.raises(patient.exceptions.ResourceNotFoundException):
        patient.get_application(applicationId="00nothere")
    assert [call["status"] for call in emr.calls("GetApplication")] == [429, 429, 404]
    emr.inject("*", "error", times=None)
    for _ in range(3):
        with pytest.raises(botocore.exceptions.ClientError, match="InternalServerException"):
            client.list_applications()
    emr.clear_faults()
    assert client.list_applications()["applications"] == []


def test_a_fault_may_be_for_the_later_calls_of_one_application(emr: LocalEmr, client: Any) -> None:
    mine, other = (client.create_application(**NEW)["applicationId"] for _ in range(2))
    emr.inject("GetApplication", "error", application_id=mine, after=1)
    emr.inject("*", "error", application_id=other, times=None)
    assert len(emr.faults()) == 2
    client.get_application(applicationId=mine)
    with pytest.raises(botocore.exceptions.ClientError, match="InternalServerException"):
        client.get_application(applicationId=mine)
    client.get_application(applicationId=mine)
    assert emr.faults(mine) == []
    assert [call["status"] for call in emr.calls("GetApplication", application_id=mine)] == [200, 500, 200]
    with pytest.raises(botocore.exceptions.ClientError, match="InternalServerException"):
        client.get_application(applicationId=other)
    emr.clear_faults(other)
    client.get_application(applicationId=other)
    assert emr.faults() == []


def test_other_services_are_not_hit(emr: LocalEmr) -> None:
    emr.inject("*", "reset", times=None)
    assert emr.client("s3").list_buckets()["Buckets"] == []


def test_a_client_that_gives_up_leaves_nothing_behind(emr: LocalEmr, client: Any) -> None:
    emr.inject("CreateApplication", "stall")
    with pytest.raises(botocore.exceptions.ReadTimeoutError):
        client.create_application(**NEW)
    eventually(lambda: emr.calls()[0]["fault"] == "stall")
    assert client.list_applications()["applications"] == []


def test_the_oldest_fault_comes_first() -> None:
    faults = Faults()
    faults.add(Fault("A", "throttle", times=2))
    faults.add(Fault("*", "reset", times=1))
    taken = [faults.take("emr-serverless", operation) for operation in ("B", "A", "A", "A")]
    assert [fault.fault if fault else None for fault in taken] == ["reset", "throttle", "throttle", None]
    assert faults.as_list() == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"operation": "StartJob", "fault": "reset"}, "operation: must be \\* or one of"),
        ({"operation": "StartJobRun", "fault": "explode"}, "fault: must be one of throttle"),
        ({"operation": "StartJobRun", "fault": "reset", "times": 0}, "times: must be an integer of at least 1"),
        ({"operation": "StartJobRun", "fault": "delay", "seconds": -1}, "seconds: must be at least 0"),
        ({"operation": "StartJobRun", "fault": "error", "status": 200}, "status: must be an HTTP status from 400"),
        ({"operation": "StartJobRun", "fault": "error", "code": "a b"}, "code: must be an error code"),
        ({"operation": "StartJobRun", "fault": "reset", "after": -1}, "after: must be an integer of at least 0"),
    ],
)
def test_unusable_faults_are_refused_and_named(arguments: dict[str, Any], expected: str, emr: LocalEmr) -> None:
    with pytest.raises(LocalEmrError, match=f"400 {expected}"):
        emr.inject(**arguments)
