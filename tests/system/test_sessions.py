"""Sessions on real Spark: what a client of Spark Connect meets, how a session ends, and that nothing is left of it."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from airflow_emrs_ext.local.testing import LocalEmr, local_emr
from tests.polling import eventually

pytestmark = [pytest.mark.spark, pytest.mark.timeout(300)]

connect_errors = pytest.importorskip("pyspark.errors.exceptions.connect")

ROLE = "arn:aws:iam::123456789012:role/job"
# Small workers, so that several sessions fit into the account's vCPUs at once.
SIZES = {
    "spark.driver.cores": "1",
    "spark.driver.memory": "2g",
    "spark.executor.cores": "1",
    "spark.executor.memory": "2g",
    "spark.executor.instances": "2",
}
READY = ("STARTED", "IDLE", "BUSY")
# More work than any test waits for.
ENDLESS = "select count(*) from range(10000000) a cross join range(100000) b where a.id * b.id % 7 = 3"


class Cluster:
    """An endpoint with an application for sessions, and short ways to use it."""

    def __init__(self, emr: LocalEmr) -> None:
        self.emr = emr
        self.client = emr.client("emr-serverless")
        self.application_id = self.client.create_application(
            type="SPARK",
            releaseLabel="emr-7.13.0",
            interactiveConfiguration={"sessionEnabled": True},
            runtimeConfiguration=[{"classification": "spark-defaults", "properties": SIZES}],
        )["applicationId"]

    def start(self, properties: dict[str, str] | None = None, *, until: tuple[str, ...] = READY, **params: Any) -> str:
        if properties is not None:
            params["configurationOverrides"] = {
                "runtimeConfiguration": [{"classification": "spark-defaults", "properties": {**SIZES, **properties}}]
            }
        session_id = self.client.start_session(applicationId=self.application_id, executionRoleArn=ROLE, **params)[
            "sessionId"
        ]
        self.in_state(session_id, *until)
        return str(session_id)

    def ids(self, session_id: str) -> dict[str, str]:
        return {"applicationId": self.application_id, "sessionId": session_id}

    def get(self, session_id: str) -> dict[str, Any]:
        session: dict[str, Any] = self.client.get_session(**self.ids(session_id))["session"]
        return session

    def in_state(self, session_id: str, *states: str) -> dict[str, Any]:
        return eventually(lambda: session if (session := self.get(session_id))["state"] in states else None, within=60)

    def remote(self, session_id: str) -> str:
        """A connection string with a token of its own."""
        endpoint = self.client.get_session_endpoint(**self.ids(session_id))
        return f"sc://{urlsplit(endpoint['endpoint']).netloc}/;x-aws-proxy-auth={endpoint['authToken']}"

    def connect(self, session_id: str) -> Any:
        from pyspark.sql import SparkSession

        return SparkSession.builder.remote(self.remote(session_id)).create()

    def record(self, session_id: str) -> dict[str, Any]:
        return next(session for session in self.emr.sessions() if session["sessionId"] == session_id)

    def driver_pid(self, session_id: str) -> int:
        """The process of a session's driver: the Java whose properties are in its directory."""
        wanted = f"{self.record(session_id)['workDir']}/spark.properties".encode()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    command = (entry / "cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                if wanted in command and command[0].endswith(b"/java"):
                    return int(entry.name)
        raise AssertionError("no such process")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with local_emr(
        runner="spark", application_start_seconds=0.05, scheduling_seconds=0.02, session_quiet_seconds=0.3
    ) as emr:
        emr.client("s3").create_bucket(Bucket="data")
        yield Cluster(emr)


@pytest.fixture(scope="module")
def session_id(cluster: Cluster) -> str:
    """A session that several tests use."""
    return cluster.start({"spark.my.setting": "mine"}, name="shared", idleTimeoutMinutes=0)


@pytest.fixture
def spark(cluster: Cluster, session_id: str) -> Iterator[Any]:
    spark = cluster.connect(session_id)
    yield spark
    begun = time.monotonic()
    spark.stop()
    assert time.monotonic() - begun < 2


def test_sql_dataframes_and_functions(spark: Any) -> None:
    from pyspark.sql import functions as f

    assert spark.sql("select :a + 1 as b", args={"a": 1}).collect() == [(2,)]
    assert spark.range(10).groupBy((f.col("id") % 2).alias("k")).count().count() == 2
    shout = f.udf(lambda text: f"{text}!")
    assert [row.s for row in spark.range(2).select(shout(f.col("id").cast("string")).alias("s")).collect()] == [
        "0!",
        "1!",
    ]
    assert spark.conf.get("spark.my.setting") == "mine"


def test_a_million_rows(spark: Any) -> None:
    frame = spark.range(1_000_000).selectExpr("id", "cast(id as string) as text").toPandas()
    assert len(frame) == 1_000_000
    assert frame.text.iloc[-1] == "999999"


def test_s3(spark: Any, cluster: Cluster) -> None:
    spark.range(5).write.parquet("s3://data/numbers")
    assert spark.read.parquet("s3://data/numbers").count() == 5
    assert cluster.emr.client("s3").list_objects_v2(Bucket="data", Prefix="numbers/")["KeyCount"] >= 2


def test_two_clients_share_the_session_and_not_their_views(spark: Any, cluster: Cluster, session_id: str) -> None:
    spark.range(3).createOrReplaceTempView("mine")
    spark.range(3).createOrReplaceGlobalTempView("ours")
    other = cluster.connect(session_id)
    assert other.table("global_temp.ours").count() == 3
    assert not other.catalog.tableExists("mine")
    other.stop()


def test_busy_and_idle(spark: Any, cluster: Cluster, session_id: str) -> None:
    cluster.in_state(session_id, "IDLE")
    done = threading.Event()

    def work() -> None:
        spark.sql("select count(*) from range(5000000) a cross join range(20) b where a.id * b.id % 7 = 3").collect()
        done.set()

    threading.Thread(target=work, daemon=True).start()
    cluster.in_state(session_id, "BUSY")
    assert done.wait(60)
    ended = time.monotonic()
    session = cluster.in_state(session_id, "IDLE")
    assert time.monotonic() - ended < 3
    assert session["idleSince"] > session["startedAt"]


def test_tokens_expire_and_the_next_one_serves(cluster: Cluster, session_id: str) -> None:
    longer = cluster.connect(session_id)
    longer.range(3).createOrReplaceTempView("kept")
    cluster.emr.configure(session_token_seconds=0)
    try:
        begun = time.monotonic()
        with pytest.raises(connect_errors.SparkConnectGrpcException, match="UNAUTHENTICATED"):
            cluster.connect(session_id).sql("select 1").collect()
        assert time.monotonic() - begun < 10
        assert longer.table("kept").count() == 3
    finally:
        cluster.emr.configure(session_token_seconds=3600)
    cluster.connect(session_id).sql("select 1").collect()
    longer.stop()


def test_the_port_of_the_driver_is_not_open_to_others(cluster: Cluster, session_id: str) -> None:
    from pyspark.sql import SparkSession

    properties = (Path(cluster.record(session_id)["workDir"]) / "spark.properties").read_text()
    port = next(line.partition("=")[2] for line in properties.splitlines() if "grpc.binding.port" in line)
    with pytest.raises(connect_errors.SparkConnectGrpcException, match="UNAUTHENTICATED"):
        SparkSession.builder.remote(f"sc://127.0.0.1:{port}").create().sql("select 1").collect()


def test_dashboard_while_it_runs(cluster: Cluster, session_id: str, spark: Any) -> None:
    spark.sql("select 1").collect()
    assert "shared" in _dashboard(cluster, session_id)


def _dashboard(cluster: Cluster, session_id: str) -> str:
    url = cluster.client.get_resource_dashboard(
        applicationId=cluster.application_id, resourceId=session_id, resourceType="SESSION"
    )["url"]
    with urllib.request.urlopen(url, timeout=60) as response:
        page: str = response.read().decode()
        assert response.status == 200
    return page


def _failure_of(work: Any) -> tuple[str, float]:
    """The message with which a call fails, and after how many seconds."""
    begun = time.monotonic()
    with pytest.raises(Exception) as caught:  # noqa: PT011 - a gRPC error has another type than Spark's
        work()
    return str(caught.value), time.monotonic() - begun


def test_terminated_while_it_works(cluster: Cluster) -> None:
    session_id = cluster.start(idleTimeoutMinutes=0)
    spark = cluster.connect(session_id)
    spark.sql("select 1").collect()

    def terminate() -> None:
        eventually(lambda: cluster.record(session_id)["callsInFlight"] and cluster.get(session_id)["state"] == "BUSY")
        cluster.client.terminate_session(**cluster.ids(session_id))

    ending = threading.Thread(target=terminate)
    ending.start()
    message, _ = _failure_of(lambda: spark.sql(ENDLESS).collect())
    ending.join()
    assert "FAILED_PRECONDITION" in message
    assert "terminated by request (TerminateSession)" in message
    cluster.in_state(session_id, "TERMINATED")
    message, seconds = _failure_of(lambda: spark.sql("select 1").collect())
    assert ("terminated by request" in message, seconds < 5) == (True, True)
    spark.stop()
    assert cluster.record(session_id)["billedResourceUtilization"]["vCPUHour"] > 0
    assert session_id in _dashboard(cluster, session_id)


def test_the_driver_is_lost(cluster: Cluster) -> None:
    session_id = cluster.start(idleTimeoutMinutes=0)
    spark = cluster.connect(session_id)
    spark.sql("select 1").collect()
    lost = threading.Timer(1.0, lambda: os.kill(cluster.driver_pid(session_id), signal.SIGKILL))
    lost.start()
    message, seconds = _failure_of(lambda: spark.sql(ENDLESS).collect())
    assert ("FAILED_PRECONDITION" in message, f"Session {session_id} is FAILED" in message) == (True, True), message
    assert seconds < 15
    assert cluster.in_state(session_id, "FAILED")["stateDetails"]
    spark.stop()


def test_the_idle_timeout(cluster: Cluster) -> None:
    session_id = cluster.start(idleTimeoutMinutes=1)
    cluster.in_state(session_id, "IDLE")
    cluster.emr.configure(seconds_per_minute=0.5)
    try:
        session = cluster.in_state(session_id, "TERMINATED")
    finally:
        cluster.emr.configure(seconds_per_minute=60)
    assert "idle for 1 minutes" in session["stateDetails"]


def test_a_configuration_that_cannot_be_run(cluster: Cluster) -> None:
    session_id = cluster.start({"spark.jars.packages": "a:b:1"}, until=("FAILED",))
    assert "--packages a:b:1: no Maven repository is named" in cluster.get(session_id)["stateDetails"]
    session_id = cluster.start({"spark.sql.extensions": "x", "spark.plugins": "nothing.Here"}, until=("FAILED",))
    assert "nothing.Here" in cluster.get(session_id)["stateDetails"]
    assert [change["state"] for change in cluster.record(session_id)["stateHistory"]][1:] == ["STARTING", "FAILED"]


def _is_alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_nothing_is_left() -> None:
    with local_emr(runner="spark", application_start_seconds=0.05) as emr:
        cluster = Cluster(emr)
        session_id = cluster.start()
        port = urlsplit(cluster.client.get_session_endpoint(**cluster.ids(session_id))["endpoint"]).port
        spark = cluster.connect(session_id)
        assert spark.range(3).count() == 3
        # A client would look for an endpoint that is gone for ten minutes.
        spark.stop()
        pid = cluster.driver_pid(session_id)
        begun = time.monotonic()
    assert time.monotonic() - begun < 10
    assert not _is_alive(pid)
    with pytest.raises(OSError, match="refused"), socket.create_connection(("127.0.0.1", port or 0), timeout=2):
        pass
