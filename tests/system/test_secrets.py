"""Properties that refer to secrets of AWS Secrets Manager, on real Spark."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator

import pytest

from airflow_emrs_ext.local.testing import LocalEmr, local_emr
from airflow_emrs_ext.resources.diagnosis import diagnose
from tests.system.test_spark_runner import LOGS, Cluster

pytestmark = [pytest.mark.spark, pytest.mark.timeout(300)]

JOB = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
conf = spark.sparkContext.getConf()
print("seen", conf.get("spark.reader.key") == "s3cr3t-value", conf.get("spark.hadoop.x.password") == "s3cr3t-value")
print("told", [row[1] for row in spark.sql("set").collect() if row[0] == "spark.reader.key"])
"""


@pytest.fixture(scope="module")
def emr() -> Iterator[LocalEmr]:
    with local_emr("spark", application_start_seconds=0.05, scheduling_seconds=0.02) as emr:
        for bucket in ("code", "data"):
            emr.client("s3").create_bucket(Bucket=bucket)
        yield emr


@pytest.fixture(scope="module")
def cluster(emr: LocalEmr) -> Cluster:
    return Cluster(emr)


@pytest.fixture(scope="module")
def suffix(emr: LocalEmr) -> str:
    """What Secrets Manager has added to the secret's name."""
    answer = emr.client("secretsmanager").create_secret(Name="metastore", SecretString="s3cr3t-value")
    return str(answer["ARN"].rpartition("-")[2])


def test_a_job_gets_the_secret_and_nobody_else_sees_it(cluster: Cluster, suffix: str) -> None:
    """By the name as the guide has it, with the suffix, and by the plain name."""
    parameters = (
        f"--conf spark.hadoop.x.password=EMR.secret@metastore-{suffix} --conf spark.reader.key=EMR.secret@metastore"
    )
    job = cluster.code("secrets.py", JOB)
    run = cluster.succeeded(cluster.submit(job, parameters=parameters, configurationOverrides=LOGS))

    said = cluster.log(run["jobRunId"])
    assert "seen True True" in said
    assert "told ['*********(redacted)']" in said
    assert "s3cr3t-value" not in said + cluster.log(run["jobRunId"], "SPARK_DRIVER/stderr") + str(run)
    assert_hidden(cluster, run["jobRunId"])


def test_a_query_of_hive_gets_it(emr: LocalEmr, suffix: str) -> None:
    hive = Cluster(emr, "HIVE")
    parameters = (
        "--hiveconf hive.exec.scratchdir=s3://data/scratch --hiveconf hive.metastore.warehouse.dir=s3://data/warehouse"
        f" --hiveconf reader.key=EMR.secret@metastore-{suffix}"
    )
    query = "select reflect('java.lang.System', 'getProperty', 'spark.hadoop.reader.key') = 's3cr3t-value';"
    run = hive.succeeded(hive.start({"hive": {"query": query, "parameters": parameters}}, configurationOverrides=LOGS))
    assert hive.log(run["jobRunId"], "HIVE_DRIVER/stdout").split() == ["true"]
    assert_hidden(hive, run["jobRunId"])


def assert_hidden(cluster: Cluster, job_run_id: str) -> None:
    """The page of the UI with all properties, those of Hadoop too, does not show the secret."""
    address, _ = cluster.dashboard(job_run_id)
    with urllib.request.urlopen(f"{address.partition('/jobs')[0].rstrip('/')}/environment/", timeout=60) as page:
        text = page.read().decode()
    assert "reader.key" in text
    assert "s3cr3t-value" not in text


@pytest.mark.parametrize("name", ["none", "metastore-AbCdEf"])
def test_a_job_fails_whose_secret_is_not_there(cluster: Cluster, suffix: str, name: str) -> None:
    job = cluster.code("secrets.py", JOB)
    run = cluster.reached(cluster.submit(job, parameters=f"--conf spark.reader.key=EMR.secret@{name}"))

    assert run["state"] == "FAILED"
    assert run["stateDetails"].startswith(f"The secret {name} of AWS Secrets Manager could not be retrieved")
    assert "EMR.secret@<ARN>" in str(diagnose(run["state"], run["stateDetails"], service="emr-serverless"))
