from __future__ import annotations

from types import SimpleNamespace

import aiohttp
import botocore.session
import pytest
from botocore.exceptions import EndpointConnectionError, NoRegionError

from airflow_emrs_ext._compat import AirflowFailException
from airflow_emrs_ext.exceptions import (
    AccessDenied,
    EmrError,
    QuotaExceeded,
    RequestConflict,
    RequestRejected,
    ResourceNotFound,
)
from airflow_emrs_ext.resources.api_errors import (
    Meaning,
    is_about_access,
    may_have_had_effect,
    meaning_of,
    refusal,
)
from airflow_emrs_ext.resources.refused_requests import REMEDIES
from tests.unit.stepping import client_error

SERVERLESS = "emr-serverless"

PARAMETERS = {"applicationId": "00fapp", "jobRunId": "00frun"}


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("Value 'x' at 'executionRoleArn' failed to satisfy constraint", "`execution_role_arn`"),
        ("Value at 'executionIamPolicy.policy' is not JSON", "`execution_iam_policy`"),
        ("retryPolicy.maxFailedAttemptsPerHour is only for STREAMING", "`retry_policy` against `mode`"),
        ("sparkSubmitParameters cannot be parsed: No closing quotation", "quoted as for a shell"),
        ("executionTimeoutMinutes cannot be set for streaming", "`execution_timeout_minutes`"),
        ("Application has active job runs", "`force_stop=True`"),
        ("jobDriver does not match the application", "`job_driver`"),
        ("Unsupported release label", "`release_label`"),
        ("schedulerConfiguration.maxConcurrentRuns must be between 1 and 1000", "`scheduler_configuration`"),
        ("auto-start is disabled", "EmrServerlessStartApplicationOperator"),
    ],
)
def test_a_refusal_names_the_parameter_and_the_remedy(said: str, advice: str) -> None:
    error = refusal("start_job_run", PARAMETERS, client_error("ValidationException", said), SERVERLESS)
    assert isinstance(error, RequestRejected)
    assert advice in error.message
    assert said in error.message
    assert error.facts == {
        "operation": "start_job_run",
        "application_id": "00fapp",
        "job_run_id": "00frun",
        "code": "ValidationException",
    }


@pytest.mark.parametrize(
    ("service", "said", "advice"),
    [
        (SERVERLESS, "iam:PassRole", "Allow `iam:PassRole` to the principal of `aws_conn_id`."),
        (
            "emr-containers",
            "emr-containers:DescribeJobTemplate on resource: arn:x:/jobtemplates/1 because no identity-based policy …",
            "Allow `emr-containers:DescribeJobTemplate` on `arn:x:/jobtemplates/1` to the principal of `aws_conn_id`.",
        ),
        (
            SERVERLESS,
            "emr-serverless:StartJobRun on resource: arn:x with an explicit deny in an identity-based policy",
            "A policy denies `emr-serverless:StartJobRun` on `arn:x` to the principal",
        ),
        (
            "emr-containers",
            "emr-containers:TagResource on resource: arn:x because …",
            "Allow `emr-containers:TagResource`, or set [emrs_ext] default_tags to False",
        ),
    ],
)
def test_a_denial_names_the_action_that_is_to_be_allowed(service: str, said: str, advice: str) -> None:
    said = f"User: arn:aws:iam::123456789012:user/release-queue is not authorized to perform: {said}"
    error = refusal("start_job_run", PARAMETERS, client_error("AccessDeniedException", said), service)
    assert isinstance(error, AccessDenied)
    assert advice in error.message


@pytest.mark.parametrize(
    ("code", "status", "error_class", "retried"),
    [
        ("ValidationException", 400, RequestRejected, False),
        ("ConflictException", 409, RequestConflict, True),
        ("ServiceQuotaExceededException", 402, QuotaExceeded, True),
        ("AccessDeniedException", 403, AccessDenied, True),
        ("404", 404, AccessDenied, True),
        ("SomethingNewException", 400, AccessDenied, True),
    ],
)
def test_airflow_retries_only_what_may_pass(code: str, status: int, error_class: type[EmrError], retried: bool) -> None:
    error = refusal("start_job_run", PARAMETERS, client_error(code, "no", status), SERVERLESS)
    assert type(error) is error_class
    assert isinstance(error, AirflowFailException) is not retried


@pytest.mark.parametrize("service", ["emr-serverless", "emr-containers"])
def test_the_services_own_words_are_those_of_its_model(service: str) -> None:
    model = botocore.session.get_session().get_service_model(service)
    meanings = {
        shape.error_code: meaning_of(
            client_error(shape.error_code, status=shape.metadata["error"]["httpStatusCode"]), service
        )
        for shape in model.error_shapes
    }
    assert Meaning.ACCESS not in meanings.values()
    refused = {code for code, meaning in meanings.items() if meaning is Meaning.REFUSED}
    assert {"ValidationException", "ResourceNotFoundException"} <= refused


@pytest.mark.parametrize("service", ["s3", "logs", "sqs"])
def test_what_other_services_say_is_for_whoever_asks_them(service: str) -> None:
    for code, status in (("NoSuchKey", 404), ("304", 304), ("AccessDenied", 403)):
        assert meaning_of(client_error(code, status=status), service) is Meaning.REFUSED
    assert meaning_of(client_error("SlowDown", status=503), service) is Meaning.TRANSIENT
    assert is_about_access(client_error("ExpiredToken"), service)
    assert not is_about_access(client_error("NoSuchKey", status=404), service)


def test_the_page_of_a_proxy_is_not_for_the_log() -> None:
    error = refusal("get_job_run", PARAMETERS, client_error("403", "<html>" * 10_000, 403), SERVERLESS)
    assert len(error.message) < 2_000


def test_a_missing_region_is_a_matter_of_the_connection() -> None:
    error = refusal("get_job_run", {}, NoRegionError(), SERVERLESS)
    assert "`aws_conn_id`, `region_name`" in error.message
    assert error.facts == {"operation": "get_job_run", "code": "NoRegionError"}


def test_each_remedy_names_a_parameter_or_an_action() -> None:
    assert all("`" in remedy.advice or "upgrade" in remedy.advice for remedy in REMEDIES)


@pytest.mark.parametrize(
    ("cause", "had"),
    [
        (aiohttp.ClientOSError(104, "Connection reset by peer"), True),
        (
            aiohttp.ClientConnectorError(
                SimpleNamespace(host="h", port=1, ssl=True), OSError(111, "Connection refused")
            ),
            False,
        ),
        (OSError(111, "refused"), False),
    ],
)
def test_a_connection_that_broke_is_none_that_was_refused(cause: Exception, had: bool) -> None:
    assert may_have_had_effect(EndpointConnectionError(endpoint_url="http://127.0.0.1", error=cause), SERVERLESS) is had


IDS = {"ClusterId": "j-1", "SessionId": "s.1"}


@pytest.mark.parametrize(
    "said",
    [
        "Session s.1 does not exist",
        "Session s.1 does not exist.",
        "Session id 's.1' was not found",
        "Session s.1 of cluster j-1 does not exist",
        "Session s.1 does not exist in cluster j-1.",
        "Session not found: s.1",
        "There is no session with id s.1.",
    ],
)
def test_of_emr_a_session_is_gone_if_its_very_id_is_said_not_to_exist(said: str) -> None:
    error = refusal("get_session", IDS, client_error("InvalidRequestException", said, 400), "emr")
    assert isinstance(error, ResourceNotFound)
    assert (error.facts["cluster_id"], error.facts["session_id"]) == ("j-1", "s.1")


@pytest.mark.parametrize(
    "said",
    [
        "",
        "Cluster id 'j-1' is not valid.",
        "Cluster j-1 does not exist",
        "Session s.2 does not exist",
        "Session s.10 does not exist",
        "Session sX1 does not exist",
        "Session s.1 does not exist in this Region; there is one in eu-west-1",
        "Session s.1 cannot be terminated: its security group does not exist",
        "The role of session s.1 was not found",
        "Session s.1 is not valid",
    ],
)
def test_anything_else_of_an_invalid_request_is_no_end(said: str) -> None:
    error = refusal("get_session", IDS, client_error("InvalidRequestException", said, 400), "emr")
    assert type(error) is RequestRejected
    other = refusal("start_session", {"ClusterId": "j-1"}, client_error("InvalidRequestException", said, 400), "emr")
    assert type(other) is RequestRejected


def test_of_emr_a_token_that_is_used_otherwise_is_a_conflict() -> None:
    said = "ClientRequestToken was used before with other parameters"
    error = refusal("start_session", {"ClusterId": "j-1"}, client_error("InvalidRequestException", said, 400), "emr")
    assert isinstance(error, RequestConflict)
    assert meaning_of(client_error("InvalidRequestException", said, 400), "emr") is Meaning.REFUSED
    assert meaning_of(client_error("AnythingNew", said, 400), "emr") is Meaning.ACCESS
