"""The AWS SDK for pandas: its functions for EMR Serverless, and S3 beside it."""

from __future__ import annotations

from importlib.metadata import version

import awswrangler as wr
import pytest

from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt

CLIENT = f"awswrangler {version('awswrangler')}"
ROLE = "arn:aws:iam::123456789012:role/jobs"
JOB = {"entryPoint": "s3://code/job.py", "entryPointArguments": ["1"], "sparkSubmitParameters": "--conf a=b"}
HIVE = {
    "query": "s3://code/query.sql",
    "parameters": "--hiveconf hive.exec.scratchdir=s3://code/scratch"
    " --hiveconf hive.metastore.warehouse.dir=s3://code/warehouse",
}


@pytest.fixture
def application_id(emr: LocalEmr) -> str:
    return str(wr.emr_serverless.create_application(name="mine", release_label="emr-7.5.0", tags={"team": "data"}))


def run_job(application_id: str, **more: object) -> object:
    return wr.emr_serverless.run_job(
        application_id=application_id,
        execution_role_arn=ROLE,
        emr_serverless_job_wait_polling_delay=0.1,
        **{"job_driver_args": JOB, **more},
    )


def test_a_job_that_succeeds(emr: LocalEmr, application_id: str) -> None:
    """`create_application`, `run_job` that waits"""
    answer = run_job(application_id, name="nightly", tags={"team": "data"}, execution_timeout=30)
    (run,) = emr.job_runs()
    assert isinstance(answer, dict)
    assert (answer["jobRun"]["jobRunId"], answer["jobRun"]["state"]) == (run["jobRunId"], "SUCCESS")
    assert (run["name"], run["tags"], run["jobDriver"]) == ("nightly", {"team": "data"}, {"sparkSubmit": JOB})
    assert [one["tags"] for one in emr.applications()] == [{"team": "data"}]


def test_a_hive_query(emr: LocalEmr) -> None:
    """`run_job` of a Hive query, then `wait_job`"""
    application_id = wr.emr_serverless.create_application("hive", "emr-7.5.0", application_type="Hive")
    job_run_id = run_job(application_id, job_type="Hive", job_driver_args=HIVE, wait=False)
    answer = wr.emr_serverless.wait_job(application_id, job_run_id, emr_serverless_job_wait_polling_delay=0.1)
    assert answer["jobRun"]["state"] == "SUCCESS"


def test_a_job_that_fails(emr: LocalEmr, application_id: str) -> None:
    """A job that fails: `EMRServerlessJobError` with its details"""
    emr.script([ScriptedAttempt(succeeded=False, details="exit 3")])
    with pytest.raises(wr.exceptions.EMRServerlessJobError, match="exit 3"):
        run_job(application_id)


def test_what_is_refused(emr: LocalEmr, application_id: str) -> None:
    """A job of an application that is not there"""
    from botocore.exceptions import ClientError

    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        run_job("00nothere")


def test_s3(emr: LocalEmr) -> None:
    """Data frames on S3 of the same endpoint"""
    import pandas as pd

    emr.client("s3").create_bucket(Bucket="data")
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    wr.s3.to_parquet(frame, "s3://data/frame/", dataset=True)
    assert wr.s3.read_parquet("s3://data/frame/", dataset=True).to_dict("list") == frame.to_dict("list")
