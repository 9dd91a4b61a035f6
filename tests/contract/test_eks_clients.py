"""Unchanged clients drive EMR on EKS of the endpoint: boto3, the AWS command line, the Amazon provider."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Any

import pytest

from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from tests.contract.test_protocol_contract import CONTAINERS, MODELS, NOT_OFFERED
from tests.contract.test_real_clients import ROLE, boto3_client
from tests.contract.test_real_clients import aws as any_aws
from tests.polling import eventually
from tests.running import TaskRun, run_task

RELEASE = "emr-7.5.0-latest"
DRIVER = {"sparkSubmitJobDriver": {"entryPoint": "s3://bucket/job.py", "entryPointArguments": ["1"]}}
EKS = {"type": "EKS", "id": "cluster", "info": {"eksInfo": {"namespace": "jobs"}}}
DEFERRED = "Error while running job|Job failed"
HOLD = ScriptedAttempt(running_after=0, hold=True)

pytestmark = pytest.mark.usefixtures("client_environ")

aws = partial(any_aws, service="emr-containers")


@pytest.fixture
def cluster_id(emr: LocalEmr) -> str:
    return str(emr.client(CONTAINERS).create_virtual_cluster(name="mine", containerProvider=EKS)["id"])


def states(emr: LocalEmr) -> list[str]:
    return [run["state"] for run in emr.eks_job_runs()]


def test_boto3_calls_every_operation(emr: LocalEmr) -> None:
    """The endpoint of the tests holds each response against the model."""
    client = boto3_client(CONTAINERS)
    cluster_id = client.create_virtual_cluster(name="mine", containerProvider=EKS, tags={"a": "b"})["id"]
    if hasattr(client, "update_virtual_cluster"):
        client.update_virtual_cluster(id=cluster_id, schedulerConfiguration={"maxConcurrentJobRuns": 1})
    monitoring = {
        "cloudWatchMonitoringConfiguration": {"logGroupName": "logs", "logStreamNamePrefix": "mine"},
        "s3MonitoringConfiguration": {"logUri": "s3://bucket/logs"},
        "containerLogRotationConfiguration": {"rotationSize": "10MB", "maxFilesToKeep": 2},
    }
    data = {
        "executionRoleArn": ROLE,
        "releaseLabel": RELEASE,
        "jobDriver": {"sparkSubmitJobDriver": {"entryPoint": "${script}"}},
        "parameterConfiguration": {"script": {"type": "STRING", "defaultValue": "s3://bucket/job.py"}},
        "jobTags": {"c": "d"},
    }
    template_id = client.create_job_template(name="template", jobTemplateData=data, tags={"e": "f"})["id"]
    assert client.describe_job_template(id=template_id)["jobTemplate"]["jobTemplateData"] == data
    emr.script([ScriptedAttempt(running_after=0, ends_after=0, succeeded=False, details="boom"), HOLD])
    emr.configure(eks_retry_seconds=0.01)
    from_template = client.start_job_run(
        virtualClusterId=cluster_id, jobTemplateId=template_id, retryPolicyConfiguration={"maxAttempts": 2}
    )
    run_ids = {"virtualClusterId": cluster_id, "id": from_template["id"]}
    eventually(lambda: emr.eks_job_runs()[0]["state"] == "RUNNING" and len(emr.eks_job_runs()[0]["attempts"]) == 2)
    run = client.describe_job_run(**run_ids)["jobRun"]
    assert (run["retryPolicyExecution"]["currentAttemptCount"], run["tags"]) == (2, {"c": "d"})
    client.cancel_job_run(**run_ids)
    emr.script([ScriptedAttempt(running_after=0, ends_after=0, succeeded=False, details="boom")])
    client.start_job_run(
        virtualClusterId=cluster_id,
        executionRoleArn=ROLE,
        releaseLabel=RELEASE,
        jobDriver=DRIVER,
        configurationOverrides={"monitoringConfiguration": monitoring},
    )
    eventually(lambda: states(emr) == ["CANCELLED", "FAILED"])
    failed, cancelled = client.list_job_runs(virtualClusterId=cluster_id)["jobRuns"]
    assert (failed["failureReason"], failed["stateDetails"]) == ("USER_ERROR", "boom")
    assert cancelled["finishedAt"] >= cancelled["createdAt"]
    endpoint_id = client.create_managed_endpoint(
        virtualClusterId=cluster_id,
        name="connect",
        type="SPARK_CONNECT",
        releaseLabel="emr-7.14.0-latest",
        executionRoleArn=ROLE,
        configurationOverrides={"monitoringConfiguration": monitoring},
    )["id"]
    endpoint_ids = {"virtualClusterId": cluster_id, "id": endpoint_id}
    eventually(lambda: client.describe_managed_endpoint(**endpoint_ids)["endpoint"]["state"] == "ACTIVE")
    client.get_managed_endpoint_session_credentials(
        virtualClusterIdentifier=cluster_id,
        endpointIdentifier=endpoint_id,
        executionRoleArn=ROLE,
        credentialType="TOKEN",
    )
    client.delete_managed_endpoint(**endpoint_ids)
    assert len(client.list_managed_endpoints(virtualClusterId=cluster_id)["endpoints"]) == 1
    eventually(lambda: emr.managed_endpoints()[0]["state"] == "TERMINATED")
    client.tag_resource(resourceArn=run["arn"], tags={"g": "h"})
    client.untag_resource(resourceArn=run["arn"], tagKeys=["c"])
    assert client.list_tags_for_resource(resourceArn=run["arn"])["tags"] == {"g": "h"}
    assert [template["id"] for template in client.list_job_templates()["templates"]] == [template_id]
    client.delete_job_template(id=template_id)
    client.delete_virtual_cluster(id=cluster_id)
    assert client.describe_virtual_cluster(id=cluster_id)["virtualCluster"]["state"] in ("TERMINATING", "TERMINATED")
    assert [cluster["id"] for cluster in client.list_virtual_clusters()["virtualClusters"]] == [cluster_id]
    calls = emr.calls(service=CONTAINERS)
    assert [call for call in calls if call["error"]] == []
    assert {call["operation"] for call in calls} == set(MODELS[CONTAINERS].operation_names) - NOT_OFFERED


def test_aws_command_line(emr: LocalEmr) -> None:
    cluster_id = aws("create-virtual-cluster", "--name", "mine", "--container-provider", json.dumps(EKS))["id"]
    of_cluster = ("--virtual-cluster-id", cluster_id)
    emr.script([HOLD])
    started = aws(
        "start-job-run", *of_cluster, "--execution-role-arn", ROLE, "--name", "nightly", "--release-label", RELEASE,
        "--job-driver", json.dumps(DRIVER), "--tags", "team=data",
    )  # fmt: skip
    of_run = (*of_cluster, "--id", started["id"])
    aws("cancel-job-run", *of_run)
    eventually(lambda: states(emr) == ["CANCELLED"])
    shown = aws("describe-job-run", *of_run)["jobRun"]
    assert (shown["name"], shown["state"], shown["tags"]) == ("nightly", "CANCELLED", {"team": "data"})
    assert [run["id"] for run in aws("list-job-runs", *of_cluster, "--states", "CANCELLED")["jobRuns"]] == [shown["id"]]
    data = json.dumps({"executionRoleArn": ROLE, "releaseLabel": RELEASE, "jobDriver": DRIVER})
    template_id = aws("create-job-template", "--name", "template", "--job-template-data", data)["id"]
    assert aws("delete-job-template", "--id", template_id)["id"] == template_id
    endpoint_id = aws(
        "create-managed-endpoint", *of_cluster, "--name", "connect", "--type", "SPARK_CONNECT",
        "--release-label", "emr-7.14.0-latest", "--execution-role-arn", ROLE,
    )["id"]  # fmt: skip
    eventually(lambda: [one["state"] for one in emr.managed_endpoints()] == ["ACTIVE"])
    credentials = aws(
        "get-managed-endpoint-session-credentials", "--virtual-cluster-identifier", cluster_id,
        "--endpoint-identifier", endpoint_id, "--execution-role-arn", ROLE, "--credential-type", "TOKEN",
    )  # fmt: skip
    assert credentials["credentials"]["token"]
    aws("delete-managed-endpoint", *of_cluster, "--id", endpoint_id)
    eventually(lambda: [one["state"] for one in emr.managed_endpoints()] == ["TERMINATED"])
    assert aws("delete-virtual-cluster", "--id", cluster_id)["id"] == cluster_id
    assert "(ResourceNotFoundException)" in aws("describe-virtual-cluster", "--id", "nothere")


def operator(cluster_id: str, **params: Any) -> Any:
    """The Amazon provider's operator for a job run."""
    from airflow.providers.amazon.aws.operators.emr import EmrContainerOperator

    return EmrContainerOperator(
        task_id="run",
        name="nightly",
        virtual_cluster_id=cluster_id,
        execution_role_arn=ROLE,
        release_label=RELEASE,
        job_driver=DRIVER,
        poll_interval=1,
        **params,
    )


def sensor(cluster_id: str, job_run_id: str, **params: Any) -> Any:
    """The Amazon provider's sensor for a job run."""
    from airflow.providers.amazon.aws.sensors.emr import EmrContainerSensor

    return EmrContainerSensor(
        task_id="wait", virtual_cluster_id=cluster_id, job_id=job_run_id, poll_interval=1, poke_interval=1, **params
    )


def check(run: TaskRun, succeeds: bool, error: str) -> None:
    """The task ended as its job run did; the provider's words differ from version to version."""
    if succeeds:
        assert run.error is None
    else:
        assert re.search(error, str(run.error))


@pytest.mark.airflow
@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("succeeds", [True, False])
def test_amazon_providers_operator_and_sensor(succeeds: bool, deferrable: bool, emr: LocalEmr, cluster_id: str) -> None:
    details = "" if succeeds else "boom"
    emr.script([ScriptedAttempt(running_after=0.1, ends_after=0.5, succeeded=succeeds, details=details)])
    run = run_task(lambda: operator(cluster_id, deferrable=deferrable, job_retry_max_attempts=1, tags={"a": "b"}))
    (record,) = emr.eks_job_runs()
    check(run, succeeds, DEFERRED if deferrable else "USER_ERROR - boom")
    assert run.deferred is deferrable
    assert run.result == (record["id"] if succeeds else None)
    assert (record["state"], record["tags"]) == ("COMPLETED" if succeeds else "FAILED", {"a": "b"})
    check(
        run_task(lambda: sensor(cluster_id, record["id"], deferrable=deferrable)),
        succeeds,
        DEFERRED if deferrable else "sensor failed",
    )


@pytest.mark.airflow
def test_amazon_providers_cancel_and_hook(emr: LocalEmr) -> None:
    from airflow.providers.amazon.aws.hooks.emr import EmrContainerHook
    from airflow.providers.amazon.aws.operators.emr import EmrEksCreateClusterOperator

    cluster_id = EmrEksCreateClusterOperator(
        task_id="create", virtual_cluster_name="mine", eks_cluster_name="cluster", eks_namespace="jobs"
    ).execute({})
    assert [(one["id"], one["state"]) for one in emr.virtual_clusters()] == [(cluster_id, "RUNNING")]
    emr.script([HOLD])
    task = operator(cluster_id, wait_for_completion=False)
    job_run_id = task.execute({})
    hook = EmrContainerHook(virtual_cluster_id=cluster_id)
    eventually(lambda: hook.check_query_status(job_run_id) == "RUNNING")
    task.on_kill()
    eventually(lambda: hook.check_query_status(job_run_id) == "CANCELLED")
    check(run_task(lambda: sensor(cluster_id, job_run_id)), False, "sensor failed")
    token = "the-same"
    submit = partial(hook.submit_job, "nightly", ROLE, RELEASE, DRIVER, client_request_token=token)
    assert submit() == submit()
