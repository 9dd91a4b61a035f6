"""The pods of a Spark application: sizes and numbers from its configuration."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_emrs_ext.local.base.runner import Workers
from airflow_emrs_ext.local.base.spark_sizes import workers_of


def pods_of(properties: Mapping[str, str]) -> Workers:
    """The pods that Spark properties ask for.

    :param properties: those in force
    :raises ApiError: one of them is no size or number; it is named
    """
    return workers_of(properties, "spark.kubernetes.memoryOverheadFactor")
