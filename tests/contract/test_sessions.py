"""Unchanged clients drive the sessions of the endpoint: boto3, aiobotocore, the AWS command line, gRPC."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.exceptions
import pytest

from airflow_emrs_ext.local.testing import LocalEmr, ScriptedSession
from airflow_emrs_ext.shared.service_model import extend
from tests.contract.test_real_clients import ROLE, aws
from tests.polling import eventually

ENABLED = {"interactiveConfiguration": {"sessionEnabled": True}}


@pytest.fixture
def client(emr: LocalEmr) -> Any:
    return extend(boto3.session.Session(), "emr-serverless").client("emr-serverless")


@pytest.fixture
def application_id(client: Any) -> str:
    created = client.create_application(name="mine", releaseLabel="emr-7.13.0", type="SPARK", **ENABLED)
    return str(created["applicationId"])


def state_of(emr: LocalEmr, session_id: str) -> str:
    return next(str(s["state"]) for s in emr.sessions() if s["sessionId"] == session_id)


def start(client: Any, emr: LocalEmr, application_id: str, **params: Any) -> dict[str, str]:
    """Start a session and wait until it is ready; :return: its ids."""
    started = client.start_session(applicationId=application_id, executionRoleArn=ROLE, **params)
    eventually(lambda: state_of(emr, started["sessionId"]) in ("STARTED", "IDLE"))
    return {"applicationId": application_id, "sessionId": started["sessionId"]}


def test_boto3(client: Any, application_id: str, emr: LocalEmr) -> None:
    ids = start(client, emr, application_id, name="mine", idleTimeoutMinutes=5, tags={"team": "data"})
    session = client.get_session(**ids)["session"]
    assert (session["name"], session["idleTimeoutMinutes"]) == ("mine", 5)
    assert client.list_tags_for_resource(resourceArn=session["arn"])["tags"] == {"team": "data"}
    emr.hold_session_busy(ids["sessionId"])
    assert client.get_session(**ids)["session"]["state"] == "BUSY"
    endpoints = [client.get_session_endpoint(**ids) for _ in range(2)]
    assert endpoints[0]["endpoint"] == endpoints[1]["endpoint"]
    assert endpoints[0]["authToken"] != endpoints[1]["authToken"]
    url = client.get_resource_dashboard(
        applicationId=application_id, resourceId=ids["sessionId"], resourceType="SESSION"
    )["url"]
    assert url.startswith(f"{emr.url}/_emrs/dashboards/")
    emr.hold_session_busy(ids["sessionId"], False)
    client.terminate_session(**ids)
    eventually(lambda: state_of(emr, ids["sessionId"]) == "TERMINATED")
    with pytest.raises(client.exceptions.ValidationException, match="TERMINATED"):
        client.get_session_endpoint(**ids)


def test_boto3_pages_through_a_listing(client: Any, application_id: str) -> None:
    started = [client.start_session(applicationId=application_id, executionRoleArn=ROLE) for _ in range(5)]
    pages = list(
        client.get_paginator("list_sessions").paginate(applicationId=application_id, PaginationConfig={"PageSize": 2})
        if client.can_paginate("list_sessions")
        else _pages(client, application_id)
    )
    assert [len(page["sessions"]) for page in pages] == [2, 2, 1]
    listed = [session["sessionId"] for page in pages for session in page["sessions"]]
    assert listed == [session["sessionId"] for session in reversed(started)]


def _pages(client: Any, application_id: str) -> Iterator[Any]:
    token: dict[str, str] | None = {}
    while token is not None:
        answer = client.list_sessions(applicationId=application_id, maxResults=2, **token)
        yield answer
        token = {"nextToken": answer["nextToken"]} if "nextToken" in answer else None


@pytest.mark.parametrize(
    ("application", "code", "expected"),
    [
        ({"releaseLabel": "emr-7.13.0"}, "ValidationException", "sessionEnabled"),
        (
            {"releaseLabel": "emr-7.13.0", "autoStartConfiguration": {"enabled": False}, **ENABLED},
            "ValidationException",
            "takes no sessions",
        ),
    ],
)
def test_refused(application: dict[str, Any], code: str, expected: str, client: Any) -> None:
    application_id = client.create_application(type="SPARK", **application)["applicationId"]
    with pytest.raises(botocore.exceptions.ClientError, match=expected) as caught:
        client.start_session(applicationId=application_id, executionRoleArn=ROLE)
    assert caught.value.response["Error"]["Code"] == code


def test_unknown_session_and_that_of_another_application(client: Any, application_id: str, emr: LocalEmr) -> None:
    ids = start(client, emr, application_id)
    other = client.create_application(releaseLabel="emr-7.13.0", type="SPARK", **ENABLED)["applicationId"]
    for wrong in ({**ids, "sessionId": "00nothere"}, {**ids, "applicationId": other}):
        with pytest.raises(client.exceptions.ResourceNotFoundException, match="does not exist"):
            client.get_session(**wrong)


def test_quota(client: Any, application_id: str, emr: LocalEmr) -> None:
    # It has its capacity before there is a quota: the vCPUs of an account are scaled, too.
    start(client, emr, application_id)
    emr.configure(quota_scale=0.04)
    with pytest.raises(client.exceptions.ServiceQuotaExceededException) as caught:
        client.start_session(applicationId=application_id, executionRoleArn=ROLE)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 402


def test_the_same_token_twice(client: Any, application_id: str, emr: LocalEmr) -> None:
    request = {"applicationId": application_id, "executionRoleArn": ROLE, "clientToken": "once"}
    assert client.start_session(**request)["sessionId"] == client.start_session(**request)["sessionId"]
    with pytest.raises(client.exceptions.ConflictException):
        client.start_session(**request, name="other")
    assert len(emr.sessions(application_id)) == 1


def test_scripted_end(client: Any, application_id: str, emr: LocalEmr) -> None:
    emr.script(session=ScriptedSession(ready_after=0, ends_after=0.01, details="out of memory"), name="doomed")
    ids = client.start_session(applicationId=application_id, executionRoleArn=ROLE, name="doomed")
    eventually(lambda: state_of(emr, ids["sessionId"]) == "FAILED")
    fine = start(client, emr, application_id, name="fine")
    emr.end_session(fine["sessionId"], "driver lost")
    eventually(lambda: state_of(emr, fine["sessionId"]) == "FAILED")
    assert [session["stateDetails"] for session in emr.sessions()] == ["out of memory", "driver lost"]


async def test_aiobotocore(application_id: str, emr: LocalEmr) -> None:
    from aiobotocore.session import get_session

    async with extend(get_session(), "emr-serverless").create_client("emr-serverless", endpoint_url=emr.url) as client:
        started = await client.start_session(applicationId=application_id, executionRoleArn=ROLE)
        ids = {"applicationId": application_id, "sessionId": started["sessionId"]}
        await client.terminate_session(**ids)
        session = (await client.get_session(**ids))["session"]
    assert session["state"] in ("TERMINATING", "TERMINATED")


def test_aws_command_line(application_id: str, emr: LocalEmr) -> None:
    of_application = ("--application-id", application_id)
    started = aws(
        "start-session", *of_application, "--execution-role-arn", ROLE, "--name", "mine", "--idle-timeout-minutes", "5",
        "--configuration-overrides", json.dumps({"runtimeConfiguration": [{"classification": "spark-defaults"}]}),
    )  # fmt: skip
    if isinstance(started, str) and "invalid choice" in started.lower():
        pytest.skip("this version of the command line has no sessions")
    session_id = started["sessionId"]
    of_session = (*of_application, "--session-id", session_id)
    eventually(lambda: state_of(emr, session_id) in ("STARTED", "IDLE"))
    assert aws("get-session", *of_session)["session"]["name"] == "mine"
    assert [s["sessionId"] for s in aws("list-sessions", *of_application)["sessions"]] == [session_id]
    assert aws("get-session-endpoint", *of_session)["authToken"]
    resource = ("--resource-id", session_id, "--resource-type", "SESSION")
    assert aws("get-resource-dashboard", *of_application, *resource)["url"]
    assert aws("terminate-session", *of_session)["sessionId"] == session_id
    eventually(lambda: state_of(emr, session_id) == "TERMINATED")
    assert "(ValidationException)" in aws("get-session-endpoint", *of_session)


def test_what_a_grpc_client_is_told(
    client: Any, application_id: str, emr: LocalEmr, grpc_call: Callable[[str, str | None], tuple[str, str]]
) -> None:
    ids = start(client, emr, application_id)
    endpoint = client.get_session_endpoint(**ids)
    url = endpoint["endpoint"]
    assert grpc_call(url, None)[0] == grpc_call(url, "x")[0] == "UNAUTHENTICATED"
    code, details = grpc_call(url, endpoint["authToken"])
    assert (code, "is simulated" in details) == ("FAILED_PRECONDITION", True)
    emr.configure(session_token_seconds=0)
    code, details = grpc_call(url, client.get_session_endpoint(**ids)["authToken"])
    assert (code, "has expired" in details) == ("UNAUTHENTICATED", True)
    client.terminate_session(**ids)
    eventually(lambda: state_of(emr, ids["sessionId"]) == "TERMINATED")
    code, details = grpc_call(url, endpoint["authToken"])
    assert (code, "by request (TerminateSession)" in details) == ("FAILED_PRECONDITION", True)


def test_no_web_page_speaks_to_the_port_of_sessions(client: Any, application_id: str, emr: LocalEmr) -> None:
    ids = start(client, emr, application_id)
    endpoint = urlsplit(client.get_session_endpoint(**ids)["endpoint"])
    # A browser speaks HTTP/2 by TLS only, and the port speaks nothing else, without TLS.
    connection = http.client.HTTPConnection(endpoint.netloc, timeout=30)
    connection.request("POST", "/spark.connect.SparkConnectService/Config", b"")
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        connection.getresponse()
    assert state_of(emr, ids["sessionId"]) in ("STARTED", "IDLE")
