"""Real Spark behind the local endpoint: what a job run can do, how it ends, and that nothing is left of it."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import signal
import sys
import tarfile
import time
import urllib.request
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_emrs_ext.local.testing import LocalEmr, local_emr
from airflow_emrs_ext.shared.states import JobRunState
from tests.endpoint.local.server.test_web_pages import PAGES, ask
from tests.polling import eventually

# One group: the tests look at job runs that are submitted once, whatever the number of processes.
pytestmark = [pytest.mark.spark, pytest.mark.timeout(300)]

ROLE = "arn:aws:iam::123456789012:role/job"
RELEASE = "emr-7.10.0"
# Small workers, so that several job runs fit into the account's vCPUs at once.
SIZES = {
    "spark.driver.cores": "1",
    "spark.driver.memory": "2g",
    "spark.executor.cores": "1",
    "spark.executor.memory": "2g",
    "spark.executor.instances": "2",
}
TEXT = "the quick brown fox jumps over the lazy dog the end\n" * 200

WORDS = """
import os, sys, boto3
from pyspark.sql import SparkSession
import splitting
spark = SparkSession.builder.getOrCreate()
source, target, *empty = sys.argv[1:]
assert empty == [""], empty
words = spark.sparkContext.textFile(source).flatMap(splitting.words).map(lambda word: (word, 1))
counts = words.reduceByKey(lambda a, b: a + b).toDF(["word", "count"])
counts.write.json(target)
print("slots", spark.sparkContext.defaultParallelism, "setting", spark.conf.get("spark.my.setting"))
print("variable", os.environ["MY_VARIABLE"], "python", os.environ["PACKED"])
print("files", open("extra/data.txt").read(), open("note.txt").read())
print("boto3 sees", [b["Name"] for b in boto3.client("s3").list_buckets()["Buckets"]])
print("credentials", os.environ["AWS_ACCESS_KEY_ID"], os.environ.get("AWS_PROFILE"))
"""

FORMATS = """
import sys
from pyspark.sql import SparkSession, functions as F
spark = SparkSession.builder.getOrCreate()
base, special = sys.argv[1], "a b+c%20/ü:#?"
frame = spark.range(100).withColumn("k", F.col("id") % 2).withColumn("s", F.concat(F.lit(special), "k"))
def read(kind, path): return spark.read.format(kind).load(f"{base}/{path}").count()
frame.write.parquet(f"{base}/parquet")
try:
    frame.write.parquet(f"{base}/parquet")
    raise SystemExit("overwritten unasked")
except Exception as error:
    assert "PATH_ALREADY_EXISTS" in str(error), error
frame.write.mode("append").parquet(f"{base}/parquet"); assert read("parquet", "parquet") == 200
frame.write.mode("overwrite").parquet(f"{base}/parquet"); assert read("parquet", "parquet") == 100
frame.write.partitionBy("k", "s").parquet(f"{base}/partitioned")
back = spark.read.parquet(f"{base}/partitioned")
assert {row.s for row in back.select("s").distinct().collect()} == {f"{special}0", f"{special}1"}
spark.conf.set("spark.sql.sources.partitionOverwriteMode", "dynamic")
frame.where("k = 1").limit(5).write.mode("overwrite").partitionBy("k", "s").parquet(f"{base}/partitioned")
assert read("parquet", "partitioned") == 55
frame.drop("s").write.csv(f"{base}/csv"); assert read("csv", "csv") == 100
frame.write.option("mapreduce.fileoutputcommitter.algorithm.version", "1").json(f"{base}/json")
assert read("json", "json") == 100
frame.select("s").write.text(f"{base}/text"); assert read("text", "text") == 100
frame.where("false").write.orc(f"{base}/empty"); assert spark.read.orc(f"{base}/empty").count() == 0
stream = spark.readStream.schema("id long").json(f"{base}/json").writeStream.format("json")
stream = stream.option("checkpointLocation", f"{base}/checkpoint").trigger(availableNow=True)
stream.start(f"{base}/stream").awaitTermination()
assert spark.read.json(f"{base}/stream").count() == 100
# With pandas 3 and a Spark before 4.2 the missing text becomes the text "nan", and the pandas API fails.
import pandas
words = spark.createDataFrame(pandas.DataFrame({"n": [1, 2], "word": ["b", None]})).orderBy("n")
assert [row.word for row in words.collect()] == ["b", None], words.collect()
assert words.pandas_api().sort_values("n")["n"].tolist() == [1, 2]
"""

# Java's compiler is no part of a runtime; Spark's own is part of Spark.
COMPILE = '''
import io, sys, zipfile, boto3
from pyspark.sql import SparkSession
jvm = SparkSession.builder.getOrCreate().sparkContext._jvm
compiler = jvm.org.codehaus.janino.SimpleCompiler()
compiler.cook("""
package org.example;
public class Main {
    public static void main(String[] arguments) {
        org.apache.spark.sql.SparkSession spark = org.apache.spark.sql.SparkSession.builder().getOrCreate();
        System.out.println("counted " + spark.read().text(arguments[0]).count());
        if (arguments.length > 1) throw new IllegalStateException("cannot go on", new RuntimeException(arguments[1]));
    }
}
""")
classes = compiler.getBytecodes()
packed = io.BytesIO()
with zipfile.ZipFile(packed, "w") as jar:
    for name in classes: jar.writestr(name.replace(".", "/") + ".class", bytes(classes[name]))
boto3.client("s3").put_object(Bucket="code", Key="main.jar", Body=packed.getvalue())
'''

FAILING = {
    "module": "import no_such_module",
    "path": "from pyspark.sql import SparkSession\nSparkSession.builder.getOrCreate().read.json('s3://data/none').show()",
    "exit": "print('nothing to do')\nraise SystemExit(3)",
    "function": (
        "from pyspark.sql import SparkSession\n"
        "def f(x): raise ValueError(f'bad row {x}')\n"
        "SparkSession.builder.getOrCreate().sparkContext.parallelize([7], 1).map(f).collect()"
    ),
    "bucket": "from pyspark.sql import SparkSession\nSparkSession.builder.getOrCreate().read.json('s3://no-such-bucket/x')",
}
REASONS = {
    "module": "ModuleNotFoundError: No module named 'no_such_module'. Please refer to the user guide on how to use",
    "path": "[PATH_NOT_FOUND] Path does not exist: s3://data/none",
    "exit": "The driver exited with status 3; its last line of output: nothing to do",
    "function": "ValueError: bad row 7",
    "bucket": "The bucket no-such-bucket does not exist",
    "entry point": "entryPoint s3://code/none.py does not exist",
    "packages": "--packages org.example:x:1: no Maven repository is named",
    "option": "sparkSubmitParameters: unknown option --nonsense",
    "class": "org.example.None",
}

RETRIED = """
import boto3
s3 = boto3.client("s3")
if "Contents" not in s3.list_objects_v2(Bucket="data", Prefix="retried"):
    s3.put_object(Bucket="data", Key="retried")
    raise RuntimeError("the first time")
print("the second time")
"""

WAITING = """
import os, subprocess, sys, time
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
child = subprocess.Popen(["sleep", "600"], start_new_session=False)
open(sys.argv[1] + ".ui", "w").write(spark.sparkContext.uiWebUrl)
spark.sparkContext.parallelize([0], 1).map(lambda x: x).collect()
open(sys.argv[1], "w").write(f"{os.getpid()} {os.getppid()} {child.pid}")
spark.sparkContext.parallelize([0], 1).map(lambda _: time.sleep(600)).collect()
"""


class Cluster:
    """An endpoint with one application, and short ways to use it."""

    def __init__(self, emr: LocalEmr, kind: str = "SPARK", release: str = RELEASE) -> None:
        self.emr = emr
        self.client = emr.client("emr-serverless")
        self.s3 = emr.client("s3")
        classification = {"classification": "spark-defaults", "properties": SIZES}
        self.application_id = self.client.create_application(
            type=kind,
            releaseLabel=release,
            clientToken=f"{kind}-{release}",
            runtimeConfiguration=[classification] if kind == "SPARK" else [],
            schedulerConfiguration={"maxConcurrentRuns": 3},
        )["applicationId"]
        eventually(lambda: self._state() == "CREATED")

    def _state(self) -> str:
        return str(self.client.get_application(applicationId=self.application_id)["application"]["state"])

    def code(self, name: str, text: str) -> str:
        self.s3.put_object(Bucket="code", Key=name, Body=text.encode())
        return f"s3://code/{name}"

    def start(self, driver: dict[str, Any], **more: Any) -> str:
        answer = self.client.start_job_run(
            applicationId=self.application_id,
            executionRoleArn=ROLE,
            clientToken=os.urandom(8).hex(),
            jobDriver=driver,
            **more,
        )
        return str(answer["jobRunId"])

    def submit(self, entry_point: str, *arguments: str, parameters: str = "", **more: Any) -> str:
        driver = {"entryPoint": entry_point, "entryPointArguments": list(arguments)}
        if parameters:
            driver["sparkSubmitParameters"] = parameters
        return self.start({"sparkSubmit": driver}, **more)

    def run(self, job_run_id: str) -> dict[str, Any]:
        return dict(self.client.get_job_run(applicationId=self.application_id, jobRunId=job_run_id)["jobRun"])

    def reached(self, job_run_id: str, *states: str) -> dict[str, Any]:
        """The job run as soon as it is in one of these states, or in one that it never leaves."""

        def look() -> dict[str, Any] | None:
            run = self.run(job_run_id)
            return run if run["state"] in states or JobRunState(run["state"]).is_terminal else None

        return eventually(look, within=200)

    def succeeded(self, job_run_id: str) -> dict[str, Any]:
        run = self.reached(job_run_id)
        assert run["state"] == "SUCCESS", run["stateDetails"]
        return run

    def log(self, job_run_id: str, name: str = "SPARK_DRIVER/stdout", attempt: str = "") -> str:
        key = f"logs/applications/{self.application_id}/jobs/{job_run_id}{attempt}/{name}.gz"
        return gzip.decompress(self.s3.get_object(Bucket="code", Key=key)["Body"].read()).decode()

    def keys(self, prefix: str) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket="data", Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", ())]

    def dashboard(self, job_run_id: str) -> tuple[str, str]:
        """Where the dashboard's URL leads, and the page."""
        url = self.client.get_dashboard_for_job_run(applicationId=self.application_id, jobRunId=job_run_id)["url"]
        with urllib.request.urlopen(url, timeout=60) as page:
            return page.url, page.read().decode()


LOGS: dict[str, Any] = {"monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": "s3://code/logs/"}}}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[LocalEmr]:
    with local_emr(runner="spark", application_start_seconds=0.05, scheduling_seconds=0.02) as emr:
        for bucket in ("code", "data"):
            emr.client("s3").create_bucket(Bucket=bucket)
        yield emr


@pytest.fixture(scope="module")
def cluster(endpoint: LocalEmr) -> Cluster:
    return Cluster(endpoint)


@pytest.fixture(scope="module")
def runs(cluster: Cluster) -> dict[str, str]:
    """Job runs that nobody has to wait for one by one: name to id."""
    cluster.s3.put_object(Bucket="data", Key="text/a.txt", Body=TEXT.encode())
    library, archive = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(library, "w") as packed:
        packed.writestr("splitting.py", "def words(line):\n    return line.split()\n")
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("data.txt", "unpacked")
    cluster.s3.put_object(Bucket="code", Key="library.zip", Body=library.getvalue())
    cluster.s3.put_object(Bucket="code", Key="archive.zip", Body=archive.getvalue())
    cluster.code("note.txt", "copied")
    python = f'#!/bin/sh\nPACKED=yes exec {sys.executable} "$@"\n'.encode()
    with tarfile.open(fileobj=(environment := io.BytesIO()), mode="w:gz") as packed_environment:
        member = tarfile.TarInfo("bin/python")
        member.mode, member.size = 0o755, len(python)
        packed_environment.addfile(member, io.BytesIO(python))
    cluster.s3.put_object(Bucket="code", Key="python.tar.gz", Body=environment.getvalue())
    cloudwatch = {"cloudWatchLoggingConfiguration": {"enabled": True}}
    defaults = {"spark.my.setting": "overridden", "spark.executorEnv.MY_VARIABLE": "x"}
    submitted = {
        "pi": cluster.submit(
            "/usr/lib/spark/examples/jars/spark-examples.jar",
            "2",
            parameters="--class org.apache.spark.examples.SparkPi",
            configurationOverrides=LOGS,
        ),
        "words": cluster.submit(
            cluster.code("words.py", WORDS),
            "s3://data/text",
            "s3a://data/counts",
            "",
            parameters="--py-files s3://code/library.zip "
            "--archives s3://code/archive.zip#extra,s3://code/python.tar.gz#packed "
            "--conf spark.my.setting=given --files s3://code/note.txt "
            "--driver-java-options '-XX:+UseG1GC -XX:+NoSuchOption' --conf spark.pyspark.python=./packed/bin/python",
            configurationOverrides={
                "applicationConfiguration": [{"classification": "spark-defaults", "properties": {**SIZES, **defaults}}],
                "monitoringConfiguration": {**LOGS["monitoringConfiguration"], **cloudwatch},
            },
        ),
        "compile": cluster.submit(cluster.code("compile.py", COMPILE)),
        "retried": cluster.submit(
            cluster.code("retried.py", RETRIED), retryPolicy={"maxAttempts": 3}, configurationOverrides=LOGS
        ),
        "entry point": cluster.submit("s3://code/none.py"),
        "packages": cluster.submit("s3://code/words.py", parameters="--packages org.example:x:1"),
        "option": cluster.submit("s3://code/words.py", parameters="--nonsense"),
        "s3": cluster.submit(cluster.code("formats.py", FORMATS), "s3://data/with-s3-ü ß"),
        "s3a": cluster.submit("s3://code/formats.py", "s3a://data/with-s3a-ü ß"),
    }
    for name, code in FAILING.items():
        submitted[name] = cluster.submit(cluster.code(f"{name}.py", code))
    cluster.succeeded(submitted["compile"])
    submitted["jar"] = cluster.submit(
        "s3://code/main.jar", "s3://data/text", parameters="--class org.example.Main", configurationOverrides=LOGS
    )
    submitted["java error"] = cluster.submit(
        "s3://code/main.jar", "s3://data/text", "no more", parameters="--class org.example.Main"
    )
    submitted["class"] = cluster.submit("s3://code/main.jar", parameters="--class org.example.None")
    return submitted


def test_pi_as_the_guide_submits_it(cluster: Cluster, runs: dict[str, str]) -> None:
    run = cluster.succeeded(runs["pi"])

    assert cluster.log(runs["pi"]).startswith("Pi is roughly 3.")
    assert "SparkContext" in cluster.log(runs["pi"], "SPARK_DRIVER/stderr")
    assert run["totalExecutionDurationSeconds"] > 0


def test_words_are_counted(cluster: Cluster, runs: dict[str, str]) -> None:
    cluster.succeeded(runs["words"])
    lines = [
        json.loads(line)
        for key in cluster.keys("counts/part-")
        for line in cluster.s3.get_object(Bucket="data", Key=key)["Body"].read().decode().splitlines()
    ]

    assert {line["word"]: line["count"] for line in lines} == Counter(TEXT.split())
    assert "counts/_SUCCESS" in cluster.keys("counts/")


def test_settings_variables_archives_and_clients_inside_the_job(cluster: Cluster, runs: dict[str, str]) -> None:
    cluster.succeeded(runs["words"])

    assert cluster.log(runs["words"]).splitlines() == [
        "slots 2 setting given",
        "variable x python yes",
        "files unpacked copied",
        "boto3 sees ['code', 'data']",
        "credentials test None",
    ]


def test_cloudwatch_has_the_lines_of_the_driver(cluster: Cluster, runs: dict[str, str]) -> None:
    cluster.succeeded(runs["words"])
    stream = f"/applications/{cluster.application_id}/jobs/{runs['words']}/SPARK_DRIVER/stdout"
    events = cluster.emr.client("logs").get_log_events(
        logGroupName="/aws/emr-serverless", logStreamName=stream, startFromHead=True
    )["events"]

    assert [event["message"] for event in events] == cluster.log(runs["words"]).splitlines()


@pytest.mark.parametrize("scheme", ["s3", "s3a"])
def test_formats_modes_and_special_characters(cluster: Cluster, runs: dict[str, str], scheme: str) -> None:
    cluster.succeeded(runs[scheme])
    keys = cluster.keys(f"with-{scheme}-ü ß/")

    assert "_SUCCESS" in {key.rpartition("/")[2] for key in keys}
    assert not [key for key in keys if key.endswith(("/", "$")) or "_temporary" in key or ".spark-staging" in key]
    assert not cluster.s3.list_multipart_uploads(Bucket="data").get("Uploads")


@pytest.mark.parametrize("name", REASONS)
def test_a_failure_says_why(cluster: Cluster, runs: dict[str, str], name: str) -> None:
    run = cluster.reached(runs[name])

    assert run["state"] == "FAILED"
    assert REASONS[name] in run["stateDetails"]
    assert len(run["stateDetails"]) <= 256


def test_a_jar_runs(cluster: Cluster, runs: dict[str, str]) -> None:
    cluster.succeeded(runs["jar"])

    assert cluster.log(runs["jar"]) == "counted 200\n"


def test_an_exception_in_java_says_what_caused_it(cluster: Cluster, runs: dict[str, str]) -> None:
    run = cluster.reached(runs["java error"])

    assert run["state"] == "FAILED"
    assert "java.lang.RuntimeException: no more" in run["stateDetails"]


def test_a_retry_has_logs_of_its_own(cluster: Cluster, runs: dict[str, str]) -> None:
    run = cluster.succeeded(runs["retried"])

    assert run["attempt"] == 2
    assert "RuntimeError: the first time" in cluster.log(runs["retried"], attempt="/attempts/1")
    assert cluster.log(runs["retried"], attempt="/attempts/2") == "the second time\n"


def test_a_running_job_has_a_live_ui_and_leaves_nothing_when_cancelled(cluster: Cluster, tmp_path: Path) -> None:
    waiting = cluster.submit(cluster.code("waiting.py", WAITING), str(tmp_path / "pids"))
    pids = eventually(lambda: (tmp_path / "pids").exists() and (tmp_path / "pids").read_text().split(), within=200)
    assert cluster.run(waiting)["state"] == "RUNNING"
    url, page = cluster.dashboard(waiting)
    assert "Spark Jobs" in page
    assert url.startswith(f"{cluster.emr.url}/_emrs/spark-ui/{waiting}-1/")
    # What a browser asks for to show the page comes the same way.
    paths = re.findall(r'(?:href|src)="(/[^"]*)"', page)
    assert len(paths) > 10
    assert all(path.startswith(f"/_emrs/spark-ui/{waiting}-1") for path in paths)
    for path in (*paths[:3], paths[-1], f"/_emrs/spark-ui/{waiting}-1/api/v1/applications/{waiting}-1/allexecutors"):
        with urllib.request.urlopen(f"{cluster.emr.url}{path}", timeout=60) as found:
            assert found.status == 200, path
    # Spark itself answers nobody else, and ends nothing.
    directly = (tmp_path / "pids.ui").read_text()
    for method, path in (("GET", "/jobs/"), ("GET", "/api/v1/applications"), ("POST", "/jobs/job/kill/?id=1")):
        assert ask(directly, method, path, {}, b"")[0] == 403
    assert cluster.run(waiting)["state"] == "RUNNING"

    cluster.client.cancel_job_run(applicationId=cluster.application_id, jobRunId=waiting)

    assert cluster.reached(waiting)["state"] == "CANCELLED"
    assert not [pid for pid in pids if is_alive(int(pid))]
    url, page = cluster.dashboard(waiting)
    assert f"/history/{waiting}-1/" in url
    assert "Spark Jobs" in page


@pytest.mark.parametrize("page", PAGES)
def test_no_web_page_reaches_the_files_of_jobs(cluster: Cluster, page: str) -> None:
    cluster.code("kept", "kept")
    written = "/webhdfs/v1/code/kept?op=CREATE&overwrite=true&data=true"
    for method, path in (
        ("GET", "/webhdfs/v1/code/kept?op=OPEN"),
        ("PUT", written),
        ("DELETE", "/webhdfs/v1/code?op=DELETE"),
    ):
        assert ask(cluster.emr.url, method, path, PAGES[page], b"")[0] in (403, 421)
    assert ask(cluster.emr.url, "GET", "/webhdfs/v1/code/kept?op=OPEN")[2] == b"kept"


def test_a_finished_job_is_in_the_history_server(cluster: Cluster, runs: dict[str, str]) -> None:
    cluster.succeeded(runs["pi"])
    url, page = cluster.dashboard(runs["pi"])

    assert f"/history/{runs['pi']}-1/" in url
    assert "Completed Jobs" in page


def test_hive_tables_last_from_one_job_run_to_the_next(endpoint: LocalEmr, cluster: Cluster) -> None:
    hive = Cluster(endpoint, kind="HIVE")
    query = hive.code(
        "insert.sql", "INSERT INTO t VALUES (1, 'one'), (2, '${hivevar:two}'); SELECT * FROM t ORDER BY id;"
    )
    init = hive.code("init.sql", "CREATE TABLE IF NOT EXISTS t (id int, name string);")
    site = {"hive.metastore.warehouse.dir": "s3://data/warehouse", "hive.exec.scratchdir": "s3://data/scratch"}
    overrides = {
        "applicationConfiguration": [{"classification": "hive-site", "properties": site}],
        **LOGS,
    }
    parameters = "--hivevar two=zwei --hiveconf hive.log.explain.output=false"
    first = hive.start(
        {"hive": {"query": query, "initQueryFile": init, "parameters": parameters}}, configurationOverrides=overrides
    )
    hive.succeeded(first)
    second = hive.start({"hive": {"query": "SELECT name, id FROM t WHERE id = 2"}}, configurationOverrides=overrides)
    third = hive.start({"hive": {"query": "SELECT * FROM nowhere"}}, configurationOverrides=overrides)

    hive.succeeded(second)

    assert hive.log(first, "HIVE_DRIVER/stdout") == "1\tone\n2\tzwei\n"
    assert hive.log(second, "HIVE_DRIVER/stdout") == "zwei\t2\n"
    assert "[TABLE_OR_VIEW_NOT_FOUND]" in hive.reached(third)["stateDetails"]
    assert [key for key in hive.keys("warehouse/t/") if "part-" in key]


def test_nothing_survives_an_endpoint_that_is_killed(tmp_path: Path) -> None:
    with local_emr(runner="spark", application_start_seconds=0.05, scheduling_seconds=0.02) as emr:
        for bucket in ("code", "data"):
            emr.client("s3").create_bucket(Bucket=bucket)
        cluster = Cluster(emr)
        cluster.submit(cluster.code("waiting.py", WAITING), str(tmp_path / "pids"))
        pids = eventually(lambda: (tmp_path / "pids").exists() and (tmp_path / "pids").read_text().split(), within=100)
        guard = os.getsid(int(pids[0]))
        os.kill(parent_of(guard), signal.SIGKILL)

        eventually(lambda: not [pid for pid in (*pids, guard) if is_alive(int(pid))])


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def is_alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_ending_the_endpoint_ends_its_drivers(tmp_path: Path) -> None:
    with local_emr(runner="spark", application_start_seconds=0.05, scheduling_seconds=0.02) as emr:
        emr.client("s3").create_bucket(Bucket="code")
        cluster = Cluster(emr)
        code = "import os, sys, time\nopen(sys.argv[1], 'w').write(f'{os.getpid()} {os.getppid()}')\ntime.sleep(600)"
        cluster.submit(cluster.code("plain.py", code), str(tmp_path / "pids"))
        pids = eventually(lambda: (tmp_path / "pids").exists() and (tmp_path / "pids").read_text().split(), within=100)
        began = time.monotonic()

    assert time.monotonic() - began < 10
    assert not [pid for pid in pids if is_alive(int(pid))]
