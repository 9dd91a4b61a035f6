from __future__ import annotations

import shlex
from typing import Any

import boto3
import pytest
from botocore.validate import ParamValidator

from airflow_emrs_ext.job_spec import configuration_overrides, hive, spark_submit


def accepted_by_botocore(job_driver: dict[str, Any], overrides: dict[str, Any]) -> bool:
    client = boto3.client("emr-serverless", region_name="us-east-1")
    shape = client.meta.service_model.operation_model("StartJobRun").input_shape
    request = {
        "applicationId": "00f",
        "clientToken": "t",
        "executionRoleArn": "arn:aws:iam::123456789012:role/job",
        "jobDriver": job_driver,
        "configurationOverrides": overrides,
    }
    return not ParamValidator().validate(request, shape).has_errors()


def test_spark_submit_with_everything() -> None:
    driver = spark_submit(
        "s3://b/job.jar",
        ["--date", "2026-05-01", 3],  # type: ignore[list-item]
        class_name="org.example.Main",
        conf={"spark.executor.memory": "4g", "spark.app.name": "it's mine"},
        py_files=["s3://b/a.zip", "s3://b/b.py"],
        jars=["s3://b/c.jar"],
        files=["s3://b/d.csv"],
    )
    assert driver["sparkSubmit"]["entryPointArguments"] == ["--date", "2026-05-01", "3"]
    assert shlex.split(driver["sparkSubmit"]["sparkSubmitParameters"]) == [
        *["--class", "org.example.Main"],
        *["--py-files", "s3://b/a.zip,s3://b/b.py"],
        *["--jars", "s3://b/c.jar"],
        *["--files", "s3://b/d.csv"],
        *["--conf", "spark.executor.memory=4g"],
        *["--conf", "spark.app.name=it's mine"],
    ]
    assert accepted_by_botocore(driver, {})


def test_what_is_not_given_is_left_out() -> None:
    assert spark_submit("s3://b/job.py") == {"sparkSubmit": {"entryPoint": "s3://b/job.py"}}
    assert hive("s3://b/q.sql") == {"hive": {"query": "s3://b/q.sql"}}
    assert configuration_overrides() == {}


def test_hive_with_everything() -> None:
    driver = hive("s3://b/q.sql", init_query_file="s3://b/i.sql", hiveconf={"a": "1"}, hivevar={"day": "1 May"})
    assert driver["hive"]["initQueryFile"] == "s3://b/i.sql"
    assert shlex.split(driver["hive"]["parameters"]) == ["--hiveconf", "a=1", "--hivevar", "day=1 May"]
    assert accepted_by_botocore(driver, {})


def test_configuration_overrides_with_everything() -> None:
    overrides = configuration_overrides(
        spark_defaults={"spark.executor.cores": "2"},
        classifications={"hive-site": {"hive.exec.scratchdir": "s3://b/tmp"}},
        s3_log_uri="s3://b/logs",
        cloud_watch_log_group="/my/group",
        cloud_watch_log_stream_prefix="nightly",
        managed_logs=False,
    )
    assert overrides == {
        "applicationConfiguration": [
            {"classification": "spark-defaults", "properties": {"spark.executor.cores": "2"}},
            {"classification": "hive-site", "properties": {"hive.exec.scratchdir": "s3://b/tmp"}},
        ],
        "monitoringConfiguration": {
            "s3MonitoringConfiguration": {"logUri": "s3://b/logs"},
            "cloudWatchLoggingConfiguration": {
                "enabled": True,
                "logGroupName": "/my/group",
                "logStreamNamePrefix": "nightly",
            },
            "managedPersistenceMonitoringConfiguration": {"enabled": False},
        },
    }
    assert accepted_by_botocore(spark_submit("s3://b/job.py"), overrides)


def test_botocore_would_refuse_something_else() -> None:
    with pytest.raises(AssertionError):
        assert accepted_by_botocore({"sparkSubmit": {"entry_point": "s3://b/job.py"}}, {})
