"""The pods of a Spark application: sizes and numbers from its configuration."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_emrs_ext.local.base.runner import Workers, WorkerSize
from airflow_emrs_ext.local.base.spark_sizes import executor_count, memory_mb, overhead_mb, whole

# Spark's own defaults, unlike EMR Serverless's.
_DEFAULT_CORES = "1"
_DEFAULT_MEMORY = "1g"
_DEFAULT_EXECUTORS = 2
_OVERHEAD_FACTOR = "spark.kubernetes.memoryOverheadFactor"


def pods_of(properties: Mapping[str, str]) -> Workers:
    """The pods that Spark properties ask for.

    :param properties: those in force
    :raises ApiError: one of them is no size or number; it is named
    """
    return Workers(
        _pod(properties, "driver"),
        _pod(properties, "executor"),
        executor_count(properties, default=_DEFAULT_EXECUTORS, dynamic=False),
    )


def _pod(properties: Mapping[str, str], role: str) -> WorkerSize:
    cores, memory = f"spark.{role}.cores", f"spark.{role}.memory"
    heap = memory_mb(properties.get(memory, _DEFAULT_MEMORY), memory)
    overhead = overhead_mb(properties, role, heap, _OVERHEAD_FACTOR)
    cpu = whole(properties.get(cores, _DEFAULT_CORES), cores, 1)
    # A pod's scratch space is that of its node.
    return WorkerSize(float(cpu), (heap + overhead) / 1024, 0.0)
