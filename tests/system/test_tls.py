"""A client of Spark Connect that knows nothing but TLS, in a session of the local endpoint."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_emrs_ext.local.runners.spark.launch import free_port
from airflow_emrs_ext.local.testing import local_emr
from tests.polling import eventually

pytestmark = [pytest.mark.spark, pytest.mark.timeout(300)]

CLIENT = """
import sys
from pyspark.sql import SparkSession
print("sum", SparkSession.builder.remote(sys.argv[1]).getOrCreate().range(10).groupBy().sum().collect()[0][0])
"""


def test_a_client_trusts_the_authority_of_the_endpoint(tmp_path: Path) -> None:
    port = free_port()
    with local_emr("spark", state_dir=tmp_path, tls_port=free_port(), sessions_port=port) as emr:
        service = emr.client("emr-serverless")
        ids = {
            "applicationId": service.create_application(
                type="SPARK",
                releaseLabel="emr-spark-8.1.0",
                clientToken="a",
                interactiveConfiguration={"sessionEnabled": True},
            )["applicationId"]
        }
        role = "arn:aws:iam::123456789012:role/job"
        ids["sessionId"] = service.start_session(**ids, clientToken="s", executionRoleArn=role)["sessionId"]
        eventually(lambda: service.get_session(**ids)["session"]["state"] in ("STARTED", "IDLE"), within=120)
        answer = service.get_session_endpoint(**ids)
        assert answer["endpoint"] == f"https://localhost:{port}"
        url = f"sc://localhost:{port}/;use_ssl=true;x-aws-proxy-auth={answer['authToken']}"
        trusted = {**os.environ, "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(tmp_path / "tls" / "ca.pem")}
        done = subprocess.run(
            [sys.executable, "-c", CLIENT, url], capture_output=True, text=True, env=trusted, timeout=120, check=False
        )
    assert done.stdout == "sum 45\n", done.stderr
