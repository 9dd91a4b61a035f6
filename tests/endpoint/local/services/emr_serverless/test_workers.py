"""Worker sizes: the guide's table, its defaults, and what overrides what."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_emrs_ext.local.base.errors import ApiError
from airflow_emrs_ext.local.base.runner import WorkerSize
from airflow_emrs_ext.local.services.emr_serverless.sizes import configured_size
from airflow_emrs_ext.local.services.emr_serverless.workers import (
    Demand,
    demand_of,
    hive_properties,
    spark_properties,
)


def spark(parameters: str = "", **defaults: str) -> Demand:
    driver = {
        "sparkSubmit": {"entryPoint": "s3://b/j.py", **({"sparkSubmitParameters": parameters} if parameters else {})}
    }
    return demand_of(driver, {"spark-defaults": {k.replace("_", "."): v for k, v in defaults.items()}})


def test_spark_defaults() -> None:
    # 14 GB and 10 % of overhead are 15.4 GB, which is a worker of 16 GB.
    size = WorkerSize(4, 16, 20)
    assert spark() == Demand(size, size, 3)


def test_hive_defaults() -> None:
    size = WorkerSize(2, 6, 20)
    assert demand_of({"hive": {"query": "SELECT 1"}}, {}) == Demand(size, size, 1)


@pytest.mark.parametrize(
    ("cores", "memory", "size"),
    [
        ("1", "512m", (1, 2)),
        ("1", "1g", (1, 2)),
        ("1", "2g", (1, 3)),
        ("1", "7g", (1, 8)),
        ("2", "4096m", (2, 5)),
        ("4", "27g", (4, 30)),
        ("4", "1024", (4, 8)),
        ("8", "16g", (8, 20)),
        ("8", "54g", (8, 60)),
        ("16", "30g", (16, 40)),
        ("16", "109g", (16, 120)),
        ("4", "8GB", (4, 9)),
        ("4", "8388608k", (4, 9)),
    ],
)
def test_spark_sizes(cores: str, memory: str, size: tuple[int, int]) -> None:
    demand = spark(f"--conf spark.driver.cores={cores} --conf spark.driver.memory={memory}")
    assert (demand.driver.cpu, demand.driver.memory_gb) == size


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("--conf spark.driver.cores=3", "spark.driver.cores: workers have 1, 2, 4, 8 or 16 vCPUs, not 3"),
        ("--executor-cores 32", "spark.executor.cores: workers have"),
        ("--conf spark.driver.cores=two", "spark.driver.cores: must be a whole number of at least 1, not 'two'"),
        ("--conf spark.driver.cores=0", "spark.driver.cores: must be a whole number of at least 1"),
        (
            "--conf spark.executor.memory=28g",
            r"spark.executor.memory: a worker with 4 vCPU has at most 30 GB .* 30.8 GB",
        ),
        ("--conf spark.driver.memory='8 GB'", "spark.driver.memory: '8 GB' is no size such as 4g"),
        ("--conf spark.executor.memory=8GiB", "spark.executor.memory: '8GiB' is no size such as 4g"),
        ("--conf spark.executor.memory=1.5g", "spark.executor.memory: '1.5g' is no size such as 4g"),
        ("--driver-memory much", "spark.driver.memory: 'much' is no size such as 4g"),
        ("--conf spark.driver.memoryOverhead=x", "spark.driver.memoryOverhead: 'x' is no size"),
        ("--conf spark.emr-serverless.memoryOverheadFactor=x", "memoryOverheadFactor: must be a number such as 0.1"),
        ("--conf spark.emr-serverless.memoryOverheadFactor=nan", "memoryOverheadFactor: must be a number such as 0.1"),
        ("--conf spark.emr-serverless.driver.disk=10g", "spark.emr-serverless.driver.disk: .* 20 to 200 GB"),
        ("--conf spark.emr-serverless.executor.disk=300g", "spark.emr-serverless.executor.disk: .* 20 to 200 GB"),
        (
            "--conf spark.emr-serverless.driver.disk.type=fast",
            "driver.disk.type: must be standard or shuffle_optimized",
        ),
        ("--num-executors many", "spark.executor.instances: must be a whole number"),
        ("--conf spark.dynamicAllocation.maxExecutors=-1", "spark.dynamicAllocation.maxExecutors: must be a whole"),
        ("--conf spark.x", "sparkSubmitParameters: --conf needs key=value, not 'spark.x'"),
        ("--conf", "sparkSubmitParameters: --conf needs key=value"),
        ("--driver-memory", "sparkSubmitParameters: --driver-memory needs a value"),
        ("--conf 'spark.x=y", "sparkSubmitParameters: cannot be read as a shell would: No closing quotation"),
    ],
)
def test_bad_spark_parameters(parameters: str, message: str) -> None:
    with pytest.raises(ApiError, match=message) as caught:
        spark(parameters)
    assert caught.value.code == "ValidationException"


def test_memory_that_nobody_asked_for_is_not_too_much() -> None:
    assert spark("--conf spark.driver.cores=1").driver == WorkerSize(1, 8, 20)


def test_overhead() -> None:
    assert spark("--conf spark.driver.memoryOverhead=4g", spark_driver_memory="4g").driver.memory_gb == 8
    factor = "--conf spark.emr-serverless.memoryOverheadFactor=0.5 --conf spark.executor.memory=10g"
    assert spark(factor).executor.memory_gb == 15
    assert spark(factor + " --conf spark.executor.memoryOverheadFactor=0.2").executor.memory_gb == 12


def test_disk() -> None:
    demand = spark(
        "--conf spark.emr-serverless.driver.disk=100G --conf spark.emr-serverless.executor.disk=1000"
        " --conf spark.emr-serverless.executor.disk.type=Shuffle_Optimized"
    )
    assert (demand.driver.disk_gb, demand.executor.disk_gb) == (100, 1000)


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ("", 3),
        ("--num-executors 7", 7),
        ("--conf spark.executor.instances=5", 5),
        ("--conf spark.dynamicAllocation.initialExecutors=2", 2),
        ("--conf spark.dynamicAllocation.initialExecutors=2 --conf spark.executor.instances=4", 4),
        ("--conf spark.dynamicAllocation.minExecutors=6", 6),
        ("--conf spark.dynamicAllocation.minExecutors=1", 3),
        ("--conf spark.dynamicAllocation.maxExecutors=2", 2),
        ("--conf spark.dynamicAllocation.maxExecutors=infinity", 3),
        ("--conf spark.executor.instances=0", 1),
        ("--conf spark.dynamicAllocation.enabled=false --conf spark.dynamicAllocation.initialExecutors=9", 3),
        ("--conf spark.dynamicAllocation.enabled=false --num-executors 2", 2),
    ],
)
def test_executors(parameters: str, count: int) -> None:
    assert spark(parameters).executor_count == count


def test_parameters_outrank_the_configuration() -> None:
    demand = spark("--conf spark.driver.cores=2", spark_driver_cores="8", spark_executor_cores="8")
    assert (demand.driver.cpu, demand.executor.cpu) == (2, 8)


def test_spark_properties() -> None:
    text = """--class org.Main --conf "spark.a=x y" --conf=spark.b=c=d -c spark.e='f' --driver-memory=3g --jars a,b"""
    assert spark_properties(text) == {
        "spark.a": "x y",
        "spark.b": "c=d",
        "spark.e": "f",
        "spark.driver.memory": "3g",
        "spark.jars": "a,b",
    }


def test_hive() -> None:
    driver: dict[str, Any] = {"hive": {"query": "q", "parameters": "--hiveconf hive.driver.cores=4 --hivevar a=b"}}
    site = {
        "hive.driver.cores": "1",
        "hive.driver.memory": "9G",
        "hive.driver.disk": "50G",
        "hive.tez.container.size": "4096",
        "hive.tez.cpu.vcores": "1",
        "hive.tez.disk.size": "30G",
    }
    assert demand_of(driver, {"hive-site": site}) == Demand(WorkerSize(4, 9, 50), WorkerSize(1, 4, 30), 1)
    assert hive_properties("--hiveconf a=b --hivevar c=d -hiveconf e=f") == {"a": "b", "e": "f"}


def test_bad_hive_size() -> None:
    with pytest.raises(ApiError, match=r"hive.tez.container.size: a worker with 2 vCPU has at most 16 GB"):
        demand_of({"hive": {"query": "q"}}, {"hive-site": {"hive.tez.container.size": "20000"}})


@pytest.mark.parametrize("cpu", ["4 vCPU", "4vcpu", "4"])
@pytest.mark.parametrize("memory", ["16 GB", "16gb", "16"])
def test_initial_capacity_worker(cpu: str, memory: str) -> None:
    worker = {"cpu": cpu, "memory": memory, "disk": "2000 GB", "diskType": "SHUFFLE_OPTIMIZED"}
    assert configured_size(worker, "x") == WorkerSize(4, 16, 2000)
