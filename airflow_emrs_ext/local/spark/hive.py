"""The driver of a ``hive`` job run, on Spark SQL."""

from __future__ import annotations

from pathlib import Path

from airflow_emrs_ext.local.aws import AwsTarget
from airflow_emrs_ext.local.runner import AttemptSpec
from airflow_emrs_ext.local.spark.driver import Driver, Machine
from airflow_emrs_ext.local.spark.submit import SubmitError


def prepare(machine: Machine, spec: AttemptSpec, target: AwsTarget, state_dir: Path) -> Driver:
    """Make the driver of a ``hive`` job run."""
    raise SubmitError("hive: not available yet")
