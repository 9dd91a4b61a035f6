"""Flyte's plugin for EMR Serverless: tasks that its connector runs, as it does in a cluster, in this process."""

from __future__ import annotations

import asyncio
from importlib.metadata import version

import pytest
from flytekit import task
from flytekit.exceptions.user import FlyteUserException
from flytekitplugins.awsemrserverless import EMRServerless, EMRServerlessHiveJobDriver, EMRServerlessSparkJobDriver
from flytekitplugins.awsemrserverless.connector import EMRServerlessConnector, EMRServerlessJobMetadata

from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from tests.polling import eventually

CLIENT = f"flytekitplugins-awsemrserverless {version('flytekitplugins-awsemrserverless')}"
ROLE = "arn:aws:iam::123456789012:role/jobs"
JOB = EMRServerlessSparkJobDriver(entry_point="s3://code/job.py", entry_point_arguments=["1"])
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/jobs:1"
QUERY = EMRServerlessHiveJobDriver(
    query="s3://code/query.sql",
    parameters="--hiveconf hive.exec.scratchdir=s3://code/scratch"
    " --hiveconf hive.metastore.warehouse.dir=s3://code/warehouse",
)


def run(config: EMRServerless) -> None:
    """Run a task with this configuration, and wait for its job run."""

    @task(task_config=config, container_image=IMAGE)
    def nightly() -> None: ...

    nightly()


@pytest.fixture
def application_id(emr: LocalEmr) -> str:
    made = emr.client("emr-serverless").create_application(name="my-spark", releaseLabel="emr-7.5.0", type="SPARK")
    eventually(lambda: emr.applications()[0]["state"] == "CREATED")
    return str(made["applicationId"])


def test_a_job_that_succeeds(emr: LocalEmr, application_id: str) -> None:
    """A Spark task on an application that the connector gives the task's image, and starts"""
    image = {"imageUri": IMAGE}
    run(EMRServerless(ROLE, application_id, spark_job_driver=JOB, tags={"team": "data"}, image_configuration=image))
    (record,) = emr.job_runs()
    assert record["state"] == "SUCCESS"
    assert record["jobDriver"]["sparkSubmit"]["entryPoint"] == "s3://code/job.py"
    assert record["tags"]["team"] == "data"
    assert [one["imageConfiguration"]["imageUri"] for one in emr.applications()] == [IMAGE]
    assert [call["error"] for call in emr.calls("StartApplication")] == [None]


def test_a_task_of_python(emr: LocalEmr, application_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task of Python: the connector uploads its entry point"""
    emr.client("s3").create_bucket(Bucket="code")
    monkeypatch.setenv("FLYTE_EMR_ENTRYPOINT_S3_BUCKET", "code")
    run(EMRServerless(ROLE, application_id))
    (record,) = emr.job_runs()
    (uploaded,) = emr.client("s3").list_objects_v2(Bucket="code")["Contents"]
    assert record["state"] == "SUCCESS"
    assert record["jobDriver"]["sparkSubmit"]["entryPoint"] == f"s3://code/{uploaded['Key']}"


def test_an_application_by_its_name(emr: LocalEmr, application_id: str) -> None:
    """A Spark task on an application that is found by its name"""
    run(EMRServerless(ROLE, "my-spark", spark_job_driver=JOB))
    assert [(one["applicationId"], one["state"]) for one in emr.job_runs()] == [(application_id, "SUCCESS")]


def test_an_application_of_its_own(emr: LocalEmr, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Hive task on an application that the connector creates"""
    monkeypatch.setenv("FLYTE_EMR_ALLOW_CREATE_APPLICATION", "true")
    run(EMRServerless(ROLE, application_name="hive", application_type="HIVE", hive_job_driver=QUERY))
    assert [(one["name"], one["type"]) for one in emr.applications()] == [("hive", "Hive")]
    assert [one["state"] for one in emr.job_runs()] == ["SUCCESS"]


def test_a_job_that_fails(emr: LocalEmr, application_id: str) -> None:
    """A job that fails: its details"""
    emr.script([ScriptedAttempt(succeeded=False, details="exit 3")])
    with pytest.raises(FlyteUserException, match="FAILED - exit 3"):
        run(EMRServerless(ROLE, application_id, spark_job_driver=JOB))


def test_a_job_that_is_cancelled(emr: LocalEmr, application_id: str) -> None:
    """The connector cancels a job run"""
    emr.script([ScriptedAttempt(hold=True)])
    started = emr.client("emr-serverless").start_job_run(
        applicationId=application_id, executionRoleArn=ROLE, jobDriver={"sparkSubmit": JOB.to_dict()}
    )
    eventually(lambda: emr.job_runs()[0]["state"] == "RUNNING")
    meta = EMRServerlessJobMetadata(application_id, started["jobRunId"], emr.region)
    asyncio.run(EMRServerlessConnector().delete(meta))
    eventually(lambda: emr.job_runs()[0]["state"] == "CANCELLED")
