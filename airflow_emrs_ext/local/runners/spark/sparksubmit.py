"""The driver of what spark-submit is given."""

from __future__ import annotations

from airflow_emrs_ext.local.base.aws import AwsTarget
from airflow_emrs_ext.local.base.runner import AttemptSpec
from airflow_emrs_ext.local.runners.spark import driver as drivers
from airflow_emrs_ext.local.runners.spark.driver import Driver, Machine
from airflow_emrs_ext.local.runners.spark.staging import require, stage
from airflow_emrs_ext.local.runners.spark.submit import plan


def prepare(machine: Machine, spec: AttemptSpec, target: AwsTarget, member: str = "sparkSubmitParameters") -> Driver:
    """Make the driver of a job run or step of Spark.

    :param machine: what all drivers share
    :param spec: the attempt
    :param target: where S3 is
    :param member: the parameter that the options of spark-submit come from
    :raises SubmitError: the parameters cannot be run, or the entry point is not there
    """
    submission = plan(spec, machine.runtime, member)
    require("entryPoint", submission.entry_point, target)
    driver = drivers.build(
        machine,
        spec,
        [submission.entry_point, *submission.arguments],
        submission,
        main_class=submission.main_class,
    )
    stage(submission.properties, driver.cwd, target)
    return driver
