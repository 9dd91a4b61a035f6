"""Which workers a job run asks for: sizes and numbers from its driver and its configuration."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_emrs_ext.local.emr_serverless.sizes import (
    FREE_DISK_GB,
    Resources,
    memory_mb,
    whole,
    worker_size,
)
from airflow_emrs_ext.local.errors import validation_error
from airflow_emrs_ext.local.resources.configuration import Classifications
from airflow_emrs_ext.local.runner import WorkerSize

_SPARK_FLAGS = {
    "--driver-cores": "spark.driver.cores",
    "--driver-memory": "spark.driver.memory",
    "--executor-cores": "spark.executor.cores",
    "--executor-memory": "spark.executor.memory",
    "--num-executors": "spark.executor.instances",
}

_SPARK_DEFAULT_CORES = "4"
_SPARK_DEFAULT_MEMORY = "14G"
_SPARK_DEFAULT_EXECUTORS = "3"
_LEAST_OVERHEAD_MB = 384.0


@dataclass(frozen=True)
class Demand:
    """The workers that a job run asks for; it starts with fewer executors when not all of them fit."""

    driver: WorkerSize
    executor: WorkerSize
    executor_count: int

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
    return _spark(classifications.get("spark-defaults", {}))


def spark_properties(parameters: str | None) -> dict[str, str]:
    """The Spark properties in ``sparkSubmitParameters``, its shorthand options for sizes among them.

    :param parameters: as spark-submit takes them, quoted as for a shell
    :raises ApiError: a quote is not closed, or ``--conf`` is not followed by ``key=value``
    """
    member = "jobDriver.sparkSubmit.sparkSubmitParameters"
    return _properties(parameters, member, ("--conf", "-c"), _SPARK_FLAGS)


def hive_properties(parameters: str | None) -> dict[str, str]:
    """The Hive properties in the ``parameters`` of a hive driver.

    :param parameters: ``--hiveconf key=value`` and ``--hivevar key=value``, quoted as for a shell
    :raises ApiError: a quote is not closed, or ``--hiveconf`` is not followed by ``key=value``
    """
    return _properties(parameters, "jobDriver.hive.parameters", ("--hiveconf", "-hiveconf"), {})


def _properties(
    parameters: str | None, member: str, settings: tuple[str, ...], flags: Mapping[str, str]
) -> dict[str, str]:
    try:
        tokens = iter(shlex.split(parameters or ""))
    except ValueError as error:
        raise validation_error(f"{member}: cannot be read as a shell would: {error}") from None
    found: dict[str, str] = {}
    for token in tokens:
        option, joined, value = token.partition("=")
        if option not in settings and option not in flags:
            continue
        if not joined:
            value = next(tokens, "")
        if option in flags:
            if not value:
                raise validation_error(f"{member}: {option} needs a value")
            found[flags[option]] = value
            continue
        key, separator, setting = value.partition("=")
        if not separator or not key.strip():
            raise validation_error(f"{member}: {option} needs key=value, not {value!r}")
        found[key.strip()] = setting.strip()
    return found


def _spark(properties: Mapping[str, str]) -> Demand:
    return Demand(_spark_worker(properties, "driver"), _spark_worker(properties, "executor"), _executors(properties))


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
        memory=(memory + _overhead(properties, role, memory)) / 1024,
        disk=_disk(properties, names["disk"]),
        disk_type=properties.get(names["disk_type"], "standard"),
        names=names,
        clamp_memory=names["memory"] not in properties,
    )


def _overhead(properties: Mapping[str, str], role: str, memory: float) -> float:
    name = f"spark.{role}.memoryOverhead"
    if name in properties:
        return memory_mb(properties[name], name)
    for factor_name in (f"spark.{role}.memoryOverheadFactor", "spark.emr-serverless.memoryOverheadFactor"):
        if factor_name in properties:
            factor = _factor(properties[factor_name], factor_name)
            break
    else:
        factor = 0.1
    return max(_LEAST_OVERHEAD_MB, memory * factor)


def _factor(text: str, name: str) -> float:
    try:
        factor = float(text)
    except ValueError:
        factor = -1.0
    if not 0 <= factor < 100:
        raise validation_error(f"{name}: must be a number such as 0.1, not {text!r}")
    return factor


def _executors(properties: Mapping[str, str]) -> int:
    """How many executors Spark asks for at first; at least one."""

    def number(name: str, default: str = "0") -> int:
        return whole(properties.get(name, default), name)

    instances, initial = "spark.executor.instances", "spark.dynamicAllocation.initialExecutors"
    if properties.get("spark.dynamicAllocation.enabled", "true").strip().lower() != "true":
        return max(1, number(instances, _SPARK_DEFAULT_EXECUTORS))
    asked = [number(name) for name in (instances, initial) if name in properties]
    first = max(number("spark.dynamicAllocation.minExecutors"), *(asked or [int(_SPARK_DEFAULT_EXECUTORS)]))
    most = properties.get("spark.dynamicAllocation.maxExecutors", "infinity")
    if most.strip().lower() != "infinity":
        first = min(first, whole(most, "spark.dynamicAllocation.maxExecutors"))
    return max(1, first)


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
