"""The driver of a ``sparkSubmit`` job run."""

from __future__ import annotations

from pathlib import Path

from airflow_emrs_ext.local.aws import AwsTarget
from airflow_emrs_ext.local.runner import AttemptSpec
from airflow_emrs_ext.local.spark import driver as drivers
from airflow_emrs_ext.local.spark.driver import Driver, Machine
from airflow_emrs_ext.local.spark.launch import free_port
from airflow_emrs_ext.local.spark.staging import copy_files, require, unpack_archives
from airflow_emrs_ext.local.spark.submit import plan


def prepare(machine: Machine, spec: AttemptSpec, target: AwsTarget, state_dir: Path) -> Driver:
    """Make the driver of a ``sparkSubmit`` job run.

    :param machine: what all drivers share
    :param spec: the attempt
    :param target: where S3 is
    :param state_dir: not used: a Spark job keeps nothing between runs but what it writes to S3
    :raises SubmitError: the parameters cannot be run, or the entry point is not there
    """
    submission = plan(spec, machine.runtime.spark_home)
    require("entryPoint", submission.entry_point, target)
    driver = drivers.build(
        machine,
        spec,
        [submission.entry_point, *submission.arguments],
        main_class=submission.main_class,
        properties=submission.properties,
        environ=submission.environ,
        log4j=submission.log4j,
        notes=submission.notes,
        ui_port=free_port(),
    )
    copy_files(submission.properties.get("spark.files", ""), driver.cwd, target)
    unpack_archives(submission.properties.get("spark.archives", ""), driver.cwd, target)
    return driver
