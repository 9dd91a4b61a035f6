"""EMR on EKS job runs on real Spark: how they end, what they say, and where their logs are."""

from __future__ import annotations

import gzip
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_emrs_ext.local.testing import LocalEmr, local_emr
from airflow_emrs_ext.shared.states import EksJobRunState
from tests.polling import eventually

pytestmark = [pytest.mark.spark, pytest.mark.timeout(300)]

ROLE = "arn:aws:iam::123456789012:role/job"
RELEASE = "emr-spark-8.1.0-latest"

WORDS = """
import os, sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
words = spark.read.text(sys.argv[1]).selectExpr("explode(split(value, ' ')) as word")
words.groupBy("word").count().write.json(sys.argv[2])
print("id", spark.sparkContext.applicationId, "slots", spark.sparkContext.defaultParallelism)
print("variable", os.environ["MY_VARIABLE"])
"""

RETRIED = """
import boto3
s3 = boto3.client("s3")
if "Contents" not in s3.list_objects_v2(Bucket="data", Prefix="retried"):
    s3.put_object(Bucket="data", Key="retried")
    raise RuntimeError("the first time")
print("the second time")
"""

REPORT = """
CREATE TABLE sold (item STRING, pieces INT) USING csv LOCATION 's3://data/${name}';
INSERT INTO sold VALUES ('pen', 3), ('ink', 4);
SELECT '${name}', sum(pieces) FROM sold;
"""


class Cluster:
    """An endpoint with one virtual cluster, and short ways to use it."""

    def __init__(self, emr: LocalEmr) -> None:
        self.client = emr.client("emr-containers")
        self.emr = emr
        self.s3 = emr.client("s3")
        provider = {"type": "EKS", "id": "cluster", "info": {"eksInfo": {"namespace": "jobs"}}}
        self.cluster_id = str(self.client.create_virtual_cluster(name="jobs", containerProvider=provider)["id"])

    def code(self, name: str, text: str) -> str:
        self.s3.put_object(Bucket="code", Key=name, Body=text.encode())
        return f"s3://code/{name}"

    def submit(self, entry_point: str, *arguments: str, parameters: str = "", **more: Any) -> str:
        driver = {"entryPoint": entry_point, "entryPointArguments": list(arguments)}
        if parameters:
            driver["sparkSubmitParameters"] = parameters
        return self.start(
            executionRoleArn=ROLE,
            releaseLabel=RELEASE,
            jobDriver={"sparkSubmitJobDriver": driver},
            configurationOverrides=LOGS,
            **more,
        )

    def start(self, **params: Any) -> str:
        return str(self.client.start_job_run(virtualClusterId=self.cluster_id, **params)["id"])

    def ended(self, job_run_id: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            run: dict[str, Any] = self.client.describe_job_run(virtualClusterId=self.cluster_id, id=job_run_id)[
                "jobRun"
            ]
            return run if EksJobRunState(run["state"]).is_terminal else None

        return eventually(look, within=200)

    def completed(self, job_run_id: str) -> dict[str, Any]:
        run = self.ended(job_run_id)
        assert run["state"] == "COMPLETED", run["stateDetails"]
        return run

    def log(self, job_run_id: str, name: str = "stdout", attempt: int = 1) -> str:
        (run,) = (one for one in self.emr.eks_job_runs(self.cluster_id) if one["id"] == job_run_id)
        path = run["attempts"][attempt - 1]["logPath"]
        suffix = path.rpartition("/")[2].removeprefix(f"spark-{job_run_id}")
        key = f"logs/{path}/spark-{job_run_id}-driver{suffix}/{name}.gz"
        return gzip.decompress(self.s3.get_object(Bucket="code", Key=key)["Body"].read()).decode()


LOGS: dict[str, Any] = {"monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": "s3://code/logs/"}}}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with local_emr(runner="spark", scheduling_seconds=0.02, eks_retry_seconds=0.1, check_responses=True) as emr:
        for bucket in ("code", "data"):
            emr.client("s3").create_bucket(Bucket=bucket)
        yield Cluster(emr)


def test_a_pyspark_job_reads_and_writes_s3(cluster: Cluster) -> None:
    cluster.s3.put_object(Bucket="data", Key="text/a.txt", Body=b"a rose is a rose")
    run_id = cluster.submit(
        cluster.code("words.py", WORDS),
        "s3://data/text",
        "s3://data/counts",
        parameters="--conf spark.executor.instances=3 --conf spark.executor.cores=2"
        " --conf spark.kubernetes.driverEnv.MY_VARIABLE=x --conf spark.kubernetes.container.image=mine",
    )
    run = cluster.completed(run_id)
    assert "failureReason" not in run
    assert run["finishedAt"] > run["createdAt"]
    (record,) = cluster.emr.eks_job_runs()
    assert record["attempts"][0]["logPath"] == f"{cluster.cluster_id}/jobs/{run_id}/containers/spark-{run_id}"
    assert cluster.log(run_id).splitlines() == [f"id spark-{run_id} slots 6", "variable x"]
    assert "Note: spark.kubernetes.container.image=mine is ignored" in cluster.log(run_id, "stderr")
    written = cluster.s3.list_objects_v2(Bucket="data", Prefix="counts/")["Contents"]
    assert any(item["Key"] == "counts/_SUCCESS" for item in written)


def test_pi_of_the_service_image_and_its_persistent_ui(cluster: Cluster) -> None:
    run_id = cluster.submit("local:///usr/lib/spark/examples/src/main/python/pi.py", "2")
    cluster.completed(run_id)
    assert cluster.log(run_id).startswith("Pi is roughly 3.1")
    uis = cluster.emr.client("emr")
    arn = cluster.client.describe_virtual_cluster(id=cluster.cluster_id)["virtualCluster"]["arn"]
    ui = uis.create_persistent_app_ui(TargetResourceArn=arn, EMRContainersConfig={"JobRunId": run_id})
    url = uis.get_persistent_app_ui_presigned_url(PersistentAppUIId=ui["PersistentAppUIId"])["PresignedURL"]
    with urllib.request.urlopen(url, timeout=60) as page:
        assert "/history/spark-" in page.url
        assert b"Spark Jobs" in page.read()


def test_a_failure_says_why(cluster: Cluster) -> None:
    failing = cluster.submit(cluster.code("failing.py", "raise ValueError('no rows for 2024-01-31')"))
    module = cluster.submit(cluster.code("module.py", "import no_such_module"))
    missing = cluster.submit("s3://code/none.py")
    reasons = {
        failing: "ValueError: no rows for 2024-01-31",
        module: "ModuleNotFoundError: No module named 'no_such_module'. Please refer to the user guide on how to use"
        " python libraries with EMR on EKS.",
        missing: "entryPoint s3://code/none.py does not exist",
    }
    for run_id, details in reasons.items():
        run = cluster.ended(run_id)
        assert (run["state"], run["failureReason"], run["stateDetails"]) == ("FAILED", "USER_ERROR", details)
    assert "Traceback" in cluster.log(failing) + cluster.log(failing, "stderr")


def test_a_retry_succeeds_and_each_attempt_has_its_logs(cluster: Cluster) -> None:
    run_id = cluster.submit(cluster.code("retried.py", RETRIED), retryPolicyConfiguration={"maxAttempts": 3})
    run = cluster.completed(run_id)
    assert run["retryPolicyExecution"] == {"currentAttemptCount": 2}
    assert "RuntimeError: the first time" in cluster.log(run_id, attempt=1) + cluster.log(run_id, "stderr", 1)
    assert cluster.log(run_id, attempt=2) == "the second time\n"


def test_spark_sql_from_a_template(cluster: Cluster) -> None:
    template = cluster.client.create_job_template(
        name="report",
        jobTemplateData={
            "executionRoleArn": ROLE,
            "releaseLabel": RELEASE,
            "jobDriver": {
                "sparkSqlJobDriver": {
                    "entryPoint": "s3://code/${file}.sql",
                    "sparkSqlParameters": "--conf spark.executor.instances=${executors} --hivevar name=${table}",
                }
            },
            "configurationOverrides": LOGS,
            "parameterConfiguration": {"executors": {"type": "NUMBER", "defaultValue": "1"}},
        },
    )["id"]
    cluster.code("report.sql", REPORT)
    cluster.code("wrong.sql", "SELECT * FROM no_such_table")

    def start(file: str) -> str:
        return cluster.start(jobTemplateId=template, jobTemplateParameters={"file": file, "table": "sales"})

    good, wrong = start("report"), start("wrong")
    cluster.completed(good)
    assert cluster.log(good) == "sales\t7\n"
    assert cluster.s3.list_objects_v2(Bucket="data", Prefix="sales/")["KeyCount"] > 0
    run = cluster.ended(wrong)
    assert run["state"] == "FAILED"
    assert run["stateDetails"].startswith("[TABLE_OR_VIEW_NOT_FOUND]")
