"""An endpoint with real Spark ends in the middle of job runs, and another goes on in its ``--state-dir``."""

from __future__ import annotations

import copy
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from airflow_emrs_ext.local.testing import LocalEmr, local_emr
from tests.polling import eventually
from tests.system.test_spark_runner import LOGS, Cluster

pytestmark = [pytest.mark.spark, pytest.mark.timeout(300)]

JOB = """
import sys, time
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
print("rows", spark.range(7).count(), flush=True)
open(sys.argv[2], "w").close()
time.sleep(float(sys.argv[1]))
"""


def endpoint(directory: Path) -> AbstractContextManager[LocalEmr]:
    return local_emr("spark", state_dir=directory, application_start_seconds=0.05, scheduling_seconds=0.02)


def test_logs_and_dashboards_are_there_after_a_restart(tmp_path: Path) -> None:
    with endpoint(tmp_path) as emr:
        emr.client("s3").create_bucket(Bucket="code")
        before = Cluster(emr)
        job = before.code("job.py", JOB)
        ended = before.submit(job, "0", str(tmp_path / "first"), configurationOverrides=LOGS)
        before.succeeded(ended)
        ran = before.submit(job, "600", str(tmp_path / "second"), configurationOverrides=LOGS)
        eventually((tmp_path / "second").exists, within=100)
        eventually(lambda: "RUNNING" in (tmp_path / "state" / "emr-serverless").read_bytes().decode("latin-1"))
    with endpoint(tmp_path) as emr:
        after = copy.copy(before)
        after.emr, after.client, after.s3 = emr, emr.client("emr-serverless"), emr.client("s3")
        assert after.run(ended)["state"] == "SUCCESS"
        assert after.log(ended) == "rows 7\n"
        address, page = after.dashboard(ended)
        assert "/jobs/" in address
        assert "Completed Jobs" in page
        assert (after.run(ran)["state"], after.run(ran)["stateDetails"][:24]) == ("FAILED", "The local endpoint ended")
        _, page = after.dashboard(ran)
        assert "Completed Jobs" in page
        after.succeeded(after.submit(job, "0", str(tmp_path / "third"), configurationOverrides=LOGS))
