"""What the service's user guide does with its command line, said with operators and helpers: the same requests."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from airflow_emrs_ext.application_spec import (
    initial_capacity,
    maximum_capacity,
    monitoring_configuration,
    runtime_configuration,
    workers,
)
from airflow_emrs_ext.job_spec import configuration_overrides, hive, hive_query, spark_submit
from airflow_emrs_ext.local.testing import LocalEmr
from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.spark_conf import (
    assume_role,
    assume_roles,
    delta,
    driver,
    executors,
    glue_catalog,
    hudi,
    iceberg,
    internode_encryption,
    java_home,
    jdbc_metastore,
    lake_formation,
    log4j2,
    python_environment,
    python_interpreter,
    s3_access_grants,
    s3_encryption,
    secret,
)
from tests.running import TaskInstance, context_of, execute

pytestmark = pytest.mark.airflow

ROLE = "arn:aws:iam::123456789012:role/job"
OTHER_ROLE = "arn:aws:iam::210987654321:role/reader"
SECOND_ROLE = "arn:aws:iam::210987654321:role/writer"
KEY = "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012"
WORKSPACE = "https://aps-workspaces.us-east-1.amazonaws.com/workspaces/ws-1/api/v1/remote_write"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/spark:1"
PI_JAR = "/usr/lib/spark/examples/jars/spark-examples.jar"
PI_CLASS = "org.apache.spark.examples.SparkPi"
JAVA = "/usr/lib/jvm/java-17-amazon-corretto"
DRIVER_ENV, EXECUTOR_ENV = "spark.emr-serverless.driverEnv.", "spark.executorEnv."
GLUE = {
    "spark.hadoop.hive.metastore.client.factory.class": (
        "com.amazonaws.glue.catalog.metastore.AWSGlueDataCatalogHiveClientFactory"
    )
}
ICEBERG_EXTENSIONS = "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
DIRECTORIES = {"hive.exec.scratchdir": "s3://b/scratch", "hive.metastore.warehouse.dir": "s3://b/warehouse"}
CREDENTIALS = "spark.hadoop.fs.s3.customAWSCredentialsProvider"
MAPPING = "spark.hadoop.fs.s3.bucketLevelAssumeRoleMapping"
HIVE_FACTORY = "org.apache.hadoop.hive.ql.metadata.SessionHiveMetaStoreClientFactory"
HIVE_ROLE = "com.amazonaws.emr.serverless.credentialsprovider.AssumeRoleAWSCredentialsProvider"
HIVE_PROCESSES = ("hive", "tez.am", "tez.task")
BY_BUCKET = "com.amazonaws.emr.serverless.credentialsprovider.BucketLevelAssumeRoleCredentialsProvider"


@dataclass
class Case:
    """A request.

    :param write: parameters of the operator
    :param meant: members of the request; a command line is a list of words, or a mapping of the properties in it
    :param type: of the application
    """

    id: str
    write: Mapping[str, Any]
    meant: Mapping[str, Any]
    type: str = "SPARK"


def submitted(
    *words: str, properties: Mapping[str, str] | None = None, entry: str = "s3://b/j.py", arguments: Any = None
) -> dict[str, Any]:
    """A Spark application in the API's form."""
    line = [*words, *(word for name, value in (properties or {}).items() for word in ("--conf", f"{name}={value}"))]
    made: dict[str, Any] = {"entryPoint": entry}
    if arguments:
        made["entryPointArguments"] = arguments
    if line:
        made["sparkSubmitParameters"] = line
    return {"jobDriver": {"sparkSubmit": made}}


def spark(id: str, fragments: Any, meant: Mapping[str, str], **submit: Any) -> Case:
    """Properties of a Spark application."""
    return Case(id, {"job_driver": spark_submit("s3://b/j.py", conf=fragments, **submit)}, submitted(properties=meant))


def overriding(id: str, write: Mapping[str, Any], meant: Mapping[str, Any]) -> Case:
    """Overrides of a job run's configuration."""
    return Case(
        id,
        {"job_driver": spark_submit("s3://b/j.py"), "configuration_overrides": configuration_overrides(**write)},
        {**submitted(), "configurationOverrides": meant},
    )


def monitored(id: str, meant: Mapping[str, Any], **write: Any) -> Case:
    """A job run whose logs or metrics go elsewhere."""
    return overriding(id, write, {"monitoringConfiguration": meant})


def hive_run(
    id: str, driver: Any, parameters: Mapping[str, str], site: Mapping[str, str] | None = None, **others: Any
) -> Case:
    """A Hive query."""
    line = [word for name, value in parameters.items() for word in ("--hiveconf", f"{name}={value}")]
    meant: dict[str, Any] = {"jobDriver": {"hive": {"query": "s3://b/q.sql", **({"parameters": line} if line else {})}}}
    write: dict[str, Any] = {"job_driver": driver, **others}
    if site is not None:
        write["configuration_overrides"] = configuration_overrides(classifications={"hive-site": site})
        site = {name: str(value) for name, value in site.items()}
        meant["configurationOverrides"] = {
            "applicationConfiguration": [{"classification": "hive-site", "properties": site}]
        }
    return Case(id, write, meant, "HIVE")


def sizes(role: str, cores: int, memory: str) -> dict[str, str]:
    return {f"spark.{role}.cores": str(cores), f"spark.{role}.memory": memory}


STREAM = [driver(cores=4, memory="16g"), executors(3, cores=4, memory="16g")]
STREAMED = {**sizes("driver", 4, "16g"), **sizes("executor", 4, "16g"), "spark.executor.instances": "3"}
KAFKA = "org.apache.spark:spark-sql-kafka-0-10_2.12:3.5.0"
MSK = "software.amazon.msk:aws-msk-iam-auth:2.0.0"
KINESIS = "/usr/share/aws/kinesis/spark-sql-kinesis/lib/spark-streaming-sql-kinesis-connector.jar"
DATABASE = {
    "spark.hadoop.javax.jdo.option.ConnectionDriverName": "org.mariadb.jdbc.Driver",
    "spark.hadoop.javax.jdo.option.ConnectionURL": "jdbc:mysql://host:3306/metastore",
    "spark.hadoop.javax.jdo.option.ConnectionUserName": "hive",
    "spark.hadoop.javax.jdo.option.ConnectionPassword": "EMR.secret@metastore-AbCdEf",
}
METASTORE = jdbc_metastore(
    driver_class="org.mariadb.jdbc.Driver",
    url="jdbc:mysql://host:3306/metastore",
    user="hive",
    password=secret("metastore-AbCdEf"),
)
PYTHON = "./environment/bin/python"
LEVELS = {
    "rootLogger.level": "error",
    "logger.PySparkApp.name": "PySparkApp",
    "logger.PySparkApp.level": "info",
}

JOB_RUNS = [
    Case(
        "word count",
        {
            "name": "count",
            "job_driver": spark_submit(
                "s3://b/wordcount.py",
                ["s3://b/output"],
                conf=[executors(1, cores=1, memory="4g"), driver(cores=1, memory="4g")],
            ),
        },
        {
            "name": "count",
            **submitted(
                properties={
                    **sizes("executor", 1, "4g"),
                    "spark.executor.instances": "1",
                    **sizes("driver", 1, "4g"),
                },
                entry="s3://b/wordcount.py",
                arguments=["s3://b/output"],
            ),
        },
    ),
    Case(
        "a jar, with much disk for shuffling",
        {
            "job_driver": spark_submit(
                PI_JAR,
                ["1"],
                class_name=PI_CLASS,
                conf=[
                    executors(1, cores=4, memory="20g", disk_type="SHUFFLE_OPTIMIZED"),
                    driver(cores=4, memory="8g"),
                ],
            )
        },
        submitted(
            "--class",
            PI_CLASS,
            properties={
                **sizes("executor", 4, "20g"),
                "spark.emr-serverless.executor.disk.type": "shuffle_optimized",
                "spark.executor.instances": "1",
                **sizes("driver", 4, "8g"),
            },
            entry=PI_JAR,
            arguments=["1"],
        ),
    ),
    Case(
        "a jar, at most 15 minutes",
        {
            "execution_timeout_minutes": 15,
            "job_driver": spark_submit(
                PI_JAR,
                ["1"],
                class_name=PI_CLASS,
                conf=[executors(1, cores=4, memory="20g"), driver(cores=4, memory="8g")],
            ),
        },
        {
            "executionTimeoutMinutes": 15,
            **submitted(
                "--class",
                PI_CLASS,
                properties={
                    **sizes("executor", 4, "20g"),
                    "spark.executor.instances": "1",
                    **sizes("driver", 4, "8g"),
                },
                entry=PI_JAR,
                arguments=["1"],
            ),
        },
    ),
    Case(
        "a jar, batch, retried",
        {
            "mode": "BATCH",
            "retry_policy": {"maxAttempts": 10},
            "job_driver": spark_submit(PI_JAR, ["1"], class_name=PI_CLASS),
        },
        {
            "mode": "BATCH",
            "retryPolicy": {"maxAttempts": 10},
            **submitted("--class", PI_CLASS, entry=PI_JAR, arguments=["1"]),
        },
    ),
    Case(
        "streaming, failures per hour",
        {
            "mode": "STREAMING",
            "retry_policy": {"maxFailedAttemptsPerHour": 7},
            "job_driver": spark_submit(PI_JAR, ["1"], class_name=PI_CLASS),
        },
        {
            "mode": "STREAMING",
            "retryPolicy": {"maxFailedAttemptsPerHour": 7},
            **submitted("--class", PI_CLASS, entry=PI_JAR, arguments=["1"]),
        },
    ),
    *[
        Case(
            f"streaming, {source}",
            {"mode": "STREAMING", "job_driver": spark_submit("s3://b/j.py", ["s3://b/output"], conf=STREAM, **given)},
            {"mode": "STREAMING", **submitted(*words, properties=STREAMED, arguments=["s3://b/output"])},
        )
        for source, given, words in (
            ("of files", {}, []),
            ("of Kinesis", {"jars": [KINESIS]}, ["--jars", KINESIS]),
            ("of Kafka", {"packages": [KAFKA]}, ["--packages", KAFKA]),
            ("of MSK", {"packages": [KAFKA, MSK]}, ["--packages", f"{KAFKA},{MSK}"]),
        )
    ],
    spark(
        "S3A instead of EMRFS",
        [
            executors(2, cores=4, memory="8g"),
            driver(cores=4, memory="8g"),
            {
                "spark.hadoop.fs.s3a.change.detection.mode": "none",
                "spark.hadoop.fs.s3a.endpoint.region": "us-east-1",
                "spark.hadoop.fs.s3a.select.enabled": False,
                "spark.sql.sources.fastS3PartitionDiscovery.enabled": False,
            },
        ],
        {
            **sizes("executor", 4, "8g"),
            "spark.executor.instances": "2",
            **sizes("driver", 4, "8g"),
            "spark.hadoop.fs.s3a.change.detection.mode": "none",
            "spark.hadoop.fs.s3a.endpoint.region": "us-east-1",
            "spark.hadoop.fs.s3a.select.enabled": "false",
            "spark.sql.sources.fastS3PartitionDiscovery.enabled": "false",
        },
    ),
    spark(
        "Glue catalog",
        [glue_catalog(), driver(cores=1, memory="3g"), executors(cores=4, memory="3g")],
        {**GLUE, **sizes("driver", 1, "3g"), **sizes("executor", 4, "3g")},
    ),
    spark(
        "Glue catalog of another account",
        glue_catalog("210987654321"),
        {**GLUE, "spark.hadoop.hive.metastore.glue.catalogid": "210987654321"},
    ),
    Case(
        "metastore in a database, password in a secret",
        {
            "job_driver": spark_submit(
                "s3://b/j.py",
                jars=["s3://b/mariadb.jar"],
                conf=[METASTORE, driver(cores=2, memory="6G"), executors(cores=4, memory="10G")],
            ),
            "configuration_overrides": configuration_overrides(s3_log_uri="s3://b/logs/"),
        },
        {
            **submitted(
                "--jars",
                "s3://b/mariadb.jar",
                properties={**DATABASE, **sizes("driver", 2, "6G"), **sizes("executor", 4, "10G")},
            ),
            "configurationOverrides": {
                "monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": "s3://b/logs/"}}
            },
        },
    ),
    overriding(
        "metastore in spark-defaults",
        {"spark_defaults": METASTORE},
        {"applicationConfiguration": [{"classification": "spark-defaults", "properties": DATABASE}]},
    ),
    Case(
        "metastore behind Thrift",
        {
            "job_driver": spark_submit(
                "s3://b/j.py",
                jars=["s3://b/mariadb.jar"],
                conf=[driver(cores=2, memory="6G"), executors(cores=4, memory="10G")],
            ),
            "configuration_overrides": configuration_overrides(s3_log_uri="s3://b/logs/"),
        },
        {
            **submitted(
                "--jars",
                "s3://b/mariadb.jar",
                properties={**sizes("driver", 2, "6G"), **sizes("executor", 4, "10G")},
            ),
            "configurationOverrides": {
                "monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": "s3://b/logs/"}}
            },
        },
    ),
    spark(
        "Iceberg in a Glue catalog by its id",
        iceberg("rms", glue_id="123456789012:managed", default=True, jar=None),
        {
            "spark.sql.extensions": ICEBERG_EXTENSIONS,
            "spark.sql.catalog.rms": "org.apache.iceberg.spark.SparkCatalog",
            "spark.sql.catalog.rms.catalog-impl": "org.apache.iceberg.aws.glue.GlueCatalog",
            "spark.sql.catalog.rms.glue.id": "123456789012:managed",
            "spark.sql.defaultCatalog": "rms",
        },
    ),
    spark(
        "Iceberg behind Glue's REST endpoint",
        iceberg(
            "rms",
            catalog_type="rest",
            warehouse="123456789012:managed",
            uri="https://glue.us-east-1.amazonaws.com/iceberg",
            jar=None,
        ),
        {
            "spark.sql.extensions": ICEBERG_EXTENSIONS,
            "spark.sql.catalog.rms": "org.apache.iceberg.spark.SparkCatalog",
            "spark.sql.catalog.rms.type": "rest",
            "spark.sql.catalog.rms.warehouse": "123456789012:managed",
            "spark.sql.catalog.rms.uri": "https://glue.us-east-1.amazonaws.com/iceberg",
            "spark.sql.catalog.rms.rest.sigv4-enabled": "true",
            "spark.sql.catalog.rms.rest.signing-name": "glue",
        },
    ),
    spark(
        "Iceberg",
        [iceberg("dev", warehouse="s3://b/lake/"), glue_catalog()],
        {
            "spark.jars": "/usr/share/aws/iceberg/lib/iceberg-spark3-runtime.jar",
            "spark.sql.extensions": ICEBERG_EXTENSIONS,
            "spark.sql.catalog.dev": "org.apache.iceberg.spark.SparkCatalog",
            "spark.sql.catalog.dev.catalog-impl": "org.apache.iceberg.aws.glue.GlueCatalog",
            "spark.sql.catalog.dev.warehouse": "s3://b/lake/",
            **GLUE,
        },
    ),
    spark(
        "Hudi",
        [hudi(), glue_catalog()],
        {
            "spark.jars": "/usr/lib/hudi/hudi-spark-bundle.jar",
            "spark.serializer": "org.apache.spark.serializer.KryoSerializer",
            **GLUE,
        },
    ),
    spark(
        "Delta Lake before emr-7.0.0",
        delta(release_label="emr-6.15.0"),
        {
            "spark.jars": "/usr/share/aws/delta/lib/delta-core.jar,/usr/share/aws/delta/lib/delta-storage.jar",
            "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
            "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        },
    ),
    spark(
        "Delta Lake",
        delta(),
        {
            "spark.jars": "/usr/share/aws/delta/lib/delta-spark.jar,/usr/share/aws/delta/lib/delta-storage.jar",
            "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
            "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        },
    ),
    overriding(
        "a role of another account",
        {"spark_defaults": assume_role(OTHER_ROLE)},
        {
            "applicationConfiguration": [
                {
                    "classification": "spark-defaults",
                    "properties": {
                        CREDENTIALS: "com.amazonaws.emr.AssumeRoleAWSCredentialsProvider",
                        f"{DRIVER_ENV}ASSUME_ROLE_CREDENTIALS_ROLE_ARN": OTHER_ROLE,
                        f"{EXECUTOR_ENV}ASSUME_ROLE_CREDENTIALS_ROLE_ARN": OTHER_ROLE,
                    },
                }
            ]
        },
    ),
    overriding(
        "roles of another account, by bucket",
        {"spark_defaults": assume_roles({"one": OTHER_ROLE, "two": SECOND_ROLE})},
        {
            "applicationConfiguration": [
                {
                    "classification": "spark-defaults",
                    "properties": {CREDENTIALS: BY_BUCKET, MAPPING: f"one->{OTHER_ROLE};two->{SECOND_ROLE}"},
                }
            ]
        },
    ),
    overriding(
        "S3 Access Grants",
        {"spark_defaults": s3_access_grants()},
        {
            "applicationConfiguration": [
                {
                    "classification": "spark-defaults",
                    "properties": {
                        "spark.hadoop.fs.s3.s3AccessGrants.enabled": "true",
                        "spark.hadoop.fs.s3.s3AccessGrants.fallbackToIAM": "false",
                    },
                }
            ]
        },
    ),
    spark("Lake Formation", lake_formation(), {"spark.emr-serverless.lakeformation.enabled": "true"}),
    spark("encryption between workers", internode_encryption(), {"spark.ssl.internode.enabled": "true"}),
    spark(
        "a KMS key for S3",
        s3_encryption("key"),
        {
            "spark.hadoop.fs.s3.enableServerSideEncryption": "true",
            "spark.hadoop.fs.s3.serverSideEncryption.kms.keyId": "key",
        },
    ),
    spark(
        "a KMS key for one bucket",
        s3_encryption("key", bucket="b"),
        {
            "spark.hadoop.fs.s3.bucket.b.enableServerSideEncryption": "true",
            "spark.hadoop.fs.s3.bucket.b.serverSideEncryption.kms.keyId": "key",
        },
    ),
    *[
        spark(
            f"Java 17 on {architecture}",
            java_home(17, architecture=architecture),
            {f"{DRIVER_ENV}JAVA_HOME": f"{JAVA}.{name}/", f"{EXECUTOR_ENV}JAVA_HOME": f"{JAVA}.{name}/"},
        )
        for architecture, name in (("X86_64", "x86_64"), ("ARM64", "aarch64"))
    ],
    spark(
        "a Java of the image",
        java_home("/usr/lib/jvm/java-11"),
        {f"{DRIVER_ENV}JAVA_HOME": "/usr/lib/jvm/java-11", f"{EXECUTOR_ENV}JAVA_HOME": "/usr/lib/jvm/java-11"},
    ),
    overriding(
        "Java 17 in spark-defaults",
        {"spark_defaults": java_home(17)},
        {
            "applicationConfiguration": [
                {
                    "classification": "spark-defaults",
                    "properties": {
                        f"{DRIVER_ENV}JAVA_HOME": f"{JAVA}.x86_64/",
                        f"{EXECUTOR_ENV}JAVA_HOME": f"{JAVA}.x86_64/",
                    },
                }
            ]
        },
    ),
    spark(
        "a Python environment",
        python_environment("s3://b/venv.tar.gz"),
        {
            "spark.archives": "s3://b/venv.tar.gz#environment",
            f"{DRIVER_ENV}PYSPARK_DRIVER_PYTHON": PYTHON,
            f"{DRIVER_ENV}PYSPARK_PYTHON": PYTHON,
            f"{EXECUTOR_ENV}PYSPARK_PYTHON": PYTHON,
        },
    ),
    spark(
        "a Python of the image",
        python_interpreter("/usr/local/bin/python3.10"),
        {
            f"{DRIVER_ENV}PYSPARK_DRIVER_PYTHON": "/usr/local/bin/python3.10",
            f"{DRIVER_ENV}PYSPARK_PYTHON": "/usr/local/bin/python3.10",
            f"{EXECUTOR_ENV}PYSPARK_PYTHON": "/usr/local/bin/python3.10",
        },
    ),
    Case(
        "Python modules",
        {"job_driver": spark_submit("s3://b/j.py", py_files=["s3://b/lib.zip"])},
        submitted("--py-files", "s3://b/lib.zip"),
    ),
    Case(
        "levels of logs",
        {
            "job_driver": spark_submit("s3://b/j.py"),
            "configuration_overrides": configuration_overrides(
                classifications={
                    "spark-driver-log4j2": log4j2("error", {"PySparkApp": "info"}),
                    "spark-executor-log4j2": log4j2("error", {"PySparkApp": "info"}),
                }
            ),
        },
        {
            **submitted(),
            "configurationOverrides": {
                "applicationConfiguration": [
                    {"classification": "spark-driver-log4j2", "properties": LEVELS},
                    {"classification": "spark-executor-log4j2", "properties": LEVELS},
                ]
            },
        },
    ),
    overriding(
        "what the application gives, overridden, added to and removed",
        {
            "spark_defaults": [driver(cores=2, memory="4G"), executors(cores=1, memory="4G")],
            "classifications": {
                "spark-executor-log4j2": log4j2("error", {"PySparkApp": "info"}),
                "spark-driver-log4j2": {},
            },
            "managed_logs": True,
            "s3_log_uri": False,
            "cloud_watch_logs": True,
        },
        {
            "applicationConfiguration": [
                {
                    "classification": "spark-defaults",
                    "properties": {**sizes("driver", 2, "4G"), **sizes("executor", 1, "4G")},
                },
                {"classification": "spark-executor-log4j2", "properties": LEVELS},
                {"classification": "spark-driver-log4j2", "properties": {}},
            ],
            "monitoringConfiguration": {
                "managedPersistenceMonitoringConfiguration": {"enabled": True},
                "s3MonitoringConfiguration": {},
                "cloudWatchLoggingConfiguration": {"enabled": True},
            },
        },
    ),
    monitored("no managed logs", {"managedPersistenceMonitoringConfiguration": {"enabled": False}}, managed_logs=False),
    monitored(
        "managed logs with a key",
        {"managedPersistenceMonitoringConfiguration": {"encryptionKeyArn": KEY}},
        managed_encryption_key_arn=KEY,
    ),
    monitored("logs on S3", {"s3MonitoringConfiguration": {"logUri": "s3://b/logs/"}}, s3_log_uri="s3://b/logs/"),
    monitored(
        "logs on S3 with a key",
        {"s3MonitoringConfiguration": {"logUri": "s3://b/logs/", "encryptionKeyArn": KEY}},
        s3_log_uri="s3://b/logs/",
        s3_encryption_key_arn=KEY,
    ),
    monitored("logs on CloudWatch", {"cloudWatchLoggingConfiguration": {"enabled": True}}, cloud_watch_logs=True),
    monitored(
        "logs on CloudWatch with a key",
        {"cloudWatchLoggingConfiguration": {"enabled": True, "encryptionKeyArn": KEY}},
        cloud_watch_encryption_key_arn=KEY,
    ),
    monitored(
        "everything about CloudWatch",
        {
            "cloudWatchLoggingConfiguration": {
                "enabled": True,
                "logGroupName": "group",
                "logStreamNamePrefix": "stream",
                "encryptionKeyArn": KEY,
                "logTypes": {"SPARK_DRIVER": ["stdout", "stderr"]},
            }
        },
        cloud_watch_log_group="group",
        cloud_watch_log_stream_prefix="stream",
        cloud_watch_encryption_key_arn=KEY,
        cloud_watch_log_types={"SPARK_DRIVER": ["stdout", "stderr"]},
    ),
    Case(
        "metrics to Prometheus",
        {
            "job_driver": spark_submit(
                "local:///usr/lib/spark/examples/src/main/python/pi.py",
                ["10000"],
                conf={"spark.dynamicAllocation.maxExecutors": 10},
            ),
            "configuration_overrides": configuration_overrides(prometheus_remote_write_url=WORKSPACE),
        },
        {
            **submitted(
                properties={"spark.dynamicAllocation.maxExecutors": "10"},
                entry="local:///usr/lib/spark/examples/src/main/python/pi.py",
                arguments=["10000"],
            ),
            "configurationOverrides": {
                "monitoringConfiguration": {"prometheusMonitoringConfiguration": {"remoteWriteUrl": WORKSPACE}}
            },
        },
    ),
    hive_run(
        "Hive, directories in hive-site",
        hive("s3://b/q.sql", hiveconf={"hive.log.explain.output": False}),
        {"hive.log.explain.output": "false"},
        {
            **DIRECTORIES,
            "hive.driver.cores": 2,
            "hive.driver.memory": "4g",
            "hive.tez.container.size": 4096,
            "hive.tez.cpu.vcores": 1,
        },
    ),
    hive_run(
        "Hive, with much disk for shuffling",
        hive("s3://b/q.sql", hiveconf={"hive.log.explain.output": False}),
        {"hive.log.explain.output": "false"},
        {
            **DIRECTORIES,
            "hive.driver.cores": 2,
            "hive.driver.memory": "4g",
            "hive.tez.container.size": 4096,
            "hive.tez.cpu.vcores": 1,
            "hive.driver.disk.type": "shuffle_optimized",
            "hive.tez.disk.type": "shuffle_optimized",
        },
    ),
    hive_run(
        "Hive, directories as parameters",
        hive_query("s3://b/q.sql", scratch_dir="s3://b/scratch", warehouse_dir="s3://b/warehouse"),
        DIRECTORIES,
        {"hive.driver.cores": 2, "hive.driver.memory": "6G"},
    ),
    hive_run(
        "Hive, catalog of another account",
        hive_query("s3://b/q.sql", scratch_dir="s3://b/scratch", warehouse_dir="s3://b/warehouse"),
        DIRECTORIES,
        {"hive.metastore.glue.catalogid": "210987654321"},
    ),
    hive_run(
        "Hive, metastore in a database",
        hive_query(
            "s3://b/q.sql",
            scratch_dir="s3://b/scratch",
            warehouse_dir="s3://b/warehouse",
            hiveconf={
                "javax.jdo.option.ConnectionUserName": "hive",
                "javax.jdo.option.ConnectionPassword": secret("metastore-AbCdEf"),
                "hive.metastore.client.factory.class": HIVE_FACTORY,
                "javax.jdo.option.ConnectionDriverName": "org.mariadb.jdbc.Driver",
                "javax.jdo.option.ConnectionURL": "jdbc:mysql://host:3306/metastore",
            },
        ),
        {
            **DIRECTORIES,
            "javax.jdo.option.ConnectionUserName": "hive",
            "javax.jdo.option.ConnectionPassword": "EMR.secret@metastore-AbCdEf",
            "hive.metastore.client.factory.class": HIVE_FACTORY,
            "javax.jdo.option.ConnectionDriverName": "org.mariadb.jdbc.Driver",
            "javax.jdo.option.ConnectionURL": "jdbc:mysql://host:3306/metastore",
        },
    ),
    hive_run(
        "Hive, metastore behind Thrift",
        hive("s3://b/q.sql"),
        {},
        {**DIRECTORIES, "hive.metastore.client.factory.class": HIVE_FACTORY, "hive.metastore.uris": "thrift://host:1"},
    ),
    hive_run(
        "Hive, one role of another account",
        hive("s3://b/q.sql"),
        {},
        {
            "fs.s3.customAWSCredentialsProvider": HIVE_ROLE,
            **{f"{of}.emr-serverless.launch.env.ASSUME_ROLE_CREDENTIALS_ROLE_ARN": OTHER_ROLE for of in HIVE_PROCESSES},
        },
    ),
    Case(
        "Hive, with logs on S3",
        {
            "job_driver": hive_query("s3://b/q.sql", scratch_dir="s3://b/scratch", warehouse_dir="s3://b/warehouse"),
            "configuration_overrides": configuration_overrides(
                classifications={"hive-site": {"hive.driver.cores": 2, "hive.driver.memory": "6G"}},
                s3_log_uri="s3://b/logs/",
            ),
        },
        {
            "jobDriver": {
                "hive": {
                    "query": "s3://b/q.sql",
                    "parameters": [word for pair in DIRECTORIES.items() for word in ("--hiveconf", "=".join(pair))],
                }
            },
            "configurationOverrides": {
                "applicationConfiguration": [
                    {
                        "classification": "hive-site",
                        "properties": {"hive.driver.cores": "2", "hive.driver.memory": "6G"},
                    }
                ],
                "monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": "s3://b/logs/"}},
            },
        },
        "HIVE",
    ),
    hive_run(
        "Hive, roles of another account",
        hive("s3://b/q.sql"),
        {},
        {
            "fs.s3.customAWSCredentialsProvider": BY_BUCKET,
            "fs.s3.bucketLevelAssumeRoleMapping": f"one->{OTHER_ROLE};two->{SECOND_ROLE}",
        },
    ),
]


def capacity(**others: Any) -> dict[str, Any]:
    small = {"cpu": "2 vCPU", "memory": "4 GB"}
    large = {"cpu": "4 vCPU", "memory": "8 GB"}
    if others.pop("shuffling", False):
        small |= {"disk": "50 GB", "diskType": "SHUFFLE_OPTIMIZED"}
        large |= {"disk": "500 GB", "diskType": "SHUFFLE_OPTIMIZED"}
    second = others.pop("second", "EXECUTOR")
    return {
        "initialCapacity": {
            "DRIVER": {"workerCount": 5, "workerConfiguration": small},
            second: {"workerCount": 50, "workerConfiguration": large},
        },
        "maximumCapacity": {"cpu": "400 vCPU", "memory": "1024 GB"},
    }


SMALL, LARGE = workers(5, cpu=2, memory=4), workers(50, cpu=4, memory=8)
MOST = maximum_capacity(cpu=400, memory=1024)

APPLICATIONS = [
    Case("Spark", {"name": "a"}, {"name": "a"}),
    Case("Hive", {"name": "a", "job_type": "HIVE"}, {"name": "a", "type": "Hive"}),
    Case(
        "workers kept ready for Spark",
        {"initial_capacity": initial_capacity(driver=SMALL, executor=LARGE), "maximum_capacity": MOST},
        capacity(),
    ),
    Case(
        "workers kept ready for Hive",
        {
            "job_type": "HIVE",
            "initial_capacity": initial_capacity(driver=SMALL, tez_task=LARGE),
            "maximum_capacity": MOST,
        },
        capacity(second="TEZ_TASK"),
    ),
    Case(
        "with much disk for shuffling",
        {
            "initial_capacity": initial_capacity(
                driver=workers(5, cpu=2, memory=4, disk=50, disk_type="SHUFFLE_OPTIMIZED"),
                executor=workers(50, cpu=4, memory=8, disk=500, disk_type="SHUFFLE_OPTIMIZED"),
            ),
            "maximum_capacity": MOST,
        },
        capacity(shuffling=True),
    ),
    Case(
        "defaults for its job runs",
        {
            "runtime_configuration": runtime_configuration(
                spark_defaults=[driver(cores=4, memory="8G"), executors(2, cores=2, memory="8G"), METASTORE],
                classifications={"spark-driver-log4j2": log4j2("error", {"PySparkApp": "info"})},
            ),
            "monitoring_configuration": monitoring_configuration(s3_log_uri="s3://b/logs/app", managed_logs=False),
        },
        {
            "runtimeConfiguration": [
                {
                    "classification": "spark-defaults",
                    "properties": {
                        **sizes("driver", 4, "8G"),
                        **sizes("executor", 2, "8G"),
                        "spark.executor.instances": "2",
                        **DATABASE,
                    },
                },
                {"classification": "spark-driver-log4j2", "properties": LEVELS},
            ],
            "monitoringConfiguration": {
                "s3MonitoringConfiguration": {"logUri": "s3://b/logs/app"},
                "managedPersistenceMonitoringConfiguration": {"enabled": False},
            },
        },
    ),
    Case("an image", {"image_configuration": {"imageUri": IMAGE}}, {"imageConfiguration": {"imageUri": IMAGE}}),
    Case(
        "an image for each type of worker",
        {
            "worker_type_specifications": {
                "Driver": {"imageConfiguration": {"imageUri": IMAGE}},
                "Executor": {"imageConfiguration": {"imageUri": IMAGE}},
            }
        },
        {
            "workerTypeSpecifications": {
                "Driver": {"imageConfiguration": {"imageUri": IMAGE}},
                "Executor": {"imageConfiguration": {"imageUri": IMAGE}},
            }
        },
    ),
    Case("Graviton", {"architecture": "ARM64"}, {"architecture": "ARM64"}),
    Case(
        "job runs that wait for others",
        {"scheduler_configuration": {"maxConcurrentRuns": 1, "queueTimeoutMinutes": 30}},
        {"schedulerConfiguration": {"maxConcurrentRuns": 1, "queueTimeoutMinutes": 30}},
    ),
    Case(
        "interactive",
        {"interactive_configuration": {"livyEndpointEnabled": True}},
        {"interactiveConfiguration": {"livyEndpointEnabled": True}},
    ),
    Case(
        "metrics to Prometheus",
        {"monitoring_configuration": monitoring_configuration(prometheus_remote_write_url=WORKSPACE)},
        {"monitoringConfiguration": {"prometheusMonitoringConfiguration": {"remoteWriteUrl": WORKSPACE}}},
    ),
    *[
        Case(
            name,
            {"runtime_configuration": runtime_configuration(spark_defaults=fragment)},
            {"runtimeConfiguration": [{"classification": "spark-defaults", "properties": fragment}]},
        )
        for name, fragment in (
            ("Lake Formation", lake_formation()),
            ("encryption between workers", internode_encryption()),
        )
    ],
]


def as_words(value: Any) -> Any:
    """A structure with command lines as lists of words, without the name that a job run gives its application."""
    if not isinstance(value, Mapping):
        return value
    found = {name: as_words(one) for name, one in value.items()}
    for name in ("sparkSubmitParameters", "parameters"):
        if isinstance(found.get(name), str):
            words = shlex.split(found[name])
            if words[-1].startswith("spark.app.name="):
                words = words[:-2]
            found[name] = words
            if not words:
                del found[name]
    return found


@pytest.mark.parametrize("case", JOB_RUNS, ids=lambda case: case.id.replace(" ", "_"))
def test_job_runs(emr: LocalEmr, case: Case) -> None:
    client = emr.client("emr-serverless")
    application_id = client.create_application(releaseLabel="emr-7.9.0", type=case.type)["applicationId"]
    operator = EmrServerlessStartJobRunOperator(
        task_id="a_task",
        application_id=application_id,
        execution_role_arn=ROLE,
        wait_for="submission",
        **case.write,
    )
    result = execute(operator, context_of(TaskInstance()))
    job_run = client.get_job_run(applicationId=application_id, jobRunId=result["job_run_id"])["jobRun"]
    given = {name: job_run.get(name) for name in {*case.meant, "jobDriver", "configurationOverrides"}}
    assert as_words(given) == {"configurationOverrides": None, **case.meant}


@pytest.mark.parametrize("case", APPLICATIONS, ids=lambda case: case.id.replace(" ", "_"))
def test_applications(emr: LocalEmr, case: Case) -> None:
    operator = EmrServerlessCreateApplicationOperator(
        task_id="a_task", release_label="emr-7.9.0", wait_for_completion=False, **{"name": "an_app", **case.write}
    )
    result = execute(operator, context_of(TaskInstance()))
    client = emr.client("emr-serverless")
    application = client.get_application(applicationId=result["application_id"])["application"]
    assert {name: application.get(name) for name in case.meant} == case.meant
