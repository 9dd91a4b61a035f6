"""Spark's own SQL shell with Hive support: what every job has in common that is a file of SQL."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from airflow_emrs_ext.local.base.aws import AwsTarget
from airflow_emrs_ext.local.base.runner import DriverSpec
from airflow_emrs_ext.local.runners.spark.staging import read_text

MAIN_CLASS = "org.apache.spark.sql.hive.thriftserver.SparkSQLCLIDriver"


def properties(spec: DriverSpec, home: Path, asked: Mapping[str, str]) -> dict[str, str]:
    """The properties of the shell, over which those of the job have their way.

    :param spec: the attempt
    :param home: where its tables and its metastore, an embedded Derby database, are
    :param asked: the properties of the job
    """
    derby_log = shlex.quote(f"-Dderby.stream.error.file={spec.work_dir / 'derby.log'}")
    return {
        "spark.sql.catalogImplementation": "hive",
        "spark.sql.shuffle.partitions": "2",
        # CREATE TABLE makes a Hive table of Hive's default format, not one of Spark's.
        "spark.sql.legacy.createHiveTableByDefault": "true",
        "spark.sql.warehouse.dir": (home / "warehouse").as_uri(),
        "spark.ui.showConsoleProgress": "false",
        "spark.hadoop.javax.jdo.option.ConnectionURL": (
            f"jdbc:derby:;databaseName={home / 'metastore_db'};create=true"
        ),
        **asked,
        "spark.driver.extraJavaOptions": f"{derby_log} {asked.get('spark.driver.extraJavaOptions', '')}",
    }


def local_copy(parameter: str, uri: str, spec: DriverSpec, target: AwsTarget) -> str:
    """The path of a copy of a file of SQL.

    :param parameter: the parameter that names it
    :param uri: ``s3://``, ``file:`` or ``local:`` URI, or a plain path
    :param spec: the attempt, which keeps the copy
    :param target: where S3 is
    :raises SubmitError: it cannot be read
    """
    return write(parameter, read_text(parameter, uri.removeprefix("local://"), target), spec)


def write(parameter: str, sql: str, spec: DriverSpec) -> str:
    """The path of a file with this SQL.

    :param parameter: the parameter that it comes from
    :param sql: statements
    :param spec: the attempt, which keeps the file
    """
    path = spec.work_dir / f"{parameter}.sql"
    path.write_text(sql, encoding="utf-8")
    return str(path)
