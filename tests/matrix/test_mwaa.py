"""The package with the packages of one image of Amazon MWAA; the local endpoint has an interpreter of its own."""

from __future__ import annotations

import importlib
import pkgutil
from importlib.metadata import version
from pathlib import Path

import pytest

import airflow_emrs_ext
from airflow_emrs_ext.local.testing import LocalEmr
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from tests.running import run_task

LOCKS = Path(__file__).parents[1] / "locks"
ROLE = "arn:aws:iam::123456789012:role/job"

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(300)]


def test_the_pins_are_those_of_the_image() -> None:
    lines = (LOCKS / f"mwaa-{version('apache-airflow')}.in").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    assert {"apache-airflow", "apache-airflow-providers-amazon", "boto3", "aiobotocore"} <= set(pins)
    assert {name: version(name) for name in pins} == pins


def test_every_module_can_be_imported() -> None:
    names = {module.name for module in pkgutil.walk_packages(airflow_emrs_ext.__path__, "airflow_emrs_ext.")}
    # What the endpoint is made of needs the extra that its own interpreter has.
    names -= {name for name in names if name.startswith("airflow_emrs_ext.local")}
    assert len(names) > 20
    for name in sorted(names):
        importlib.import_module(name)


@pytest.mark.parametrize("deferrable", [False, True])
def test_job_run(deferrable: bool, emr: LocalEmr) -> None:
    application = {"type": "SPARK", "releaseLabel": "emr-7.13.0", "clientToken": "a"}
    application_id = emr.client("emr-serverless").create_application(**application)["applicationId"]

    run = run_task(
        lambda: EmrServerlessStartJobRunOperator(
            task_id="a_task",
            application_id=application_id,
            execution_role_arn=ROLE,
            job_driver={"sparkSubmit": {"entryPoint": "s3://bucket/job.py"}},
            execution_iam_policy={"policyArns": ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]},
            deferrable=deferrable,
        )
    )

    assert run.error is None
    assert run.result["state"] == "SUCCESS"
    assert run.deferred == deferrable
    (job_run,) = emr.job_runs(application_id)
    assert job_run["executionIamPolicy"]["policyArns"]
