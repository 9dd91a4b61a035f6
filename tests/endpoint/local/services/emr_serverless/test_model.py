"""Answers and states against the API model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import botocore.session
import pytest

from airflow_emrs_ext.local.base.lifecycle import IllegalTransitionError, Lifecycle
from airflow_emrs_ext.local.protocol.rest_json import RestJson
from airflow_emrs_ext.local.services.connect.sessions import SESSION
from airflow_emrs_ext.local.services.emr_serverless.transitions import APPLICATION, JOB_RUN
from airflow_emrs_ext.shared.service_model import extend
from airflow_emrs_ext.shared.states import ApplicationState, JobRunState, SessionState
from tests.endpoint.local.services.emr_serverless.lab import FAIL, HOLD, PASS, ROLE, SMALL, Lab

MakeLab = Callable[..., Lab]


@pytest.mark.parametrize(
    ("table", "states"), [(APPLICATION, ApplicationState), (JOB_RUN, JobRunState), (SESSION, SessionState)]
)
def test_every_state_has_its_followers(table: Any, states: Any) -> None:
    assert set(table) == set(states)
    for state, following in table.items():
        assert state.is_terminal == (not following)
        assert all(state.can_reach([next_state]) for next_state in following)


def test_an_illegal_change_of_state_is_an_error() -> None:
    life = Lifecycle(JOB_RUN, [])
    life.move(None, JobRunState.SUBMITTED, "")
    with pytest.raises(IllegalTransitionError, match="SUBMITTED cannot become SUCCESS"):
        life.move(None, JobRunState.SUCCESS, "")
    assert life.state is JobRunState.SUBMITTED


async def test_answers_agree_with_the_model(lab: Lab) -> None:
    """Every operation's answer has the required members, and all of them in the model's form."""
    model = extend(botocore.session.get_session(), "emr-serverless").get_service_model("emr-serverless")
    protocol = RestJson(model)
    checked = set()

    async def call(operation: str, method: str, **params: Any) -> Any:
        answer = await getattr(lab.service, method)(**params)
        protocol.respond(model.operation_model(operation), answer, check=True)
        checked.add(operation)
        return answer

    lab.script(FAIL, PASS)
    full = {
        "name": "full",
        "tags": {"a": "b"},
        "initialCapacity": {
            "DRIVER": {"workerCount": 1, "workerConfiguration": {"cpu": "2 vCPU", "memory": "4 GB", "disk": "20 GB"}}
        },
        "maximumCapacity": {"cpu": "100 vCPU", "memory": "400 GB", "disk": "1000 GB"},
        "networkConfiguration": {"subnetIds": ["subnet-1"], "securityGroupIds": ["sg-1"]},
        "imageConfiguration": {"imageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/a:b"},
        "runtimeConfiguration": [{"classification": "spark-defaults", "properties": {"a": "b"}}],
        "monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": "s3://logs/"}},
        "interactiveConfiguration": {"studioEnabled": True},
    }
    new = {"type": "spark", "releaseLabel": "emr-7.5.0"}
    application_id = (await call("CreateApplication", "create_application", **new, clientToken="1", **full))[
        "applicationId"
    ]
    await call("CreateApplication", "create_application", **new, clientToken="2")
    app = {"applicationId": application_id}
    await lab.application_in(application_id, "CREATED")
    await call("UpdateApplication", "update_application", **app, clientToken="3", architecture="ARM64")
    await call("StartApplication", "start_application", **app)
    submitted = await call(
        "StartJobRun",
        "start_job_run",
        **app,
        clientToken="4",
        executionRoleArn=ROLE,
        jobDriver=SMALL,
        name="n",
        tags={"c": "d"},
        retryPolicy={"maxAttempts": 2},
        configurationOverrides={"applicationConfiguration": [{"classification": "spark", "properties": {"y": "z"}}]},
        executionIamPolicy={"policyArns": ["arn:aws:iam::aws:policy/ReadOnly"]},
    )
    run = {**app, "jobRunId": submitted["jobRunId"]}
    await call("GetJobRun", "get_job_run", **run)
    await lab.ended(submitted["jobRunId"])
    await call("GetJobRun", "get_job_run", **run)
    await call("GetJobRun", "get_job_run", **run, attempt=1)
    await call("ListJobRunAttempts", "list_job_run_attempts", **run, maxResults=1)
    await call("GetDashboardForJobRun", "get_dashboard_for_job_run", **run)
    lab.script(HOLD)
    cancelled = {**app, "jobRunId": await lab.submit(application_id)}
    await call("CancelJobRun", "cancel_job_run", **cancelled)
    await lab.ended(cancelled["jobRunId"])
    await call("ListJobRuns", "list_job_runs", **app, maxResults=1)
    await call("GetApplication", "get_application", **app)
    await call("ListApplications", "list_applications", maxResults=1)
    await call("TagResource", "tag_resource", resourceArn=submitted["arn"], tags={"e": "f"})
    await call("ListTagsForResource", "list_tags_for_resource", resourceArn=submitted["arn"])
    await call("UntagResource", "untag_resource", resourceArn=submitted["arn"], tagKeys=["e"])
    await call("StopApplication", "stop_application", **app)
    await lab.application_in(application_id, "STOPPED")
    await call("DeleteApplication", "delete_application", **app)
    sessions = {name for name in model.operation_names if "Session" in name or name == "GetResourceDashboard"}
    assert checked == set(model.operation_names) - sessions
