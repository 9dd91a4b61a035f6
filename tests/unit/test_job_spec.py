from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import boto3
import numpy as np
import pytest
from botocore.validate import ParamValidator

from airflow_emrs_ext.aws.request_values import converted
from airflow_emrs_ext.exceptions import ConfigurationError
from airflow_emrs_ext.job_spec import configuration_overrides, eks_configuration_overrides, hive, spark_submit


def accepted_by_botocore(job_driver: Mapping[str, Any], overrides: Mapping[str, Any]) -> bool:
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
        ["--date", "2026-05-01", 3],
        class_name="org.example.Main",
        conf={"spark.executor.memory": "4g", "spark.app.name": "it's mine"},
        py_files=["s3://b/a.zip", "s3://b/b.py"],
        jars=["s3://b/c.jar"],
        files="s3://b/d.csv",
        archives=["s3://b/e.tar.gz#environment"],
        packages=["org.example:library:1.0"],
    )
    words = [
        *["--class", "org.example.Main"],
        *["--py-files", "s3://b/a.zip,s3://b/b.py"],
        *["--jars", "s3://b/c.jar"],
        *["--files", "s3://b/d.csv"],
        *["--archives", "s3://b/e.tar.gz#environment"],
        *["--packages", "org.example:library:1.0"],
        *["--conf", "spark.executor.memory=4g"],
        *["--conf", "spark.app.name=it's mine"],
    ]
    assert shlex.split(driver.request()["sparkSubmit"]["sparkSubmitParameters"]) == words
    assert driver["sparkSubmit"]["sparkSubmitParameters"]["--jars"] == ["s3://b/c.jar"]
    request = converted("emr-serverless", "start_job_run", {"jobDriver": driver}, {})["jobDriver"]
    assert request["sparkSubmit"]["entryPointArguments"] == ["--date", "2026-05-01", "3"]
    assert shlex.split(request["sparkSubmit"]["sparkSubmitParameters"]) == words
    assert accepted_by_botocore(request, {})


def test_what_is_not_given_is_left_out() -> None:
    assert spark_submit("s3://b/job.py") == {"sparkSubmit": {"entryPoint": "s3://b/job.py"}}
    assert hive("s3://b/q.sql") == {"hive": {"query": "s3://b/q.sql"}}
    assert configuration_overrides() == {}


def test_hive_with_everything() -> None:
    driver = hive("s3://b/q.sql", init_query_file="s3://b/i.sql", hiveconf={"a": "1"}, hivevar={"day": "1 May"})
    request = driver.request()
    assert request["hive"]["initQueryFile"] == "s3://b/i.sql"
    assert shlex.split(request["hive"]["parameters"]) == ["--hiveconf", "a=1", "--hivevar", "day=1 May"]
    assert accepted_by_botocore(request, {})


def test_printing_shows_the_request() -> None:
    driver = spark_submit("s3://b/j.py", [1], conf={"spark.x": "{{ var.value.get('a', 'b') }}", "spark.y": None})
    assert json.loads(str(driver)) == {
        "sparkSubmit": {
            "entryPoint": "s3://b/j.py",
            "entryPointArguments": ["1"],
            "sparkSubmitParameters": "--conf " + shlex.quote("spark.x={{ var.value.get('a', 'b') }}"),
        }
    }


def test_a_flag_may_be_a_template() -> None:
    monitoring = eks_configuration_overrides(persistent_app_ui="{{ params.ui }}")["monitoringConfiguration"]
    assert monitoring == {"persistentAppUI": "{{ params.ui }}"}
    assert eks_configuration_overrides(persistent_app_ui="false")["monitoringConfiguration"] == {
        "persistentAppUI": "DISABLED"
    }


def test_numbers_of_other_libraries_are_text() -> None:
    driver = spark_submit("s3://b/j.py", [np.int64(5), Decimal("0.5")], conf={"spark.a": np.float32(2)})
    assert json.loads(json.dumps(driver)) == {
        "sparkSubmit": {
            "entryPoint": "s3://b/j.py",
            "entryPointArguments": ["5", "0.5"],
            "sparkSubmitParameters": {"--conf": {"spark.a": "2.0"}},
        }
    }


def test_what_cannot_be_said_before_it_is_rendered_is_shown_as_it_is() -> None:
    driver = spark_submit("s3://b/j.py", jars=["{{ ','.join(params.jars) }}"])
    assert str(driver) == repr(dict(driver))


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda: spark_submit("s3://x/j.py", "--day x"), r"`arguments` is '--day x'; .* Write \['--day', 'x'\]"),
        (lambda: spark_submit("s3://x/j.py", [None]), r"`arguments\[0\]` is None"),
        (lambda: spark_submit("s3://x/j.py", [["a"]]), r"`arguments\[0\]` is \['a'\], of type list"),
        (lambda: spark_submit("s3://x/j.jar", class_name=["a"]), r"`class_name` is \['a'\], of type list"),
        (lambda: spark_submit(""), "`entry_point` is ''; it takes a text"),
        (lambda: spark_submit("s3://x/j.py", conf="spark.a=b"), "`conf` is 'spark.a=b'; it takes a mapping"),
        (lambda: spark_submit("s3://x/j.py", conf={"spark.a": ["b"]}), r"`conf\.spark\.a` is \['b'\], of type list"),
        (lambda: spark_submit("s3://x/j.py", conf={"a=b": "c"}), "'a=b' is no name of a property"),
        (lambda: spark_submit("s3://x/j.py", jars={"a": "b"}), "`jars` is {'a': 'b'}, of type dict"),
        (lambda: hive("s3://x/q.sql", hivevar=["a"]), r"`hivevar\[0\]` is 'a'; it takes a mapping"),
        (lambda: configuration_overrides(spark_defaults="a"), "`spark_defaults` is 'a'; it takes a mapping"),
        (lambda: configuration_overrides(classifications="a"), "`classifications` is 'a'; it takes a mapping"),
        (
            lambda: configuration_overrides(spark_defaults={"a": 1}, classifications={"spark-defaults": {"b": 2}}),
            "not both",
        ),
        (lambda: configuration_overrides(managed_logs="yes"), "`managed_logs` is 'yes'; it takes True or False"),
        (lambda: spark_submit("s3://x/j.py", b"ab"), "`arguments` is b'ab', of type bytes"),
    ],
)
def test_nonsense_is_refused_when_the_dag_file_is_parsed(write: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        write()


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
