"""Steps of EMR on EC2 on real Spark: what they run, how they end, what they say, and where their logs are."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_emrs_ext.local.testing import LocalEmr, local_emr
from airflow_emrs_ext.shared.states import StepState
from tests.polling import eventually

pytestmark = [pytest.mark.spark, pytest.mark.timeout(600)]

WORDS = """
import sys
from helping import shout
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
words = spark.read.text(sys.argv[1]).selectExpr("explode(split(value, ' ')) as word")
words.groupBy("word").count().write.json(sys.argv[2])
print(shout("id"), spark.sparkContext.applicationId, "slots", spark.sparkContext.defaultParallelism, *sys.argv[3:])
"""

REPORT = """
CREATE TABLE sold (item STRING, pieces INT) USING csv LOCATION 's3://data/${name}';
INSERT INTO sold VALUES ('pen', 3), ('ink', 4);
SELECT '${name}', sum(pieces) FROM sold;
"""

ENDLESS = """
import time
from pyspark.sql import SparkSession
SparkSession.builder.getOrCreate()
while True:
    time.sleep(1)
"""


class Cluster:
    """An endpoint with one cluster, and short ways to use it."""

    def __init__(self, emr: LocalEmr) -> None:
        self.client = emr.client("emr")
        self.s3 = emr.client("s3")
        self.cluster_id = str(
            self.client.run_job_flow(
                Name="jobs",
                ReleaseLabel="emr-spark-8.1.0",
                LogUri="s3://code/logs/",
                Instances={"KeepJobFlowAliveWhenNoSteps": True},
            )["JobFlowId"]
        )

    def code(self, name: str, text: str) -> str:
        self.s3.put_object(Bucket="code", Key=name, Body=text.encode())
        return f"s3://code/{name}"

    def add(self, *arguments: str) -> str:
        jar_step = {"Jar": "command-runner.jar", "Args": list(arguments)}
        step = {"Name": arguments[0], "ActionOnFailure": "CONTINUE", "HadoopJarStep": jar_step}
        return str(self.client.add_job_flow_steps(JobFlowId=self.cluster_id, Steps=[step])["StepIds"][0])

    def status(self, step_id: str) -> dict[str, Any]:
        status: dict[str, Any] = self.client.describe_step(ClusterId=self.cluster_id, StepId=step_id)["Step"]["Status"]
        return status

    def ended(self, step_id: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            status = self.status(step_id)
            return status if StepState(status["State"]).is_terminal else None

        return eventually(look, within=280)

    def log(self, step_id: str, name: str = "stdout") -> str:
        key = f"logs/{self.cluster_id}/steps/{step_id}/{name}.gz"
        return gzip.decompress(self.s3.get_object(Bucket="code", Key=key)["Body"].read()).decode()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with local_emr(
        runner="spark", application_start_seconds=0.02, scheduling_seconds=0.02, check_responses=True
    ) as emr:
        for bucket in ("code", "data"):
            emr.client("s3").create_bucket(Bucket=bucket)
        yield Cluster(emr)


def test_steps_run_on_spark(cluster: Cluster) -> None:
    cluster.s3.put_object(Bucket="data", Key="text/a.txt", Body=b"a rose is a rose")
    helping = cluster.code("helping.py", "def shout(text):\n    return text.upper()\n")
    words, endless = cluster.code("words.py", WORDS), cluster.code("endless.py", ENDLESS)
    options = f"--deploy-mode cluster --py-files {helping} --num-executors 3".split()
    options += ["--conf", "spark.app.name=a b"]
    counted = cluster.add("spark-submit", *options, words, "s3://data/text", "s3://data/counts", "--conf", "x")
    summed = cluster.add("spark-sql", "-d", "name=sold", "-f", cluster.code("report.sql", REPORT))
    failing = cluster.add("spark-submit", cluster.code("failing.py", "raise ValueError('no rows for 2024-01-31')"))
    missing = cluster.add("/usr/bin/spark-submit", "--no-such-option", "x", words)
    stopped = cluster.add("spark-submit", endless)

    for step_id in (counted, summed):
        assert cluster.ended(step_id)["State"] == "COMPLETED", cluster.log(step_id, "stderr")
    assert cluster.log(counted).splitlines() == [f"ID {counted} slots 3 --conf x"]
    assert "Note: spark.submit.deployMode=cluster is ignored" in cluster.log(counted, "stderr")
    assert "Step succeeded with exitCode 0" in cluster.log(counted, "controller")
    written = cluster.s3.list_objects_v2(Bucket="data", Prefix="counts/")["Contents"]
    assert any(item["Key"] == "counts/_SUCCESS" for item in written)
    assert cluster.log(summed).split() == ["sold", "7"]

    for step_id, message in (
        (failing, "ValueError: no rows for 2024-01-31"),
        (missing, "HadoopJarStep.Args: unknown option --no-such-option"),
    ):
        status = cluster.ended(step_id)
        assert (status["State"], status["FailureDetails"]["Message"]) == ("FAILED", message)
        bucket, _, key = status["FailureDetails"]["LogFile"].removeprefix("s3://").partition("/")
        assert cluster.s3.get_object(Bucket=bucket, Key=key)
    assert "raise ValueError" in cluster.log(failing) + cluster.log(failing, "stderr")

    eventually(lambda: cluster.status(stopped)["State"] == "RUNNING", within=200)
    cluster.client.cancel_steps(ClusterId=cluster.cluster_id, StepIds=[stopped])
    assert cluster.ended(stopped)["State"] == "CANCELLED"
    assert "Step was cancelled" in cluster.log(stopped, "controller")
