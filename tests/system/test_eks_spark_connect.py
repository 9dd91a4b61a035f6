"""A managed endpoint of EMR on EKS on real Spark: what a client of Spark Connect sends, and how an endpoint ends."""

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

ROLE = "arn:aws:iam::123456789012:role/job"


@pytest.fixture(scope="module")
def emr() -> Iterator[LocalEmr]:
    with local_emr(runner="spark", check_responses=True) as endpoint:
        yield endpoint


@contextlib.contextmanager
def connected(address: str, token: str) -> Iterator[Any]:
    """A Spark session on the endpoint that a token is for."""
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.remote(f"sc://{address}/;x-aws-proxy-auth={token}").create()
    try:
        yield spark
    finally:
        # Its client would go on calling the endpoint after the end of both.
        spark.stop()


def test_a_client_works_on_it_until_it_is_deleted(emr: LocalEmr) -> None:
    client = emr.client("emr-containers")
    eks = {"type": "EKS", "id": "cluster", "info": {"eksInfo": {"namespace": "spark"}}}
    cluster_id = client.create_virtual_cluster(name="mine", containerProvider=eks)["id"]
    created = client.create_managed_endpoint(
        virtualClusterId=cluster_id,
        name="work",
        type="SPARK_CONNECT",
        releaseLabel="emr-7.14.0-latest",
        executionRoleArn=ROLE,
        configurationOverrides={
            "applicationConfiguration": [
                {"classification": "spark-defaults", "properties": {"spark.sql.shuffle.partitions": "3"}}
            ]
        },
    )
    ids = {"virtualClusterId": cluster_id, "id": created["id"]}

    def endpoint_in(state: str) -> Any:
        seen = client.describe_managed_endpoint(**ids)["endpoint"]
        assert seen["state"] != "TERMINATED_WITH_ERRORS", seen
        return seen if seen["state"] == state else None

    address = urlsplit(eventually(lambda: endpoint_in("ACTIVE"), within=120)["authProxyUrl"]).netloc
    token = client.get_managed_endpoint_session_credentials(
        virtualClusterIdentifier=cluster_id,
        endpointIdentifier=created["id"],
        executionRoleArn=ROLE,
        credentialType="TOKEN",
    )["credentials"]["token"]
    refused = pytest.raises(connect_errors.SparkConnectGrpcException, match="missing or unknown")
    with connected(address, "another") as spark, refused:
        spark.range(5).count()
    with connected(address, token) as spark:
        assert spark.range(5).count() == 5
        assert spark.conf.get("spark.sql.shuffle.partitions") == "3"
        client.delete_managed_endpoint(**ids)
        with pytest.raises(connect_errors.SparkConnectGrpcException, match="by request"):
            spark.range(5).count()
    eventually(lambda: endpoint_in("TERMINATED"), within=60)
    assert emr.managed_endpoints(cluster_id)[0]["tokensMinted"] == 1
