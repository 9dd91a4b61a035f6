"""Regions are kept apart: none sees what another has, and there is none that AWS has not."""

from __future__ import annotations

from typing import Any

import botocore.exceptions
import pytest

from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from tests.polling import eventually

ROLE = "arn:aws:iam::123456789012:role/job"
DRIVER = {"sparkSubmit": {"entryPoint": "s3://b/j.py"}}


def create(client: Any) -> str:
    answer = client.create_application(type="SPARK", releaseLabel="emr-7.13.0", clientToken="same")
    return str(answer["applicationId"])


def test_none_sees_what_another_has(emr: LocalEmr) -> None:
    here, there = emr.client("emr-serverless"), emr.client("emr-serverless", region_name="eu-west-1")
    mine, theirs = create(here), create(there)
    run = there.start_job_run(applicationId=theirs, executionRoleArn=ROLE, jobDriver=DRIVER)

    assert mine != theirs, "client tokens are a Region's own"
    assert run["arn"].startswith(f"arn:aws:emr-serverless:eu-west-1:123456789012:/applications/{theirs}/")
    for client, seen, hidden in ((here, mine, theirs), (there, theirs, mine)):
        assert [one["id"] for one in client.list_applications()["applications"]] == [seen]
        with pytest.raises(client.exceptions.ResourceNotFoundException, match="does not exist in this Region; there"):
            client.get_application(applicationId=hidden)
    with pytest.raises(here.exceptions.ResourceNotFoundException):
        here.get_job_run(applicationId=theirs, jobRunId=run["jobRunId"])
    with pytest.raises(here.exceptions.ResourceNotFoundException):
        here.list_tags_for_resource(resourceArn=run["arn"])
    eventually(
        lambda: there.get_job_run(applicationId=theirs, jobRunId=run["jobRunId"])["jobRun"]["state"] == "SUCCESS"
    )
    assert {record["applicationId"] for record in emr.applications()} == {mine, theirs}


def test_partitions_are_in_arns(emr: LocalEmr) -> None:
    china = emr.client("emr-serverless", region_name="cn-north-1")
    arn = china.get_application(applicationId=create(china))["application"]["arn"]
    assert arn.startswith("arn:aws-cn:emr-serverless:cn-north-1:")


def test_virtual_clusters_are_kept_apart_too(emr: LocalEmr) -> None:
    here, there = emr.client("emr-containers"), emr.client("emr-containers", region_name="eu-west-1")
    provider = {"id": "eks", "type": "EKS", "info": {"eksInfo": {"namespace": "spark"}}}
    cluster_id = there.create_virtual_cluster(name="a", containerProvider=provider, clientToken="a")["id"]

    assert here.list_virtual_clusters()["virtualClusters"] == []
    with pytest.raises(here.exceptions.ResourceNotFoundException, match="there is one in eu-west-1"):
        here.describe_virtual_cluster(id=cluster_id)


def test_each_region_has_the_vcpus_of_the_account(emr: LocalEmr) -> None:
    emr.configure(quota_scale=1)
    emr.script([ScriptedAttempt(hold=True)])
    for region in ("us-east-1", "eu-west-1"):
        client = emr.client("emr-serverless", region_name=region)
        client.start_job_run(applicationId=create(client), executionRoleArn=ROLE, jobDriver=DRIVER)
    eventually(lambda: {run["state"] for run in emr.job_runs()} == {"RUNNING"})
    workers = [run["attempts"][0]["executorCount"] for run in emr.job_runs()]
    assert workers == [3, 3]


def test_there_is_no_region_that_aws_has_not(emr: LocalEmr) -> None:
    nowhere = emr.client("emr-serverless", region_name="eu-west-99")
    with pytest.raises(botocore.exceptions.ClientError, match="scoped to a valid Region, not 'eu-west-99'") as caught:
        create(nowhere)
    assert caught.value.response["Error"]["Code"] == "InvalidSignatureException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
