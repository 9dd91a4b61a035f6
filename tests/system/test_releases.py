"""Each release label runs on its own Spark: what small expressions come to is what that Spark makes of them."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from airflow_emrs_ext.local.runners.spark.java import SparkRuntime, find_runtime
from airflow_emrs_ext.local.runners.spark.launch import java_command
from airflow_emrs_ext.local.runners.spark.runtimes import DIRECTORY_VARIABLE, installed
from airflow_emrs_ext.local.runners.spark.warm_up import cache_dir
from airflow_emrs_ext.local.testing import LocalEmr, local_emr
from tests.polling import eventually
from tests.spark_sessions import ROLE, start_session
from tests.system.test_spark_runner import FORMATS, LOGS, Cluster

pytestmark = [pytest.mark.spark, pytest.mark.timeout(600), pytest.mark.by_hand]

EXPRESSIONS = Path(__file__).parent / "spark_jobs" / "expressions.py"
# Not where an endpoint looks: the other tests are about the Spark of their environment.
RUNTIMES = cache_dir() / "runtimes-of-tests"
# What settings cannot bring back.
DIFFERENT_WITH_SETTINGS = {
    *("version", "pandas to int", "void column in parquet"),
    *("interval overflow", "timestamp to tinyint"),
    *("listagg", "string_agg", "dayname", "parse_json", "collation", "shift operator", "try_to_date", "randstr"),
    *("is_valid_utf8", "time", "current_time", "try_parse_url", "pipe"),
}


@pytest.fixture(scope="module")
def spark_3_5() -> SparkRuntime:
    environ = {**os.environ, DIRECTORY_VARIABLE: str(RUNTIMES)}
    if not installed(environ):
        command = [sys.executable, "-m", "airflow_emrs_ext.local", "runtimes", "install", "emr-7.9.0"]
        subprocess.run(command, env=environ, check=True)
    (runtime,) = installed(environ)
    return runtime


def test_one_that_is_installed_is_left_as_it_is(spark_3_5: SparkRuntime) -> None:
    """Drivers may run on it."""
    before = spark_3_5.python.lstat().st_mtime_ns
    command = [sys.executable, "-m", "airflow_emrs_ext.local", "runtimes", "install", "3.5"]
    environ = {**os.environ, DIRECTORY_VARIABLE: str(RUNTIMES)}
    done = subprocess.run(command, env=environ, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Spark 3.5.6, Python ")
    assert "is installed; `emrs-local runtimes remove 3.5` before another" in done.stdout
    assert spark_3_5.python.lstat().st_mtime_ns == before


@pytest.fixture(scope="module")
def jars_dir() -> Path:
    """A folder with real Iceberg, which a package carries."""
    folder = RUNTIMES / "jars"
    if not any(folder.glob("iceberg-spark-runtime-3.5_2.12-*.jar")):
        with tempfile.TemporaryDirectory() as scratch:
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", scratch]
            subprocess.run([*pip, "snowpark-connect-deps-iceberg==1.0.2"], check=True)
            with zipfile.ZipFile(next(Path(scratch).glob("*.whl"))) as wheel:
                jar = next(name for name in wheel.namelist() if "/iceberg-spark-runtime-3.5_2.12-" in name)
                folder.mkdir(parents=True, exist_ok=True)
                (folder / Path(jar).name).write_bytes(wheel.read(jar))
    return folder


@pytest.fixture(scope="module")
def emr(spark_3_5: SparkRuntime, jars_dir: Path) -> Iterator[LocalEmr]:
    with endpoint(RUNTIMES, jars_dir=jars_dir) as emr:
        yield emr


@pytest.fixture(scope="module")
def cluster(emr: LocalEmr) -> Cluster:
    return Cluster(emr, release="emr-7.9.0")


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """On a machine without the release's Spark."""
    with endpoint(tmp_path_factory.mktemp("no-runtimes")) as emr:
        yield Cluster(emr, release="emr-7.9.0")


@contextmanager
def endpoint(runtimes: Path, **options: Any) -> Iterator[LocalEmr]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(DIRECTORY_VARIABLE, str(runtimes))
        options = {**options, "scheduling_seconds": 0.01, "application_start_seconds": 0.01}
        with local_emr("spark", **options) as emr:
            for bucket in ("code", "data"):
                emr.client("s3").create_bucket(Bucket=bucket)
            yield emr


@pytest.fixture(scope="module")
def of_3_5(spark_3_5: SparkRuntime, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What Spark 3.5 makes of the expressions, without the endpoint."""
    return plain(spark_3_5, tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def of_4_1(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return plain(find_runtime(), tmp_path_factory.mktemp("plain"))


def plain(runtime: SparkRuntime, directory: Path) -> dict[str, str]:
    command = java_command(
        runtime,
        "org.apache.spark.deploy.SparkSubmit",
        ["--master", "local[2]", "--conf", "spark.ui.enabled=false", str(EXPRESSIONS)],
        heap_mb=800,
    )
    # A process that has had a Spark Connect session has SPARK_CONNECT_MODE_ENABLED from then on.
    others = {name: value for name, value in os.environ.items() if not name.startswith("SPARK_")}
    environ = {**others, "PYSPARK_PYTHON": str(runtime.python), "SPARK_LOCAL_IP": "127.0.0.1"}
    done = subprocess.run(command, cwd=directory, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return results(done.stdout)


def results(stdout: str) -> dict[str, str]:
    line = next(line for line in stdout.splitlines() if line.startswith("RESULTS "))
    return dict(json.loads(line.removeprefix("RESULTS ")))


def evaluated(cluster: Cluster) -> tuple[dict[str, str], dict[str, Any], str]:
    """What a job run makes of the expressions, the job run, and the note in its log."""
    job = cluster.code("expressions.py", EXPRESSIONS.read_text())
    run = cluster.succeeded(cluster.submit(job, configurationOverrides=LOGS))
    note = cluster.log(run["jobRunId"], "SPARK_DRIVER/stderr").splitlines()[0]
    return results(cluster.log(run["jobRunId"])), run, note


def test_spark_3_5_and_4_differ_in_forty_expressions(of_3_5: dict[str, str], of_4_1: dict[str, str]) -> None:
    assert of_3_5["version"].startswith("3.5.")
    assert len([name for name in of_3_5 if of_3_5[name] != of_4_1[name]]) >= 80


def test_a_label_of_emr_7_runs_on_spark_3_5(cluster: Cluster, of_3_5: dict[str, str]) -> None:
    found, run, note = evaluated(cluster)

    assert found == of_3_5
    assert run["stateDetails"] == "Job completed successfully."
    assert note == (
        "Note: emr-7.9.0 has Spark 3.5.5, Python 3.9 and Java 17; this runs on Spark 3.5.6,"
        f" Python {sys.version_info.major}.{sys.version_info.minor} and Java 17"
    )


def test_a_label_of_spark_4_runs_on_spark_4(emr: LocalEmr, of_4_1: dict[str, str]) -> None:
    found, run, note = evaluated(Cluster(emr, release="emr-spark-8.1.0"))

    assert found == of_4_1
    assert run["stateDetails"] == "Job completed successfully."
    assert note.startswith("Note: emr-spark-8.1.0 has Spark 4.1.1, Python 3.11 and Java 17; this runs on Spark 4.1.")


def test_without_its_spark_settings_stand_in_and_it_is_said(without: Cluster, of_3_5: dict[str, str]) -> None:
    found, run, note = evaluated(without)

    assert {name for name in of_3_5 if found[name] != of_3_5[name]} == DIFFERENT_WITH_SETTINGS
    assert run["stateDetails"].startswith("Ran on Spark 4.1.")
    assert run["stateDetails"].endswith(
        ", not 3.5.5 as in emr-7.9.0: `emrs-local runtimes install 3.5` brings Spark 3.5.6."
    )
    assert "settings as in Spark 3.5: results may differ" in note


def test_the_details_of_a_failure_are_the_failure_s_and_the_log_has_the_note(without: Cluster) -> None:
    job = without.code("fails.py", "raise ValueError('no rows')")
    run = without.reached(without.submit(job, configurationOverrides=LOGS))

    assert (run["state"], run["stateDetails"]) == ("FAILED", "ValueError: no rows")
    assert "results may differ" in without.log(run["jobRunId"], "SPARK_DRIVER/stderr").splitlines()[0]


def test_settings_of_the_job_outrank_those_that_stand_in(without: Cluster) -> None:
    asks = 'from pyspark.sql import SparkSession\nSparkSession.builder.getOrCreate().sql("select 1 / 0").collect()'
    parameters = "--conf spark.sql.ansi.enabled=true"
    run = without.reached(without.submit(without.code("asks.py", asks), parameters=parameters))

    assert run["state"] == "FAILED"
    assert "DIVIDE_BY_ZERO" in run["stateDetails"]


def test_everything_of_s3_works_on_spark_3_5(cluster: Cluster) -> None:
    job = cluster.code("formats.py", FORMATS)

    cluster.succeeded(cluster.submit(job, "s3://data/formats", "s3://data/special"))
    cluster.succeeded(cluster.submit(job, "s3a://data/formats-a", "s3a://data/special-a"))


TABLES = """
import time
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
spark.sql("create table t (a int)")
spark.sql("insert into t values (1)")
spark.createDataFrame([(2,)], "a int").write.saveAsTable("u")
print("rows", spark.table("t").union(spark.table("u")).count())
time.sleep(8)
"""


def test_tables_and_a_dashboard_while_it_runs(cluster: Cluster) -> None:
    run_id = cluster.submit(cluster.code("tables.py", TABLES), configurationOverrides=LOGS)
    cluster.reached(run_id, "RUNNING")
    url, page = eventually(lambda: cluster.dashboard(run_id), within=60)

    assert "Spark Jobs" in page
    assert "/history/" in url
    cluster.succeeded(run_id)
    assert "rows 2" in cluster.log(run_id)
    assert "sparklogs/eventlog_v2_local-" in str(cluster.s3.list_objects_v2(Bucket="code", Prefix="logs/")["Contents"])
    assert " INFO Executor: Running task 0.0 in stage 0.0 (TID 0)" in cluster.log(run_id, "SPARK_EXECUTOR/1/stderr")
    assert "Spark Jobs" in cluster.dashboard(run_id)[1]


def test_a_query_of_hive(emr: LocalEmr) -> None:
    cluster = Cluster(emr, "HIVE", release="emr-7.9.0")
    query = "create table t (a int); insert into t values (5); select a + 1 from t;"
    locations = (
        "--hiveconf hive.exec.scratchdir=s3://data/scratch --hiveconf hive.metastore.warehouse.dir=s3://data/warehouse"
    )
    driver = {"hive": {"query": query, "parameters": locations}}
    run = cluster.succeeded(cluster.start(driver, configurationOverrides=LOGS))

    assert "6" in cluster.log(run["jobRunId"], "HIVE_DRIVER/stdout").split()


def test_a_session_of_emr_7_says_that_it_has_no_server_of_its_spark(emr: LocalEmr) -> None:
    application_id, session_id = start_session(emr, monitoringConfiguration=LOGS["monitoringConfiguration"])
    with connected(emr, application_id, session_id) as spark:
        assert spark.sql("select cast('a' as int)").collect()[0][0] is None
    terminate(emr, application_id, session_id)
    key = f"logs/applications/{application_id}/sessions/{session_id}/SPARK_DRIVER/stderr.gz"
    log = gzip.decompress(emr.client("s3").get_object(Bucket="code", Key=key)["Body"].read()).decode()
    assert "No package has a Spark Connect server of Spark 3.5" in log.splitlines()[0]


def test_a_session_has_the_jars_that_its_application_names(emr: LocalEmr, jars_dir: Path) -> None:
    """By their path in the service's image: any jar, as the registries have no table format for Spark 4."""
    (jar,) = jars_dir.glob("iceberg-spark-runtime-*.jar")
    defaults = {"classification": "spark-defaults", "properties": {"spark.jars": f"/usr/share/aws/tools/{jar.name}"}}
    ids = start_session(emr, clientToken="jars", runtimeConfiguration=[defaults])
    with connected(emr, *ids) as spark:
        row = spark.sql("select reflect('org.apache.iceberg.IcebergBuild', 'version')").collect()[0]
        assert row[0] in jar.name
    terminate(emr, *ids)


def test_a_session_whose_jar_is_not_there_fails(emr: LocalEmr) -> None:
    defaults = {"classification": "spark-defaults", "properties": {"spark.jars": "/usr/lib/hudi/hudi-spark-bundle.jar"}}
    client = emr.client("emr-serverless")
    application_id = client.create_application(
        type="SPARK",
        releaseLabel="emr-7.13.0",
        clientToken="no-jar",
        interactiveConfiguration={"sessionEnabled": True},
        runtimeConfiguration=[defaults],
    )["applicationId"]
    ids = {"applicationId": application_id}
    ids["sessionId"] = client.start_session(**ids, executionRoleArn=ROLE, clientToken="no-jar")["sessionId"]
    eventually(lambda: client.get_session(**ids)["session"]["state"] == "FAILED", within=60)

    assert client.get_session(**ids)["session"]["stateDetails"].startswith(
        "spark.jars /usr/lib/hudi/hudi-spark-bundle.jar is a jar of the service's image: put hudi-spark"
    )


@contextmanager
def connected(emr: LocalEmr, application_id: str, session_id: str) -> Iterator[Any]:
    from pyspark.sql.connect.session import SparkSession

    endpoint = emr.client("emr-serverless").get_session_endpoint(applicationId=application_id, sessionId=session_id)
    remote = f"sc://{endpoint['endpoint'].removeprefix('http://')}/;x-aws-proxy-auth={endpoint['authToken']}"
    spark = SparkSession.builder.remote(remote).create()
    yield spark
    spark.stop()


def terminate(emr: LocalEmr, application_id: str, session_id: str) -> None:
    client, ids = emr.client("emr-serverless"), {"applicationId": application_id, "sessionId": session_id}
    client.terminate_session(**ids)
    eventually(lambda: client.get_session(**ids)["session"]["state"] == "TERMINATED", within=60)


ICEBERG = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
spark.sql("create table lake.db.orders (id bigint, state string, day date) using iceberg partitioned by (day)")
spark.sql("insert into lake.db.orders values (1, 'new', date'2026-01-01'), (2, 'new', date'2026-01-02')")
spark.createDataFrame([(2, "paid"), (3, "new")], "id bigint, state string").createOrReplaceTempView("changes")
spark.sql('''
    merge into lake.db.orders o using changes c on o.id = c.id
    when matched then update set o.state = c.state
    when not matched then insert (id, state, day) values (c.id, c.state, date'2026-01-03')
''')
print("rows", [tuple(row) for row in spark.sql("select id, state from lake.db.orders order by id").collect()])
print("snapshots", spark.sql("select count(*) from lake.db.orders.snapshots").collect()[0][0])
first = spark.sql("select snapshot_id from lake.db.orders.snapshots order by committed_at").collect()[0][0]
print("before", spark.sql(f"select count(*) from lake.db.orders version as of {first}").collect()[0][0])
"""


def test_iceberg_from_create_to_merge(cluster: Cluster) -> None:
    """With the path and the properties of the service's own guide, but for the catalog, which is on S3."""
    parameters = (
        "--conf spark.jars=/usr/share/aws/iceberg/lib/iceberg-spark3-runtime.jar"
        " --conf spark.sql.extensions=org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
        " --conf spark.sql.catalog.lake=org.apache.iceberg.spark.SparkCatalog"
        " --conf spark.sql.catalog.lake.type=hadoop --conf spark.sql.catalog.lake.warehouse=s3://data/lake"
    )
    job = cluster.code("iceberg.py", ICEBERG)
    run = cluster.succeeded(cluster.submit(job, parameters=parameters, configurationOverrides=LOGS))

    assert cluster.log(run["jobRunId"]).splitlines()[-3:] == [
        "rows [(1, 'new'), (2, 'paid'), (3, 'new')]",
        "snapshots 2",
        "before 2",
    ]
    assert any(key.endswith(".metadata.json") for key in cluster.keys("lake/db/orders/"))


@pytest.mark.parametrize(
    ("parameters", "details"),
    [
        (
            "--jars /usr/share/aws/delta/lib/delta-spark.jar",
            "spark.jars /usr/share/aws/delta/lib/delta-spark.jar is a jar of the service's image:"
            " put delta-spark_2.12-*.jar into ",
        ),
        ("--jars s3://code/none.jar", "spark.jars s3://code/none.jar does not exist"),
        ("--jars /none.jar", "spark.jars /none.jar does not exist on this machine"),
        ("--py-files s3://code/none.zip", "spark.submit.pyFiles s3://code/none.zip does not exist"),
        ("--packages org.example:none:1", "--packages org.example:none:1: no Maven repository is named."),
    ],
)
def test_what_is_not_there_fails_the_job_run(cluster: Cluster, parameters: str, details: str) -> None:
    run = cluster.reached(cluster.submit(cluster.code("one.py", "print(1)"), parameters=parameters))

    assert run["state"] == "FAILED"
    assert run["stateDetails"].startswith(details)


def test_packages_come_from_a_repository_that_is_named(cluster: Cluster, tmp_path: Path) -> None:
    folder = tmp_path / "org" / "example" / "tool" / "1.0"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "tool-1.0.jar", "w") as jar:
        jar.writestr("tool.txt", "it is here")
    (folder / "tool-1.0.pom").write_text(
        "<project><modelVersion>4.0.0</modelVersion><groupId>org.example</groupId>"
        "<artifactId>tool</artifactId><version>1.0</version></project>"
    )
    job = """
from pyspark.sql import SparkSession
context = SparkSession.builder.getOrCreate().sparkContext
loader = context._jvm.Thread.currentThread().getContextClassLoader()
print("found", loader.getResource("tool.txt") is not None)
"""
    parameters = f"--packages org.example:tool:1.0 --repositories {tmp_path.as_uri()}"
    job = cluster.code("packages.py", job)
    run = cluster.succeeded(cluster.submit(job, parameters=parameters, configurationOverrides=LOGS))

    assert "found True" in cluster.log(run["jobRunId"])
