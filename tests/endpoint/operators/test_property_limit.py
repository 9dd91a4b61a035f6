"""Spark properties past the 100 of a classification."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

import pytest

from airflow_emrs_ext.exceptions import RequestRejected
from airflow_emrs_ext.job_spec import (
    configuration_overrides,
    eks_configuration_overrides,
    eks_spark_sql,
    eks_spark_submit,
    hive,
    spark_submit,
)
from airflow_emrs_ext.local.testing import LocalEmr
from airflow_emrs_ext.operators.containers_job_run import EmrContainersStartJobRunOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from tests.running import TaskInstance, context_of, execute

pytestmark = pytest.mark.airflow

ROLE = "arn:aws:iam::123456789012:role/job"
LIMIT = 100


Said = Callable[[], str]


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Said:
    """What the task has logged, in whatever way its Airflow logs."""
    caplog.set_level("INFO")
    return lambda: caplog.text + capsys.readouterr().out


def many(count: int) -> dict[str, str]:
    return {f"spark.example.p{number}": f"it's {number}" for number in range(count)}


def submitted(
    emr: LocalEmr, service: str, properties: Any, *, sql: Any = None, **submit: Any
) -> tuple[dict[str, str], list[str]]:
    """The properties of the classification, and the words of the command line, as the service has taken them."""
    if service == "emr-serverless":
        application = emr.client(service).create_application(releaseLabel="emr-7.9.0", type="SPARK")
        operator: Any = EmrServerlessStartJobRunOperator(
            task_id="a_task",
            application_id=application["applicationId"],
            execution_role_arn=ROLE,
            job_driver=spark_submit("s3://b/j.py", **submit),
            configuration_overrides=configuration_overrides(spark_defaults=properties),
            wait_for="submission",
        )
    else:
        provider = {"type": "EKS", "id": "c", "info": {"eksInfo": {"namespace": "n"}}}
        cluster = emr.client(service).create_virtual_cluster(name="c", containerProvider=provider)
        operator = EmrContainersStartJobRunOperator(
            task_id="a_task",
            virtual_cluster_id=cluster["id"],
            execution_role_arn=ROLE,
            release_label="emr-7.9.0-latest",
            job_driver=eks_spark_sql("s3://b/q.sql")
            if submit.pop("sql", False)
            else eks_spark_submit("s3://b/j.py", **submit),
            configuration_overrides=eks_configuration_overrides(spark_defaults=properties),
            wait_for="submission",
        )
    ids = execute(operator, context_of(TaskInstance()))
    client = emr.client(service)
    if service == "emr-serverless":
        job_run = client.get_job_run(applicationId=ids["application_id"], jobRunId=ids["job_run_id"])["jobRun"]
    else:
        job_run = client.describe_job_run(virtualClusterId=ids["virtual_cluster_id"], id=ids["job_run_id"])["jobRun"]
    (driver,) = job_run["jobDriver"].values()
    defaults = job_run["configurationOverrides"]["applicationConfiguration"][0]["properties"]
    return defaults, shlex.split(driver.get("sparkSubmitParameters", driver.get("sparkSqlParameters", "")))


@pytest.mark.parametrize("service", ["emr-serverless", "emr-containers"])
def test_what_is_past_the_limit_becomes_options(emr: LocalEmr, service: str, said: Said) -> None:
    """Before those of the user, which win; a secret is not moved to where it would be read more easily."""
    properties = {**many(LIMIT), "spark.example.more": "a b", "spark.example.password": "x"}
    defaults, words = submitted(emr, service, properties, conf={"spark.example.p99": "mine"})
    assert len(defaults) == LIMIT
    assert defaults["spark.example.password"] == "x"
    pairs = [word for word in words if "=" in word and not word.startswith("spark.app.name=")]
    assert pairs == ["spark.example.p99=it's 99", "spark.example.more=a b", "spark.example.p99=mine"]
    assert {**defaults, **dict(pair.split("=", 1) for pair in pairs[:2])} == properties
    assert "submitted as --conf are spark.example.p99, spark.example.more" in said()


def test_spark_sql_has_such_options(emr: LocalEmr) -> None:
    defaults, words = submitted(emr, "emr-containers", many(LIMIT + 1), sql=eks_spark_sql("s3://b/q.sql"))
    assert len(defaults) == LIMIT
    assert "spark.example.p100=it's 100" in words


def test_what_is_within_the_limit_stays(emr: LocalEmr, said: Said) -> None:
    defaults, words = submitted(emr, "emr-serverless", many(LIMIT))
    assert defaults == many(LIMIT)
    assert [word for word in words if "example" in word] == []
    assert "submitted as --conf" not in said()


def test_hive_has_no_such_options(emr: LocalEmr) -> None:
    application = emr.client("emr-serverless").create_application(releaseLabel="emr-7.9.0", type="HIVE")
    operator = EmrServerlessStartJobRunOperator(
        task_id="a_task",
        application_id=application["applicationId"],
        execution_role_arn=ROLE,
        job_driver=hive("s3://b/q.sql"),
        configuration_overrides=configuration_overrides(classifications={"hive-site": many(LIMIT + 1)}),
    )
    with pytest.raises(RequestRejected, match="100"):
        execute(operator, context_of(TaskInstance()))
