"""The driver of a ``hive`` job run: Spark SQL with Hive support, behind Hive's command line interface.

Tables last between the job runs of one application: its metastore, an embedded Derby database, and its default
warehouse are in the application's own directory. Derby takes one process at a time, so the Hive job runs of one
application run one after the other; those of different applications run at once.
"""

from __future__ import annotations

import re
import shlex

from airflow_emrs_ext.local.base.aws import AwsTarget
from airflow_emrs_ext.local.base.runner import AttemptSpec
from airflow_emrs_ext.local.runners.spark import driver as drivers
from airflow_emrs_ext.local.runners.spark import sql_shell
from airflow_emrs_ext.local.runners.spark.driver import Driver, Machine
from airflow_emrs_ext.local.runners.spark.secrets import ANNOTATION
from airflow_emrs_ext.local.runners.spark.submit import Settings, SubmitError, accepted, hadoop_properties

_OPTIONS = {
    **dict.fromkeys(("--hiveconf", "-hiveconf"), "--hiveconf"),
    **dict.fromkeys(("--hivevar", "-hivevar", "--define", "-define", "-d"), "--hivevar"),
}
_WAREHOUSE = "hive.metastore.warehouse.dir"
_IS_FILE = re.compile(r"^(s3[an]?://|file:/|/)\S+$")
_SECRET = re.compile(r"password|secret|token", re.IGNORECASE)
_LAUNCH_ENV = ("hive.emr-serverless.launch.env.", "tez.am.emr-serverless.launch.env.")


def prepare(machine: Machine, spec: AttemptSpec, target: AwsTarget) -> Driver:
    """Make the driver of a ``hive`` job run.

    :param machine: what all drivers share
    :param spec: the attempt
    :param target: where S3 is
    :raises SubmitError: the parameters cannot be run, or a query file is not there
    """
    hive = spec.job
    arguments, settings = parse_parameters(hive.get("parameters") or "")
    files = ["-f", _local_query("query", hive["query"], spec, target)]
    if hive.get("initQueryFile"):
        files += ["-i", _local_query("initQueryFile", hive["initQueryFile"], spec, target)]
    home = machine.state_dir / "hive" / spec.owner_id
    home.mkdir(parents=True, exist_ok=True)
    asked = {**hadoop_properties(spec.classifications), **spec.classifications.get("spark-defaults", {})}
    asked |= {f"spark.hadoop.{name}": value for name, value in settings.items()}
    notes: list[str] = []
    properties = {"spark.app.name": spec.name or spec.job_run_id}
    if warehouse := asked.get(f"spark.hadoop.{_WAREHOUSE}"):
        properties["spark.sql.warehouse.dir"] = warehouse
    properties |= accepted(asked, notes)
    return drivers.build(
        machine,
        spec,
        [drivers.NO_ENTRY_POINT, *files, *arguments],
        Settings(
            properties=sql_shell.properties(spec, home, properties),
            environ={
                name.removeprefix(f"spark.hadoop.{prefix}"): value
                for prefix in _LAUNCH_ENV
                for name, value in asked.items()
                if name.startswith(f"spark.hadoop.{prefix}")
            },
            log4j=dict(spec.classifications.get("hive-log4j2", {})),
            notes=notes,
        ),
        main_class=sql_shell.MAIN_CLASS,
    )


def parse_parameters(text: str) -> tuple[list[str], dict[str, str]]:
    """Read ``parameters`` as a shell and Hive would.

    :param text: e.g. ``--hiveconf hive.cli.print.header=true --hivevar day=2024-01-31``
    :return: arguments for the driver's command line, and the properties of all ``--hiveconf``; a property that
        looks like a secret is among the latter only
    :raises SubmitError: quoting is broken, an option is unknown or lacks its value
    """
    try:
        words = iter(shlex.split(text))
    except ValueError as error:
        raise SubmitError(f"parameters: {error}: {text}") from None
    arguments: list[str] = []
    settings: dict[str, str] = {}
    for word in words:
        option = _OPTIONS.get(word)
        if option is None:
            raise SubmitError(f"parameters: unknown option {word}; there are --hiveconf and --hivevar")
        assignment = next(words, "")
        name, equals, value = assignment.partition("=")
        if not equals or not name:
            raise SubmitError(f"parameters: {word} needs name=value, not {assignment!r}")
        if option == "--hiveconf":
            settings[name] = value
        if not (option == "--hiveconf" and (_SECRET.search(name) or value.startswith(ANNOTATION))):
            arguments += [option, assignment]
    return arguments, settings


def _local_query(parameter: str, query: str, spec: AttemptSpec, target: AwsTarget) -> str:
    if _IS_FILE.match(query.strip()):
        return sql_shell.local_copy(parameter, query, spec, target)
    if parameter == "initQueryFile":
        raise SubmitError(f"initQueryFile {query} is no S3 URI of a query file")
    return sql_shell.write(parameter, query, spec)
