"""Dagster's Pipes clients: real Spark jobs that report to the asset that started them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import boto3
import dagster
import dagster_pipes
import pytest
from dagster_aws.pipes import (
    PipesCloudWatchMessageReader,
    PipesEMRContainersClient,
    PipesEMRServerlessClient,
    PipesS3MessageReader,
)

from airflow_emrs_ext.local.pytest_plugin import isolate_from_aws
from airflow_emrs_ext.local.testing import LocalEmr, local_emr
from tests.called import as_client

CLIENT = f"dagster-aws {version('dagster-aws')}"
ROLE = "arn:aws:iam::123456789012:role/jobs"
JOB = """
import sys

import boto3
from dagster_pipes import PipesS3MessageWriter, open_dagster_pipes
from pyspark.sql import SparkSession

options = {"message_writer": PipesS3MessageWriter(client=boto3.client("s3"))} if sys.argv[1] == "s3" else {}
with open_dagster_pipes(**options) as pipes:
    rows = SparkSession.builder.getOrCreate().range(pipes.get_extra("rows")).count()
    pipes.report_asset_materialization(metadata={"rows": rows})
    if sys.argv[2] == "fail":
        raise ValueError("no such column")
"""

pytestmark = [pytest.mark.spark, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def spark() -> Iterator[LocalEmr]:
    with local_emr(runner="spark", application_start_seconds=0.05, scheduling_seconds=0.02) as emr:
        s3 = emr.client("s3")
        s3.create_bucket(Bucket="code")
        s3.put_object(Bucket="code", Key="job.py", Body=JOB.encode())
        s3.put_object(Bucket="code", Key="dagster_pipes.py", Body=Path(dagster_pipes.__file__).read_bytes())
        yield emr


@pytest.fixture
def _aws(spark: LocalEmr, monkeypatch: pytest.MonkeyPatch) -> None:
    isolate_from_aws(monkeypatch)
    for name, value in as_client(spark).items():
        monkeypatch.setenv(name, value)


def submit(*arguments: str) -> dict[str, Any]:
    return {
        "entryPoint": "s3://code/job.py",
        "entryPointArguments": list(arguments),
        "sparkSubmitParameters": "--py-files s3://code/dagster_pipes.py",
    }


def materialize(client: dagster.PipesClient, params: dict[str, Any]) -> dagster.ExecuteInProcessResult:
    # Dagster reads the annotation of a context itself, and knows no names.
    @dagster.asset
    def counted(context) -> Any:  # type: ignore[no-untyped-def]
        return client.run(context=context, start_job_run_params=params, extras={"rows": 7}).get_materialize_result()

    return dagster.materialize([counted], raise_on_error=False)


def rows(result: dagster.ExecuteInProcessResult) -> list[Any]:
    return [one.materialization.metadata["rows"].value for one in result.get_asset_materialization_events()]


def error(result: dagster.ExecuteInProcessResult) -> str:
    (failure,) = (event.step_failure_data.error for event in result.all_node_events if event.is_step_failure)
    return str(failure.to_string())


@pytest.mark.usefixtures("_aws")
@pytest.mark.parametrize("how", ["succeed", "fail"])
def test_serverless(how: str, spark: LocalEmr) -> None:
    """`PipesEMRServerlessClient`, messages in CloudWatch Logs: jobs that succeed and fail"""
    made = spark.client("emr-serverless").create_application(
        releaseLabel="emr-7.5.0",
        type="SPARK",
        monitoringConfiguration={"cloudWatchLoggingConfiguration": {"enabled": True}},
    )
    client = PipesEMRServerlessClient(message_reader=PipesCloudWatchMessageReader(), poll_interval=0.5)
    result = materialize(
        client,
        {
            "applicationId": made["applicationId"],
            "executionRoleArn": ROLE,
            "jobDriver": {"sparkSubmit": submit("cloudwatch", how)},
        },
    )
    run = spark.job_runs(made["applicationId"])[-1]
    assert result.success is (how == "succeed")
    assert run["state"] == ("SUCCESS" if result.success else "FAILED")
    assert run["tags"]["dagster/run-id"] == result.run_id
    if result.success:
        assert rows(result) == [7]
    else:
        assert "EMR Serverless job failed" in error(result)


@pytest.mark.usefixtures("_aws")
@pytest.mark.parametrize("how", ["succeed", "fail"])
def test_eks(how: str, spark: LocalEmr) -> None:
    """`PipesEMRContainersClient`, messages on S3: jobs that succeed and fail"""
    place = {"type": "EKS", "id": "cluster", "info": {"eksInfo": {"namespace": how}}}
    cluster_id = spark.client("emr-containers").create_virtual_cluster(name=how, containerProvider=place)["id"]
    reader = PipesS3MessageReader(bucket="code", client=boto3.client("s3"), interval=0.2)
    client = PipesEMRContainersClient(message_reader=reader, waiter_config={"Delay": 1, "MaxAttempts": 300})
    result = materialize(
        client,
        {
            "virtualClusterId": cluster_id,
            "executionRoleArn": ROLE,
            "releaseLabel": "emr-7.5.0-latest",
            "name": "counted",
            "jobDriver": {"sparkSubmitJobDriver": submit("s3", how)},
        },
    )
    (run,) = spark.eks_job_runs(cluster_id)
    assert result.success is (how == "succeed")
    assert run["state"] == ("COMPLETED" if result.success else "FAILED")
    assert rows(result) == ([7] if result.success else [])
    if not result.success:
        assert "failed with state FAILED" in error(result)
