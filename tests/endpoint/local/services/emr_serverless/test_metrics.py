"""What CloudWatch is told of applications and job runs."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from tests.polling import eventually

ROLE = "arn:aws:iam::123456789012:role/job"
DRIVER = {"sparkSubmit": {"entryPoint": "s3://jobs/etl.py"}}
SIZES = [
    {
        "classification": "spark-defaults",
        "properties": {
            "spark.driver.cores": "1",
            "spark.driver.memory": "2g",
            "spark.executor.cores": "2",
            "spark.executor.memory": "4g",
            "spark.executor.instances": "3",
            "spark.dynamicAllocation.enabled": "false",
        },
    }
]
WARM = {"DRIVER": (2, "2 vCPU", "8 GB"), "EXECUTOR": (1, "4 vCPU", "16 GB")}
JOBS = [
    f"{state}Jobs" for state in ("Submitted", "Pending", "Scheduled", "Success", "Failed", "Cancelling", "Cancelled")
]


class Metrics:
    """The metrics of the application ``etl``."""

    def __init__(self, emr: LocalEmr, **members: Any) -> None:
        emr.configure(seconds_per_minute=0.01)
        self._client, self._cloudwatch = emr.client("emr-serverless"), emr.client("cloudwatch")
        # Small minutes end the time that a job run may take and an application may be idle, too.
        self.application_id = self._client.create_application(
            name="etl",
            releaseLabel="emr-7.9.0",
            autoStopConfiguration={"enabled": False},
            **{"type": "SPARK", "clientToken": "a", "runtimeConfiguration": SIZES, **members},
        )["applicationId"]

    def run(self, **members: Any) -> str:
        given = {"jobDriver": DRIVER, "executionRoleArn": ROLE, "executionTimeoutMinutes": 10000, **members}
        return str(self._client.start_job_run(applicationId=self.application_id, **given)["jobRunId"])

    def value(self, name: str, **dimensions: str) -> float | None:
        """The latest value, ``None``: there is none."""
        named = {"ApplicationId": self.application_id, "ApplicationName": "etl", **dimensions}
        at = datetime.now(timezone.utc)
        (answer,) = self._cloudwatch.get_metric_data(
            MetricDataQueries=[
                {
                    "Id": "a",
                    "MetricStat": {
                        "Metric": {
                            "Namespace": "AWS/EMRServerless",
                            "MetricName": name,
                            "Dimensions": [{"Name": key, "Value": value} for key, value in sorted(named.items())],
                        },
                        "Period": 1,
                        "Stat": "Maximum",
                    },
                }
            ],
            StartTime=at - timedelta(minutes=5),
            EndTime=at + timedelta(minutes=1),
            ScanBy="TimestampDescending",
        )["MetricDataResults"]
        return float(answer["Values"][0]) if answer["Values"] else None

    def names(self) -> set[str]:
        pages = self._cloudwatch.get_paginator("list_metrics").paginate(Namespace="AWS/EMRServerless")
        return {metric["MetricName"] for page in pages for metric in page["Metrics"]}


def test_an_application_and_its_job_run(emr: LocalEmr) -> None:
    emr.script(attempts=[ScriptedAttempt(hold=True)])
    warm = {
        kind: {"workerCount": count, "workerConfiguration": {"cpu": cpu, "memory": memory, "disk": "20 GB"}}
        for kind, (count, cpu, memory) in WARM.items()
    }
    limit = {"cpu": "16 vCPU", "memory": "64 GB"}
    metrics = Metrics(emr, initialCapacity=warm, maximumCapacity=limit)
    job_run_id = metrics.run(name="load")
    eventually(lambda: metrics.value("RunningJobs") == 1)

    # One of the two drivers and the executor are pre-initialized, the other two executors are not.
    found = {name: metrics.value(name) for name in ("RunningWorkerCount", "IdleWorkerCount", "TotalWorkerCount")}
    assert found == {"RunningWorkerCount": 4, "IdleWorkerCount": 1, "TotalWorkerCount": 5}
    assert metrics.value("CPUAllocated") == 2 * 2 + 4 + 2 * 2
    assert metrics.value("MaxCPUAllowed") == 16
    assert metrics.value("MaxMemoryAllowed") == 64
    assert metrics.value("MaxStorageAllowed") is None
    assert {metrics.value(name) for name in JOBS} == {0}

    def by_type(name: str, **dimensions: str) -> list[float | None]:
        return [
            metrics.value(name, WorkerType=worker_type, CapacityAllocationType=capacity, **dimensions)
            for worker_type in ("Spark_Driver", "Spark_Executor")
            for capacity in ("PreInitCapacity", "OnDemandCapacity")
        ]

    assert by_type("RunningWorkerCount") == [1, 0, 1, 2]
    assert by_type("IdleWorkerCount") == [1, 0, 0, 0]
    assert by_type("CPUAllocated") == [4, 0, 4, 4]
    job = {"JobId": job_run_id, "JobName": "load"}
    assert by_type("WorkerCpuAllocated", **job) == [2, None, 4, 4]
    assert by_type("WorkerEphemeralStorageAllocated", **job) == [20, None, 20, 40]
    emr.finish(job_run_id)
    eventually(lambda: (metrics.value("RunningJobs"), metrics.value("RunningWorkerCount")) == (0, 0))
    assert metrics.value("IdleWorkerCount") == 3


@pytest.mark.parametrize(("succeeded", "name"), [(True, "SuccessJobs"), (False, "FailedJobs")])
def test_a_job_run_that_has_ended_counts_in_its_minute(emr: LocalEmr, succeeded: bool, name: str) -> None:
    emr.script(attempts=[ScriptedAttempt(succeeded=succeeded)])
    metrics = Metrics(emr)
    metrics.run()

    eventually(lambda: metrics.value(name) == 1)
    eventually(lambda: metrics.value(name) == 0)


def test_of_hive_there_are_sums(emr: LocalEmr) -> None:
    emr.script(attempts=[ScriptedAttempt(hold=True)])
    metrics = Metrics(emr, type="HIVE", runtimeConfiguration=[])
    locations = (
        "--hiveconf hive.exec.scratchdir=s3://b/scratch --hiveconf hive.metastore.warehouse.dir=s3://b/warehouse"
    )
    metrics.run(jobDriver={"hive": {"query": "SELECT 1", "parameters": locations}})
    eventually(lambda: metrics.value("RunningJobs") == 1)

    assert (metrics.value("RunningWorkerCount") or 0) > 1
    assert not {name for name in metrics.names() if name.startswith("Worker")}


def test_an_application_that_does_nothing_is_not_told_of(emr: LocalEmr) -> None:
    emr.script(attempts=[ScriptedAttempt(hold=True)])
    idle, busy = Metrics(emr), Metrics(emr, clientToken="b")
    busy.run()
    eventually(lambda: busy.value("RunningJobs") == 1)

    assert idle.application_id != busy.application_id
    assert idle.value("RunningJobs") is None
