"""A session of a cluster of EMR on EC2 on real Spark: what a client of Spark Connect sends, and how it ends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from airflow_emrs_ext.local.testing import LocalEmr, local_emr
from tests.polling import eventually

pytestmark = [pytest.mark.spark, pytest.mark.timeout(300)]

connect_errors = pytest.importorskip("pyspark.errors.exceptions.connect")

PARTITIONS = {"Classification": "spark-defaults", "Properties": {"spark.sql.shuffle.partitions": "3"}}


@pytest.fixture(scope="module")
def emr() -> Iterator[LocalEmr]:
    with local_emr(runner="spark", check_responses=True) as endpoint:
        yield endpoint


@contextlib.contextmanager
def connected(address: str, token: str) -> Iterator[Any]:
    """A Spark session on the session that a token is for."""
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.remote(f"sc://{address}/;x-aws-proxy-auth={token}").create()
    try:
        yield spark
    finally:
        # Its client would go on calling the session after the end of both.
        spark.stop()


def test_a_client_works_on_it_until_its_cluster_ends(emr: LocalEmr) -> None:
    client = emr.client("emr")
    cluster_id = client.run_job_flow(
        Name="mine",
        ReleaseLabel="emr-spark-8.1.0",
        SessionEnabled=True,
        Instances={"KeepJobFlowAliveWhenNoSteps": True},
    )["JobFlowId"]

    def cluster_in(state: str) -> bool:
        return bool(client.describe_cluster(ClusterId=cluster_id)["Cluster"]["Status"]["State"] == state)

    eventually(lambda: cluster_in("WAITING"))
    started = client.start_session(ClusterId=cluster_id, Name="work", EngineConfigurations=[PARTITIONS])
    ids = {"ClusterId": cluster_id, "SessionId": started["Id"]}

    def session_in(*states: str) -> Any:
        seen = client.get_session(**ids)["Session"]
        assert seen["State"] != "FAILED", seen
        return seen if seen["State"] in states else None

    eventually(lambda: session_in("STARTED", "IDLE"), within=120)
    answer = client.get_session_endpoint(**ids)
    address = urlsplit(answer["Endpoint"]).netloc
    refused = pytest.raises(connect_errors.SparkConnectGrpcException, match="missing or unknown")
    with connected(address, "another") as spark, refused:
        spark.range(5).count()
    with connected(address, answer["AuthToken"]) as spark:
        assert spark.range(5).count() == 5
        assert spark.conf.get("spark.sql.shuffle.partitions") == "3"
        client.terminate_job_flows(JobFlowIds=[cluster_id])
        with pytest.raises(connect_errors.SparkConnectGrpcException, match="is being terminated"):
            spark.range(5).count()
    eventually(lambda: cluster_in("TERMINATED"), within=60)
    assert session_in("TERMINATED")
    states = [change["state"] for change in emr.cluster_sessions(cluster_id)[0]["stateHistory"]]
    assert "BUSY" in states
