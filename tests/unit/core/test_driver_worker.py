"""The size of a driver's worker: the same as the local endpoint grants for the same properties."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_emrs_ext.core.driver_worker import driver_settings, driver_worker
from airflow_emrs_ext.local.services.emr_serverless.workers import demand_of


def spark_defaults(**properties: str) -> list[dict[str, Any]]:
    named = {name.replace("__", "."): value for name, value in properties.items()}
    return [{"classification": "spark-defaults", "properties": named}]


@pytest.mark.parametrize(
    ("parameters", "configurations", "size"),
    [
        (None, [], (4.0, 16.0, 0.0)),
        ("--conf spark.driver.cores=2", [], (2.0, 16.0, 0.0)),
        ("--conf spark.driver.cores=1", [], (1.0, 8.0, 0.0)),
        ("--driver-cores 2 --driver-memory=4g", [], (2.0, 5.0, 0.0)),
        ("--conf spark.driver.memory=4g -c spark.driver.memoryOverhead=3g", [], (4.0, 8.0, 0.0)),
        ("", spark_defaults(spark__driver__cores="8", spark__driver__memory="20g"), (8.0, 24.0, 0.0)),
        ("--conf spark.driver.cores=4", spark_defaults(spark__driver__cores="8"), (4.0, 16.0, 0.0)),
        ("--conf spark.emr-serverless.driver.disk=60g", [], (4.0, 16.0, 40.0)),
        ("--conf spark.driver.memory=10g --conf spark.driver.memoryOverheadFactor=0.4", [], (4.0, 14.0, 0.0)),
        ("--conf spark.executor.cores=8 --conf spark.executor.memory=30g", [], (4.0, 16.0, 0.0)),
    ],
)
def test_size(parameters: str | None, configurations: list[Any], size: tuple[float, ...]) -> None:
    worker = driver_worker(driver_settings(configurations, parameters))
    assert worker is not None
    assert tuple(worker.values()) == size
    submit = {"entryPoint": "s3://b/j.py", **({"sparkSubmitParameters": parameters} if parameters else {})}
    given = {one["classification"]: one["properties"] for one in configurations}
    granted = demand_of({"sparkSubmit": submit}, given).driver
    assert (granted.cpu, granted.memory_gb, granted.disk_gb - 20) == size


@pytest.mark.parametrize(
    "parameters",
    [
        "--conf spark.driver.cores=3",
        "--conf spark.driver.cores=many",
        "--conf spark.driver.memory=much",
        "--conf spark.driver.memory=4g --conf spark.driver.memoryOverhead=some",
        "--conf spark.driver.memoryOverheadFactor=high",
        "--conf spark.driver.cores=1 --conf spark.driver.memory=30g",
        "--conf spark.emr-serverless.driver.disk=large",
    ],
)
def test_what_is_not_understood_is_no_size(parameters: str) -> None:
    assert driver_worker(driver_settings(None, parameters)) is None
