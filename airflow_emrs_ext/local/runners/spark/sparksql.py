"""The driver of a Spark SQL job run or step: what ``spark-sql`` does with a file.

Without a metastore of its own, which a job names in its configuration, its catalog lasts as long as its driver, as in a
pod.
"""

from __future__ import annotations

from pathlib import Path

from airflow_emrs_ext.local.base.aws import AwsTarget
from airflow_emrs_ext.local.base.runner import AttemptSpec
from airflow_emrs_ext.local.runners.spark import driver as drivers
from airflow_emrs_ext.local.runners.spark import sql_shell
from airflow_emrs_ext.local.runners.spark.driver import Driver, Machine
from airflow_emrs_ext.local.runners.spark.staging import stage
from airflow_emrs_ext.local.runners.spark.submit import SubmitError, configure, parse_parameters

_PARAMETERS = "sparkSqlParameters"
# What the shell takes beside the options of spark-submit, and whether a value follows.
_OPTIONS = {
    **dict.fromkeys(("-d", "--define", "--hivevar", "--hiveconf", "--database", "-e", "-f", "-i"), True),
    **dict.fromkeys(("-S", "--silent"), False),
}


def prepare(machine: Machine, spec: AttemptSpec, target: AwsTarget, member: str = _PARAMETERS) -> Driver:
    """Make the driver of a Spark SQL job run or step.

    :param machine: what all drivers share
    :param spec: the attempt
    :param target: where S3 is
    :param member: the parameter that the options of spark-sql come from
    :raises SubmitError: the parameters cannot be run, or the file is not there
    """
    parameters = parse_parameters(spec.job.get(_PARAMETERS) or "", member, _OPTIONS)
    entry_point = spec.job.get("entryPoint")
    arguments = list(parameters.others)
    if entry_point:
        arguments = ["-f", sql_shell.local_copy("entryPoint", entry_point, spec, target), *arguments]
    elif not {"-e", "-f"} & set(arguments):
        raise SubmitError(f"entryPoint: is required, unless {member} have -f or -e")
    name = spec.name or Path(entry_point or spec.job_run_id).name
    settings = configure(spec, parameters.properties, name, machine.runtime.python)
    settings.properties = sql_shell.properties(spec, spec.work_dir, settings.properties)
    driver = drivers.build(
        machine, spec, [drivers.NO_ENTRY_POINT, *arguments], settings, main_class=sql_shell.MAIN_CLASS
    )
    stage(settings.properties, driver.cwd, target)
    return driver
