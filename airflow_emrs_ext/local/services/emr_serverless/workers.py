"""Which workers a job run asks for: sizes and numbers from its driver and its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from airflow_emrs_ext.local.base.configuration import Classifications
from airflow_emrs_ext.local.base.runner import Workers, WorkerSize
from airflow_emrs_ext.local.base.spark_sizes import (
    executor_count,
    memory_mb,
    overhead_mb,
    read_properties,
    seconds,
    submitted_properties,
    whole,
)
from airflow_emrs_ext.local.services.emr_serverless.sizes import Resources, worker_size
from airflow_emrs_ext.shared.worker_sizes import FREE_DISK_GB

_SPARK_DEFAULT_CORES = "4"
_SPARK_DEFAULT_MEMORY = "14G"
_SPARK_DEFAULT_EXECUTORS = 3
_IDLE_TIMEOUT = "spark.dynamicAllocation.executorIdleTimeout"
_OVERHEAD_FACTOR = "spark.emr-serverless.memoryOverheadFactor"


@dataclass(frozen=True)
class Demand(Workers):
    """The workers that a job run or session asks for; it starts with fewer executors when not all of them fit.

    :param idle_executors: how many executors it keeps when they have nothing to do
    :param idle_minutes: after which time the others are given back
    """

    idle_executors: int = 0
    idle_minutes: float = 1.0

    def with_executors(self, count: int) -> Resources:
        """What the driver and so many executors take together."""
        return Resources(
            self.driver.cpu + self.executor.cpu * count,
            self.driver.memory_gb + self.executor.memory_gb * count,
            self.driver.disk_gb + self.executor.disk_gb * count,
        )


def demand_of(job_driver: Mapping[str, Any], classifications: Classifications) -> Demand:
    """The workers of a job run.

    :param job_driver: ``jobDriver`` in the API's form
    :param classifications: the configuration in force, without the driver's own parameters, which outrank it
    :raises ApiError: the parameters cannot be read, or ask for a worker that the service does not offer
    """
    if "hive" in job_driver:
        given = hive_properties(job_driver["hive"].get("parameters"))
        return _hive({**classifications.get("hive-site", {}), **given})
    given = spark_properties(job_driver["sparkSubmit"].get("sparkSubmitParameters"))
    return _spark({**classifications.get("spark-defaults", {}), **given})


def session_demand(classifications: Classifications) -> Demand:
    """The workers of a session.

    :param classifications: the configuration in force
    :raises ApiError: it asks for a worker that the service does not offer
    """
    properties = classifications.get("spark-defaults", {})
    demand = _spark(properties)
    dynamic = properties.get("spark.dynamicAllocation.enabled", "true").strip().lower() == "true"
    least = whole(properties.get("spark.dynamicAllocation.minExecutors", "0"), "spark.dynamicAllocation.minExecutors")
    idle = seconds(properties.get(_IDLE_TIMEOUT, "60s"), _IDLE_TIMEOUT)
    return replace(demand, idle_executors=least if dynamic else demand.executor_count, idle_minutes=idle / 60)


def spark_properties(parameters: str | None) -> dict[str, str]:
    """The Spark properties in ``sparkSubmitParameters``, its shorthand options for sizes among them.

    :param parameters: as spark-submit takes them, quoted as for a shell
    :raises ApiError: a quote is not closed, or ``--conf`` is not followed by ``key=value``
    """
    return submitted_properties(parameters, "jobDriver.sparkSubmit.sparkSubmitParameters")


def hive_properties(parameters: str | None) -> dict[str, str]:
    """The Hive properties in the ``parameters`` of a hive driver.

    :param parameters: ``--hiveconf key=value`` and ``--hivevar key=value``, quoted as for a shell
    :raises ApiError: a quote is not closed, or ``--hiveconf`` is not followed by ``key=value``
    """
    return read_properties(parameters, "jobDriver.hive.parameters", ("--hiveconf", "-hiveconf"))


def _spark(properties: Mapping[str, str]) -> Demand:
    return Demand(
        _spark_worker(properties, "driver"),
        _spark_worker(properties, "executor"),
        executor_count(properties, default=_SPARK_DEFAULT_EXECUTORS, dynamic=True),
    )


def _spark_worker(properties: Mapping[str, str], role: str) -> WorkerSize:
    names = {
        "cpu": f"spark.{role}.cores",
        "memory": f"spark.{role}.memory",
        "disk": f"spark.emr-serverless.{role}.disk",
        "disk_type": f"spark.emr-serverless.{role}.disk.type",
    }
    memory = memory_mb(properties.get(names["memory"], _SPARK_DEFAULT_MEMORY), names["memory"])
    return worker_size(
        cpu=whole(properties.get(names["cpu"], _SPARK_DEFAULT_CORES), names["cpu"], 1),
        memory=(memory + overhead_mb(properties, role, memory, _OVERHEAD_FACTOR)) / 1024,
        disk=_disk(properties, names["disk"]),
        disk_type=properties.get(names["disk_type"], "standard"),
        names=names,
        clamp_memory=names["memory"] not in properties,
    )


def _hive(properties: Mapping[str, str]) -> Demand:
    driver = _hive_worker(
        properties,
        {
            "cpu": "hive.driver.cores",
            "memory": "hive.driver.memory",
            "disk": "hive.driver.disk",
            "disk_type": "hive.driver.disk.type",
        },
        "6G",
    )
    task = _hive_worker(
        properties,
        {
            "cpu": "hive.tez.cpu.vcores",
            "memory": "hive.tez.container.size",
            "disk": "hive.tez.disk.size",
            "disk_type": "hive.tez.disk.type",
        },
        "6144",
    )
    return Demand(driver, task, 1)


def _hive_worker(properties: Mapping[str, str], names: dict[str, str], default_memory: str) -> WorkerSize:
    return worker_size(
        cpu=whole(properties.get(names["cpu"], "2"), names["cpu"], 1),
        memory=memory_mb(properties.get(names["memory"], default_memory), names["memory"]) / 1024,
        disk=_disk(properties, names["disk"]),
        disk_type=properties.get(names["disk_type"], "standard"),
        names=names,
        clamp_memory=names["memory"] not in properties,
    )


def _disk(properties: Mapping[str, str], name: str) -> float:
    return memory_mb(properties.get(name, f"{FREE_DISK_GB:g}g"), name, unit="g") / 1024
