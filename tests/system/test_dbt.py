"""The project of the page "dbt": dbt itself, in an environment of its own, builds it in a session on real Spark."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_emrs_ext.local.testing import LocalEmr, local_emr

DBT = Path(__file__).parents[2] / "docs" / "examples" / "dbt"

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.spark,
    pytest.mark.timeout(900),
    pytest.mark.skipif("EMRS_TEST_DBT" not in os.environ, reason="dbt is installed by `make test-dbt`"),
]


@pytest.fixture(scope="module")
def emr_endpoint() -> Iterator[LocalEmr]:
    with local_emr("spark") as endpoint:
        yield endpoint


# [test]
def test_the_project_is_built(
    emr: LocalEmr, run_dag: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Not in the folder of the project, which is the repository's here.
    monkeypatch.setenv("DBT_TARGET_PATH", str(tmp_path / "target"))
    monkeypatch.setenv("DBT_LOG_PATH", str(tmp_path / "logs"))
    s3 = emr.client("s3")
    s3.create_bucket(Bucket="acme-sales")
    rows = [("2026-03-01", "w", "10.50"), ("2026-03-01", "n", "7.00"), ("2026-03-02", "w", "4.50")]
    lines = [f'{{"sold_at": "{day}", "region_code": "{code}", "amount": "{amount}"}}' for day, code, amount in rows]
    s3.put_object(Bucket="acme-sales", Key="raw/sales.json", Body="\n".join(lines))
    conf = {"dbt_python": os.environ["EMRS_TEST_DBT"]}

    run = run_dag(DBT / "dags" / "build_sales.py", conf=conf, timeout=300)

    assert "ModuleNotFoundError" not in run.tasks["build"].log
    assert run.tasks["build"].result == {
        "regions": "success",
        "stg_sales": "success",
        "sales_by_region": "success",
        "not_null_stg_sales_amount": "pass",
        "not_null_sales_by_region_region": "pass",
        "unique_sales_by_region_region": "pass",
    }
    (key,) = [
        entry["Key"]
        for entry in s3.list_objects_v2(Bucket="acme-sales", Prefix="warehouse/sales.db/sales_by_region/")["Contents"]
        if entry["Key"].endswith(".parquet")
    ]
    assert s3.head_object(Bucket="acme-sales", Key=key)["ContentLength"] > 0
    assert [session["state"] for session in emr.sessions()] == ["TERMINATED"]
    # [/test]
    # The catalog ends with the session, the files do not: Spark refuses to name them again.
    again = run_dag(DBT / "dags" / "build_sales.py", conf=conf, timeout=300, expect="failed")
    assert "LOCATION_ALREADY_EXISTS" in again.tasks["build"].log
    elsewhere = {**conf, "warehouse": "s3://acme-sales/warehouse-2/"}
    assert run_dag(DBT / "dags" / "build_sales.py", conf=elsewhere, timeout=300).state == "success"
