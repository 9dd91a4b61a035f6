"""What a task shows and says of drivers of real Spark: failures of each kind, and a log that is followed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from airflow_emrs_ext.exceptions import JobRunFailed
from airflow_emrs_ext.job_spec import configuration_overrides, spark_submit
from airflow_emrs_ext.local.testing import LocalEmr, local_emr
from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from tests.running import TaskRun, run_task

pytestmark = [pytest.mark.spark, pytest.mark.airflow, pytest.mark.timeout(300)]

ROLE = "arn:aws:iam::123456789012:role/job"
SMALL = {"spark.executor.instances": "1", "spark.driver.cores": "1", "spark.executor.cores": "1"}
UPLOAD_SECONDS = 1.0

# Each says its attempt: the first leaves a marker on S3.
EACH_ATTEMPT = """
import sys, boto3
from pyspark.sql import SparkSession

s3 = boto3.client("s3")
number = s3.list_objects_v2(Bucket="data", Prefix=sys.argv[1]).get("KeyCount", 0) + 1
s3.put_object(Bucket="data", Key=f"{sys.argv[1]}/{number}")
frame = SparkSession.builder.getOrCreate().range(3)


def check(count):
    raise ValueError(f"attempt {number} counted {count}")


check(frame.count())
"""
MODULE = "import no_such_module\n"
PATH = """
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
spark.read.json("s3://data/not-there").show()
"""
WORKER = """
from pyspark.sql import SparkSession


def parse(row):
    return 1 // (row - 7)


SparkSession.builder.getOrCreate().sparkContext.parallelize([7], 1).map(parse).collect()
"""
# Java's compiler is no part of a runtime; Spark's own is part of Spark.
COMPILE = '''
import io, zipfile, boto3
from pyspark.sql import SparkSession
compiler = SparkSession.builder.getOrCreate().sparkContext._jvm.org.codehaus.janino.SimpleCompiler()
compiler.cook("""
package com.acme;
public class Report {
    static void ratio() { throw new IllegalStateException("no ratio", new ArithmeticException("/ by zero")); }
    public static void main(String[] arguments) { ratio(); }
}
""")
classes = compiler.getBytecodes()
packed = io.BytesIO()
with zipfile.ZipFile(packed, "w") as jar:
    for name in classes: jar.writestr(name.replace(".", "/") + ".class", bytes(classes[name]))
boto3.client("s3").put_object(Bucket="data", Key="report.jar", Body=packed.getvalue())
'''
SLOW = """
import time
from pyspark.sql import SparkSession

SparkSession.builder.getOrCreate().range(1).count()
for number in range(6):
    print("row", number, "at", time.time(), flush=True)
    time.sleep(1)
"""

IN_BOTH_MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
Said = Callable[[], str]


@pytest.fixture(scope="module")
def spark() -> Iterator[LocalEmr]:
    with local_emr(
        "spark", application_start_seconds=0.05, scheduling_seconds=0.02, log_refresh_seconds=UPLOAD_SECONDS
    ) as emr:
        s3 = emr.client("s3")
        for bucket in ("data", "logs"):
            s3.create_bucket(Bucket=bucket)
        for name in ("EACH_ATTEMPT", "MODULE", "PATH", "WORKER", "COMPILE", "SLOW"):
            s3.put_object(Bucket="data", Key=f"{name.lower()}.py", Body=globals()[name].encode())
        yield emr


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Said:
    caplog.set_level("INFO")
    return lambda: caplog.text + capsys.readouterr().out


@pytest.fixture
def start(spark: LocalEmr, monkeypatch: pytest.MonkeyPatch) -> Callable[..., TaskRun]:
    for name, value in spark.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__DRIVER_LOG_INTERVAL", str(UPLOAD_SECONDS))
    created = run_task(
        lambda: EmrServerlessCreateApplicationOperator(
            task_id="create",
            name="driver-logs",
            release_label="emr-7.9.0",
            reuse_existing=True,
            monitoring_configuration={"s3MonitoringConfiguration": {"logUri": "s3://logs/"}},
            waiter_delay=0.2,
        )
    )

    def run(name: str, *arguments: str, **more: Any) -> TaskRun:
        given: dict[str, Any] = {
            "task_id": "a_task",
            "application_id": created.result["application_id"],
            "execution_role_arn": ROLE,
            "job_driver": spark_submit(f"s3://data/{name}.py", arguments),
            "configuration_overrides": configuration_overrides(spark_defaults=SMALL),
            "waiter_delay": 0.5,
            # Each start is one of its own.
            "client_request_token": f"{name}-{time.time_ns()}",
            **more,
        }
        return run_task(lambda: EmrServerlessStartJobRunOperator(**given))

    return run


@pytest.mark.smoke
@IN_BOTH_MODES
def test_each_attempts_exception_and_line(start: Callable[..., TaskRun], said: Said, deferrable: bool) -> None:
    marker = f"marker-{deferrable}"
    task = start("each_attempt", marker, retry_policy={"maxAttempts": 2}, deferrable=deferrable)
    line = EACH_ATTEMPT.splitlines().index('    raise ValueError(f"attempt {number} counted {count}")') + 1
    assert isinstance(task.error, JobRunFailed)
    assert f"ValueError: attempt 2 counted 3 (each_attempt.py, line {line}, in check)" in str(task.error)
    logged = said()
    for number in (1, 2):
        assert f"ValueError: attempt {number} counted 3" in logged
        assert re.search(rf"Driver log of attempt {number}, s3://logs/.*/attempts/{number}/SPARK_DRIVER/stdout", logged)
    assert logged.count(f'each_attempt.py", line {line}, in check') >= 2


@pytest.mark.parametrize(
    ("name", "exception", "place", "advice"),
    [
        ("module", "ModuleNotFoundError: No module named 'no_such_module'", "module.py, line 1", "--py-files"),
        (
            "path",
            "AnalysisException: [PATH_NOT_FOUND] Path does not exist: s3://data/not-there",
            "path.py, line 5",
            "task upstream",
        ),
        ("worker", "ZeroDivisionError: integer division or modulo by zero", "worker.py, line 6, in parse", ""),
    ],
)
def test_what_failed_where_and_what_to_do(
    start: Callable[..., TaskRun], said: Said, name: str, exception: str, place: str, advice: str
) -> None:
    task = start(name)
    assert isinstance(task.error, JobRunFailed)
    diagnosis = task.error.facts["diagnosis"]
    assert diagnosis["exception"].startswith(exception)
    assert diagnosis["place"] == place
    assert exception in str(task.error)
    assert f"({place})" in str(task.error)
    assert advice in str(task.error)
    assert exception in said()


def test_a_java_exception_and_its_chain(start: Callable[..., TaskRun], said: Said) -> None:
    assert start("compile").error is None
    task = start("", job_driver=spark_submit("s3://data/report.jar", class_name="com.acme.Report"))
    assert isinstance(task.error, JobRunFailed)
    assert "java.lang.ArithmeticException: / by zero" in str(task.error)
    logged = said()
    assert 'Exception in thread "main" java.lang.IllegalStateException: no ratio' in logged
    assert "Caused by: java.lang.ArithmeticException: / by zero" in logged


@IN_BOTH_MODES
def test_a_line_is_followed_soon_after_it_is_written(
    start: Callable[..., TaskRun],
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    deferrable: bool,
) -> None:
    caplog.set_level("INFO")
    task = start("slow", show_driver_logs="live", deferrable=deferrable)
    assert task.error is None
    # Airflow 2 logs through the standard library; Airflow 3 prints, with the time in front.
    shown = [(record.created, record.getMessage()) for record in caplog.records]
    if not any("[stdout] row" in message for _, message in shown):
        printed = re.findall(r"^(\S+)Z \S* *\S*\] *(\[stdout\] .*?at [\d.]+)", capsys.readouterr().out, re.MULTILINE)
        shown = [(datetime.fromisoformat(f"{moment}+00:00").timestamp(), message) for moment, message in printed]
    rows = [(at, message.split()) for at, message in shown if message.startswith("[stdout] row ")]
    assert [words[2] for _, words in rows] == [str(number) for number in range(6)]
    late = max(at - float(words[4]) for at, words in rows)
    print(f"shown {late:.1f} s after it was written, at the latest")
    assert late < 20
