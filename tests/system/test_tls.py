"""A client of Spark Connect that knows nothing but TLS, in a session of the local endpoint."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_emrs_ext.local.runners.spark.launch import free_port
from airflow_emrs_ext.local.testing import local_emr
from tests.endpoint.local.server.test_tls import need_port_443
from tests.polling import eventually

pytestmark = [pytest.mark.spark, pytest.mark.timeout(300)]

CLIENT = """
import sys
from pyspark.sql import SparkSession
print("sum", SparkSession.builder.remote(sys.argv[1]).getOrCreate().range(10).groupBy().sum().collect()[0][0])
"""


def test_a_client_that_goes_to_port_443_of_a_host(tmp_path: Path) -> None:
    """As AWS's sample of a client does."""
    need_port_443()
    with local_emr("spark", state_dir=tmp_path, tls_port=free_port(), sessions_port=443) as emr:
        service = emr.client("emr-serverless")
        created = service.create_application(
            type="SPARK",
            releaseLabel="emr-spark-8.1.0",
            clientToken="a",
            interactiveConfiguration={"sessionEnabled": True},
        )
        ids = {"applicationId": created["applicationId"]}
        role = "arn:aws:iam::123456789012:role/job"
        ids["sessionId"] = service.start_session(**ids, clientToken="s", executionRoleArn=role)["sessionId"]
        eventually(lambda: service.get_session(**ids)["session"]["state"] in ("STARTED", "IDLE"), within=120)
        answer = service.get_session_endpoint(**ids)
        host = answer["endpoint"].replace("https://", "sc://", 1)
        url = f"{host}:443/;use_ssl=true;x-aws-proxy-auth={answer['authToken']}"
        trusted = {**os.environ, "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(tmp_path / "tls" / "ca.pem")}
        done = subprocess.run(
            [sys.executable, "-c", CLIENT, url], capture_output=True, text=True, env=trusted, timeout=120, check=False
        )
    assert done.stdout == "sum 45\n", done.stderr
