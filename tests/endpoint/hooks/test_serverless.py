from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_emrs_ext._compat import AirflowException
from airflow_emrs_ext.aws import serverless as api
from airflow_emrs_ext.core.effects import WaitPolicy
from airflow_emrs_ext.exceptions import AccessDenied, ResourceNotFound, ServiceUnavailable
from airflow_emrs_ext.hooks.serverless import EmrServerlessHook
from airflow_emrs_ext.local.testing import LocalEmr
from airflow_emrs_ext.shared.states import ApplicationState, JobRunState
from tests.driving import drive_on_loop

pytestmark = pytest.mark.airflow

ROLE = "arn:aws:iam::123456789012:role/job"


@pytest.fixture
def hook(emr: LocalEmr) -> EmrServerlessHook:
    return EmrServerlessHook(aws_conn_id="aws_default")


def submit(hook: EmrServerlessHook, application_id: str, token: str) -> str:
    started = hook.start_job_run(
        application_id=application_id,
        execution_role_arn=ROLE,
        client_token=token,
        job_driver={"sparkSubmit": {"entryPoint": "s3://b/j.py"}},
    )
    return str(started["jobRunId"])


def test_one_method_per_verb(hook: EmrServerlessHook) -> None:
    application_id = hook.create_application(release_label="emr-7.9.0", type="SPARK", name="mine")["applicationId"]
    assert hook.get_application(application_id)["name"] == "mine"
    assert [one["id"] for one in hook.list_applications()] == [application_id]
    assert hook.list_applications(states=[ApplicationState.STOPPED]) == []
    job_run_id = submit(hook, application_id, "token")
    assert submit(hook, application_id, "token") == job_run_id
    assert hook.get_job_run(application_id, job_run_id)["jobRunId"] == job_run_id
    assert [one["attempt"] for one in hook.list_job_run_attempts(application_id, job_run_id)] == [1]


def test_listings_take_every_page(hook: EmrServerlessHook) -> None:
    application_id = hook.create_application(release_label="emr-7.9.0", type="SPARK")["applicationId"]
    submitted = {submit(hook, application_id, f"token-{number}") for number in range(60)}
    assert {one["id"] for one in hook.list_job_runs(application_id)} == submitted
    assert hook.list_job_runs(application_id, states=[JobRunState.CANCELLED]) == []


async def test_asynchronous_code_runs_the_same_functions(emr: LocalEmr, hook: EmrServerlessHook) -> None:
    created = hook.create_application(release_label="emr-7.9.0", type="SPARK")
    emr.inject("GetApplication", "throttle")
    application = await drive_on_loop(hook, api.get_application(hook.run_context, created["applicationId"]))
    assert application["applicationId"] == created["applicationId"]
    assert [call["status"] for call in emr.calls("GetApplication")] == [429, 200]
    with pytest.raises(ResourceNotFound):
        await drive_on_loop(hook, api.get_application(hook.run_context, "00fdoesnotexist1"))


def test_patience_ends_with_an_error_that_says_so(emr: LocalEmr) -> None:
    hook = EmrServerlessHook(aws_conn_id="aws_default", wait_policy=WaitPolicy(call_patience=1.0))
    emr.inject("ListApplications", "throttle", times=None)
    with pytest.raises(ServiceUnavailable, match="raise \\[emrs_ext\\] patience"):
        hook.list_applications()


@pytest.mark.parametrize(
    ("fault", "arguments"),
    [("throttle", {}), ("error", {"status": 503}), ("reset", {}), ("drop", {})],
)
def test_each_attempt_is_one_call(emr: LocalEmr, hook: EmrServerlessHook, fault: Any, arguments: Any) -> None:
    emr.inject("ListApplications", fault, times=1, **arguments)
    assert hook.list_applications() == []
    assert len(emr.calls("ListApplications")) == 2


def test_the_connection_decides(emr: LocalEmr, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = {
        "conn_type": "aws",
        "login": "key",
        "password": "secret",
        "extra": {
            "region_name": "eu-west-1",
            "service_config": {"emr-serverless": {"endpoint_url": emr.url}},
            "config_kwargs": {"retries": {"total_max_attempts": 3}, "read_timeout": 7},
        },
    }
    monkeypatch.setenv("AIRFLOW_CONN_ELSEWHERE", json.dumps(connection))
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    hook = EmrServerlessHook(aws_conn_id="elsewhere")
    config = hook.conn.meta.config
    assert hook.conn.meta.endpoint_url == emr.url
    assert hook.conn.meta.region_name == "eu-west-1"
    assert config.read_timeout == 7
    assert config.retries["total_max_attempts"] == 3
    assert hook.list_applications() == []


def test_a_missing_region_names_the_parameter(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AIRFLOW_CONN_NOWHERE", json.dumps({"conn_type": "aws", "login": "k", "password": "s"}))
    with pytest.raises(AccessDenied, match="`region_name`"):
        EmrServerlessHook(aws_conn_id="nowhere").list_applications()


def test_a_connection_that_does_not_exist_is_said_at_once() -> None:
    with pytest.raises(AirflowException, match="no_such_connection"):
        EmrServerlessHook(aws_conn_id="no_such_connection").list_applications()


def test_a_connection_that_is_gone_for_a_moment_is_not_replaced_by_other_credentials(
    emr: LocalEmr, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({"conn_type": "aws", "login": "a", "password": "s"}))
    hook = EmrServerlessHook(wait_policy=WaitPolicy(access_patience=0.5))
    assert hook.list_applications() == []
    monkeypatch.delenv("AIRFLOW_CONN_AWS_DEFAULT")
    hook.forget_connection()
    with pytest.raises(AccessDenied, match="aws_default"):
        hook.list_applications()


def test_a_connection_is_read_anew_when_its_credentials_have_expired(
    emr: LocalEmr, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connection(key: str) -> str:
        return json.dumps({"conn_type": "aws", "login": key, "password": "s", "extra": {"region_name": "us-east-1"}})

    monkeypatch.setenv("AIRFLOW_CONN_RENEWED", connection("AKIAOLD"))
    hook = EmrServerlessHook(aws_conn_id="renewed")
    assert hook.list_applications() == []
    monkeypatch.setenv("AIRFLOW_CONN_RENEWED", connection("AKIANEW"))
    emr.inject("ListApplications", "error", status=403, code="ExpiredTokenException")
    assert hook.list_applications() == []
    # What signs the next request.
    assert "AKIANEW" in hook.conn.generate_presigned_url("list_applications")
