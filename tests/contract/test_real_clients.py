"""Unchanged clients drive the endpoint: boto3, aiobotocore, the AWS command line, the Amazon provider's operator."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from tests.polling import eventually

SERVERLESS = "emr-serverless"
ROLE = "arn:aws:iam::123456789012:role/jobs"
DRIVER = {"sparkSubmit": {"entryPoint": "s3://bucket/job.py", "entryPointArguments": ["1"]}}

pytestmark = pytest.mark.usefixtures("client_environ")


def boto3_client(service: str) -> Any:
    """A client to which everything comes from the environment, as in a DAG."""
    import boto3.session

    return boto3.session.Session().client(service)  # type: ignore[call-overload]


def test_boto3(emr: LocalEmr) -> None:
    client = boto3_client(SERVERLESS)
    application_id = client.create_application(name="mine", releaseLabel="emr-7.5.0", type="SPARK")["applicationId"]
    emr.script(attempts=[ScriptedAttempt(succeeded=False, details="boom"), ScriptedAttempt()])
    job_run_id = client.start_job_run(
        applicationId=application_id,
        executionRoleArn=ROLE,
        jobDriver=DRIVER,
        retryPolicy={"maxAttempts": 2},
        tags={"team": "data"},
    )["jobRunId"]

    def succeeded() -> Any:
        run = client.get_job_run(applicationId=application_id, jobRunId=job_run_id)["jobRun"]
        assert run["state"] not in ("FAILED", "CANCELLED"), run
        return run if run["state"] == "SUCCESS" else None

    run = eventually(succeeded)
    assert run["attempt"] == 2
    attempts = client.list_job_run_attempts(applicationId=application_id, jobRunId=job_run_id)["jobRunAttempts"]
    assert [(attempt["attempt"], attempt["state"]) for attempt in attempts] == [(2, "SUCCESS"), (1, "FAILED")]
    assert client.list_tags_for_resource(resourceArn=run["arn"])["tags"] == {"team": "data"}
    client.tag_resource(resourceArn=run["arn"], tags={"stage": "test"})
    client.untag_resource(resourceArn=run["arn"], tagKeys=["team"])
    assert client.list_tags_for_resource(resourceArn=run["arn"])["tags"] == {"stage": "test"}


def test_boto3_calls_every_operation(emr: LocalEmr) -> None:
    """The endpoint of the tests holds each response against the model."""
    client = boto3_client(SERVERLESS)
    application = {
        "applicationId": client.create_application(
            releaseLabel="emr-7.13.0", type="SPARK", interactiveConfiguration={"sessionEnabled": True}
        )["applicationId"]
    }
    eventually(lambda: client.get_application(**application)["application"]["state"] == "CREATED")
    client.update_application(**application, maximumCapacity={"cpu": "100 vCPU", "memory": "400 GB"})
    client.start_application(**application)
    emr.script([ScriptedAttempt(running_after=0, hold=True)])
    started = client.start_job_run(**application, executionRoleArn=ROLE, jobDriver=DRIVER)
    job_run = {**application, "jobRunId": started["jobRunId"]}
    eventually(lambda: client.get_job_run(**job_run)["jobRun"]["state"] == "RUNNING")
    assert client.get_dashboard_for_job_run(**job_run)["url"]
    assert len(client.list_job_run_attempts(**job_run)["jobRunAttempts"]) == 1
    client.cancel_job_run(**job_run)
    session_id = client.start_session(**application, executionRoleArn=ROLE)["sessionId"]
    session = {**application, "sessionId": session_id}
    eventually(lambda: client.get_session(**session)["session"]["state"] in ("STARTED", "IDLE"))
    assert client.get_session_endpoint(**session)["authToken"]
    assert client.get_resource_dashboard(**application, resourceId=session_id, resourceType="SESSION")["url"]
    client.tag_resource(resourceArn=started["arn"], tags={"a": "b"})
    assert client.list_tags_for_resource(resourceArn=started["arn"])["tags"] == {"a": "b"}
    client.untag_resource(resourceArn=started["arn"], tagKeys=["a"])
    client.terminate_session(**session)
    eventually(lambda: [one["state"] for one in client.list_sessions(**application)["sessions"]] == ["TERMINATED"])
    eventually(lambda: [one["state"] for one in client.list_job_runs(**application)["jobRuns"]] == ["CANCELLED"])
    client.stop_application(**application)
    eventually(lambda: [one["state"] for one in client.list_applications()["applications"]] == ["STOPPED"])
    client.delete_application(**application)
    calls = emr.calls(service=SERVERLESS)
    assert [call for call in calls if call["error"]] == []
    assert {call["operation"] for call in calls} == set(client.meta.service_model.operation_names)


def test_boto3_pages_through_a_listing() -> None:
    client = boto3_client(SERVERLESS)
    made = {client.create_application(releaseLabel="emr-7.5.0", type="SPARK")["applicationId"] for _ in range(7)}
    pages = list(client.get_paginator("list_applications").paginate(PaginationConfig={"PageSize": 3}))
    assert [len(page["applications"]) for page in pages] == [3, 3, 1]
    assert {application["id"] for page in pages for application in page["applications"]} == made


async def test_aiobotocore(emr: LocalEmr) -> None:
    from aiobotocore.session import get_session

    async with get_session().create_client("emr-serverless", endpoint_url=emr.url) as client:
        created = await client.create_application(releaseLabel="emr-7.5.0", type="HIVE")
        locations = (
            "--hiveconf hive.exec.scratchdir=s3://bucket/scratch"
            " --hiveconf hive.metastore.warehouse.dir=s3://bucket/warehouse"
        )
        hive = {"hive": {"query": "s3://bucket/query.sql", "parameters": locations}}
        with pytest.raises(client.exceptions.ValidationException, match="executionRoleArn"):
            await client.start_job_run(
                applicationId=created["applicationId"], executionRoleArn="arn:aws:iam::1:role/short", jobDriver=hive
            )
        started = await client.start_job_run(
            applicationId=created["applicationId"], executionRoleArn=ROLE, jobDriver=hive
        )
        listed = await client.list_job_runs(applicationId=created["applicationId"])
    assert [run["id"] for run in listed["jobRuns"]] == [started["jobRunId"]]


def aws(*arguments: str, service: str = "emr-serverless") -> Any:
    """Run the AWS command line; :return: what it prints."""
    command = shutil.which("aws", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert command, "the dev extra installs the AWS command line"
    done = subprocess.run([command, service, *arguments], capture_output=True, text=True, timeout=60)
    if done.returncode:
        return done.stderr
    return json.loads(done.stdout) if done.stdout else None


def test_aws_command_line(emr: LocalEmr) -> None:
    created = aws("create-application", "--name", "mine", "--release-label", "emr-7.5.0", "--type", "SPARK")
    application_id = created["applicationId"]
    emr.script(attempts=[ScriptedAttempt(hold=True)])
    started = aws(
        "start-job-run", "--application-id", application_id, "--execution-role-arn", ROLE, "--name", "nightly",
        "--job-driver", json.dumps(DRIVER), "--tags", "team=data",
    )  # fmt: skip
    aws("cancel-job-run", "--application-id", application_id, "--job-run-id", started["jobRunId"])
    eventually(lambda: [run["state"] for run in emr.job_runs()] == ["CANCELLED"])
    shown = aws("get-job-run", "--application-id", application_id, "--job-run-id", started["jobRunId"])["jobRun"]
    assert (shown["name"], shown["state"], shown["tags"]) == ("nightly", "CANCELLED", {"team": "data"})
    assert "(ResourceNotFoundException)" in aws("get-application", "--application-id", "00nothere")


@pytest.mark.airflow
@pytest.mark.parametrize("succeeds", [True, False])
def test_amazon_providers_operator(succeeds: bool, emr: LocalEmr) -> None:
    from airflow.exceptions import AirflowException
    from airflow.providers.amazon.aws.operators.emr import (
        EmrServerlessCreateApplicationOperator,
        EmrServerlessStartJobOperator,
    )

    application_id = EmrServerlessCreateApplicationOperator(
        task_id="create",
        release_label="emr-7.5.0",
        job_type="SPARK",
        config={"name": "mine"},
        waiter_delay=1,
    ).execute({})
    emr.script(attempts=[ScriptedAttempt(succeeded=succeeds, details="" if succeeds else "boom")])
    operator = EmrServerlessStartJobOperator(
        task_id="run",
        application_id=application_id,
        execution_role_arn=ROLE,
        job_driver=DRIVER,
        configuration_overrides={},
        name="nightly",
        waiter_delay=1,
        enable_application_ui_links=False,
    )
    if succeeds:
        assert operator.execute({}) == emr.job_runs()[0]["jobRunId"]
    else:
        with pytest.raises(AirflowException, match="Serverless Job failed"):
            operator.execute({})
    assert [run["state"] for run in emr.job_runs()] == ["SUCCESS" if succeeds else "FAILED"]


def test_other_services_answer_at_the_same_url(emr: LocalEmr) -> None:
    s3 = emr.client("s3")
    s3.create_bucket(Bucket="bucket")
    key = "a folder/ü%2F+?.txt"
    s3.put_object(Bucket="bucket", Key=key, Body=b"x" * 100_000)
    assert s3.get_object(Bucket="bucket", Key=key)["Body"].read() == b"x" * 100_000
    assert [item["Key"] for item in s3.list_objects_v2(Bucket="bucket")["Contents"]] == [key]
    assert emr.client("sts").get_caller_identity()["Account"] == "123456789012"
    logs = emr.client("logs")
    logs.create_log_group(logGroupName="/aws/emr-serverless")
    assert [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]] == ["/aws/emr-serverless"]
    sqs = emr.client("sqs")
    queue = sqs.create_queue(QueueName="jobs")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="done")
    assert [m["Body"] for m in sqs.receive_message(QueueUrl=queue)["Messages"]] == ["done"]
    emr.reset()
    assert s3.list_buckets()["Buckets"] == []
    assert emr.calls() == []


def test_a_presigned_url_reaches_the_object(emr: LocalEmr) -> None:
    import urllib.request

    s3 = emr.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="report.txt", Body=b"fine")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "report.txt"})
    with urllib.request.urlopen(url, timeout=10) as response:
        assert response.read() == b"fine"


def test_a_bucket_may_be_called_like_a_path_of_emr(emr: LocalEmr) -> None:
    from botocore.config import Config

    # Signature Version 2 and presigned URLs do not name the service that they are for.
    s3 = emr.client("s3", config=Config(signature_version="s3", s3={"addressing_style": "path"}))
    s3.create_bucket(Bucket="applications-data")
    s3.put_object(Bucket="applications-data", Key="report.txt", Body=b"fine")
    assert s3.get_object(Bucket="applications-data", Key="report.txt")["Body"].read() == b"fine"
    assert emr.calls() == []
