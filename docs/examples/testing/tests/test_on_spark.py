"""The DAG with its own script, on real Spark."""

import json
from datetime import datetime

import pytest

from airflow_emrs_ext.local.testing import local_emr


@pytest.fixture(scope="module")
def emr_endpoint():
    """For the tests of this file: an endpoint that runs what it is given on Spark, instead of the simulated one."""
    with local_emr("spark") as endpoint:
        yield endpoint


def test_totals_are_right(emr, run_dag):
    s3 = emr.client("s3")
    for bucket in ("acme-jobs", "acme-sales", "acme-reports"):
        s3.create_bucket(Bucket=bucket)
    s3.upload_file("jobs/totals.py", "acme-jobs", "totals.py")
    s3.put_object(Bucket="acme-sales", Key="2026-03-01/a.csv", Body="region,amount\nwest,10.50\neast,7.00\n")
    s3.put_object(Bucket="acme-sales", Key="2026-03-01/b.csv", Body="region,amount\nwest,4.50\n")

    run = run_dag("dags/nightly_sales.py", logical_date=datetime(2026, 3, 1))

    (part,) = [
        entry["Key"] for entry in s3.list_objects_v2(Bucket="acme-reports", Prefix="2026-03-01/part-")["Contents"]
    ]
    lines = s3.get_object(Bucket="acme-reports", Key=part)["Body"].read().decode().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"region": "east", "amount": 7.00},
        {"region": "west", "amount": 15.00},
    ]
    assert run.tasks["totals"].result["attempts"][0]["state"] == "SUCCESS"
