"""The logs of executors, which are threads of the driver: what the threads log that run tasks; and the event log."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_emrs_ext.local.runners.spark.java import find_runtime
from airflow_emrs_ext.local.runners.spark.launch import free_port, java_command
from airflow_emrs_ext.local.testing import LocalEmr, local_emr
from tests.polling import eventually
from tests.spark_sessions import start_session
from tests.system.test_spark_runner import Cluster

pytestmark = [pytest.mark.spark, pytest.mark.timeout(300)]

JOB = """
import sys
from pyspark.sql import SparkSession
def fail(row):
    print("printed by a task", file=sys.stderr)
    raise ValueError(f"bad row {row}")
SparkSession.builder.getOrCreate().sparkContext.parallelize([7], 1).map(fail).collect()
"""
EXECUTOR = "SPARK_EXECUTOR/1/stderr"
MONITORING = {
    "s3MonitoringConfiguration": {"logUri": "s3://code/logs/"},
    "cloudWatchLoggingConfiguration": {"enabled": True, "logTypes": {"SPARK_EXECUTOR": ["STDERR"]}},
}
LINE = re.compile(r"\d\d/\d\d/\d\d \d\d:\d\d:\d\d (INFO|WARN|ERROR) (\S+): ")
LEVEL = {"classification": "spark-driver-log4j2", "properties": {"rootLogger.level": "error"}}
OWN = {
    "classification": "spark-defaults",
    "properties": {"spark.driver.extraJavaOptions": "-Dlog4j2.configurationFile=/no/such/log4j2.properties"},
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with local_emr(runner="spark", application_start_seconds=0.05, scheduling_seconds=0.02) as emr:
        for bucket in ("code", "data"):
            emr.client("s3").create_bucket(Bucket=bucket)
        yield Cluster(emr)


def failed(cluster: Cluster, *configuration: dict[str, Any]) -> str:
    overrides = {"monitoringConfiguration": MONITORING, "applicationConfiguration": list(configuration)}
    run_id = cluster.submit(cluster.code("job.py", JOB), configurationOverrides=overrides)
    assert cluster.reached(run_id)["state"] == "FAILED"
    return run_id


def test_an_executor_s_log_has_what_its_tasks_log(cluster: Cluster) -> None:
    run_id = failed(cluster)
    note, *lines = cluster.log(run_id, EXECUTOR).splitlines()
    driver = cluster.log(run_id, "SPARK_DRIVER/stderr")

    assert note.startswith("Note: executors are threads of the driver here.")
    events = [found for line in lines if (found := LINE.match(line))]
    assert {("INFO", "Executor"), ("ERROR", "Executor")} <= {(event[1], event[2]) for event in events}
    assert LINE.match(lines[0])
    assert "SparkContext" not in {event[2] for event in events}
    assert "SparkContext" in {event[2] for event in LINE.finditer(driver)}
    assert any("Exception in task 0.0 in stage 0.0" in line for line in lines)
    assert "ValueError: bad row 7" in {line.strip() for line in lines}
    # Nothing is there that is not in the log of the process.
    assert set(lines) <= set(driver.splitlines())
    assert "printed by a task" in driver
    assert cluster.log(run_id, "SPARK_EXECUTOR/1/stdout") == ""

    stream = f"/applications/{cluster.application_id}/jobs/{run_id}/SPARK_EXECUTOR/1/stderr"
    logs = cluster.emr.client("logs")
    streams = logs.describe_log_streams(logGroupName="/aws/emr-serverless")["logStreams"]
    assert [one["logStreamName"] for one in streams] == [stream]
    delivered = logs.get_log_events(logGroupName="/aws/emr-serverless", logStreamName=stream, startFromHead=True)
    assert [event["message"] for event in delivered["events"]] == [line or " " for line in [note, *lines]]

    ids = {"applicationId": cluster.application_id, "jobRunId": run_id}
    url = urllib.parse.urlsplit(cluster.client.get_dashboard_for_job_run(**ids)["url"])
    page = urllib.parse.urlunsplit(url._replace(path=f"{url.path}/logs/{EXECUTOR}.gz"))
    with urllib.request.urlopen(page, timeout=30) as answer:
        assert answer.read().decode() == cluster.log(run_id, EXECUTOR)


def test_a_history_server_reads_the_event_log(cluster: Cluster, tmp_path: Path) -> None:
    run_id = failed(cluster)
    prefix = f"logs/applications/{cluster.application_id}/jobs/{run_id}/sparklogs/"
    for item in cluster.s3.list_objects_v2(Bucket="code", Prefix=prefix)["Contents"]:
        path = tmp_path / item["Key"].removeprefix(prefix)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(cluster.s3.get_object(Bucket="code", Key=item["Key"])["Body"].read())
    runtime, port = find_runtime(), free_port()
    settings = {"fs.logDirectory": str(tmp_path), "fs.update.interval": "1s", "ui.port": str(port)}
    options = [f"-Dspark.history.{name}={value}" for name, value in settings.items()]
    command = java_command(
        runtime, "org.apache.spark.deploy.history.HistoryServer", [], heap_mb=512, java_options=options
    )
    url = f"http://127.0.0.1:{port}/api/v1/applications"

    def listed() -> list[dict[str, Any]]:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            return list(json.load(answer))
        return []

    environ = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_HOME": str(runtime.spark_home)}
    with subprocess.Popen(command, env=environ, cwd=tmp_path, stderr=subprocess.DEVNULL) as server:
        try:
            (application,) = eventually(listed, within=60)
        finally:
            server.kill()
    assert application["id"] == f"{run_id}-1"
    assert application["attempts"][0]["completed"] is True


def test_the_levels_of_the_job_hold_for_it(cluster: Cluster) -> None:
    run_id = failed(cluster, LEVEL)
    lines = cluster.log(run_id, EXECUTOR).splitlines()[1:]

    assert {found[1] for line in lines if (found := LINE.match(line))} == {"ERROR"}
    assert set(lines) <= set(cluster.log(run_id, "SPARK_DRIVER/stderr").splitlines())


def test_a_configuration_that_the_job_brings_stays_its_own(cluster: Cluster) -> None:
    run_id = failed(cluster, OWN)

    assert "unless the job brings a Log4j configuration of its own" in cluster.log(run_id, EXECUTOR)
    assert len(cluster.log(run_id, EXECUTOR).splitlines()) == 1


def test_a_session_s_executors_have_a_log_too(cluster: Cluster) -> None:
    emr: LocalEmr = cluster.emr
    monitoring = {"s3MonitoringConfiguration": {"logUri": "s3://code/logs/"}}
    application_id, session_id = start_session(emr, monitoringConfiguration=monitoring)
    emr.client("emr-serverless").terminate_session(applicationId=application_id, sessionId=session_id)
    prefix = f"logs/applications/{application_id}/sessions/{session_id}/SPARK_EXECUTOR/1/"

    def keys() -> list[str]:
        found = cluster.s3.list_objects_v2(Bucket="code", Prefix=prefix).get("Contents", ())
        return [item["Key"].removeprefix(prefix) for item in found]

    eventually(lambda: keys() == ["stderr.gz", "stdout.gz"], within=60)
