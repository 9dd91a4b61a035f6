"""What operators and sensors return is what `airflow_emrs_ext.results` says, in both modes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_emrs_ext import results
from airflow_emrs_ext.exceptions import JobRunFailed
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.application_state import EmrServerlessDeleteApplicationOperator
from airflow_emrs_ext.operators.containers_job_run import EmrContainersStartJobRunOperator
from airflow_emrs_ext.operators.cost import EmrServerlessCostOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessCancelJobRunOperator, EmrServerlessStartJobRunOperator
from airflow_emrs_ext.operators.job_template import EmrContainersCreateJobTemplateOperator
from airflow_emrs_ext.operators.managed_endpoint import EmrContainersCreateManagedEndpointOperator
from airflow_emrs_ext.operators.session import (
    EmrServerlessListSessionsOperator,
    EmrServerlessStartSessionOperator,
    EmrServerlessTerminateSessionOperator,
)
from airflow_emrs_ext.operators.virtual_cluster import EmrContainersCreateVirtualClusterOperator
from airflow_emrs_ext.sensors.serverless import EmrServerlessJobRunSensor
from tests.running import run_task
from tests.typed import misfits

pytestmark = pytest.mark.airflow

ROLE = "arn:aws:iam::123456789012:role/job"
JOB = {"sparkSubmit": {"entryPoint": "s3://b/j.py"}}
EKS_JOB = {"sparkSubmitJobDriver": {"entryPoint": "s3://b/j.py"}}
EKS_RELEASE = "emr-7.14.0-latest"
WAITING = {"task_id": "a_task", "waiter_delay": 0.1}


@pytest.fixture(params=[False, True], ids=["blocking", "deferrable"])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    def of(operator: type, **given: Any) -> Any:
        done = run_task(lambda: operator(**{**WAITING, "deferrable": request.param, **given}))
        if done.error is not None:
            raise done.error
        return done.result

    return of


@pytest.fixture
def application_id(emr: LocalEmr) -> str:
    interactive = {"sessionEnabled": True, "livyEndpointEnabled": True}
    client = emr.client("emr-serverless")
    created = client.create_application(releaseLabel="emr-7.13.0", type="SPARK", interactiveConfiguration=interactive)
    return str(created["applicationId"])


def test_the_check_itself() -> None:
    assert list(misfits({"amount": "1", "more": 1}, results.Cost)) == [
        ".currency is missing",
        ".more is not said",
        ".amount: '1' is no <class 'float'>",
    ]
    assert not list(misfits(None, results.Cost | None))


def test_a_job_run(run: Any, application_id: str) -> None:
    given = {"application_id": application_id, "execution_role_arn": ROLE, "job_driver": JOB}
    done = run(EmrServerlessStartJobRunOperator, show_driver_logs="always", **given)
    assert not list(misfits(done, results.JobRunResult))
    ids = {"application_id": application_id, "job_run_id": done["job_run_id"]}
    assert not list(misfits(run(EmrServerlessJobRunSensor, poke_interval=0.1, **ids), results.JobRunResult))
    assert not list(misfits(run(EmrServerlessCancelJobRunOperator, **ids), results.JobRunResult))
    cost = run(EmrServerlessCostOperator, application_ids=[application_id])
    assert (len(cost["parts"]), list(misfits(cost, results.CostResult))) == (1, [])


def test_a_diagnosis(run: Any, emr: LocalEmr, application_id: str) -> None:
    emr.script([ScriptedAttempt(succeeded=False, details="boom")])
    with pytest.raises(JobRunFailed) as failed:
        run(
            EmrServerlessStartJobRunOperator,
            application_id=application_id,
            execution_role_arn=ROLE,
            job_driver=JOB,
        )
    assert not list(misfits(failed.value.facts["diagnosis"], results.Diagnosis))


def test_a_session(run: Any, application_id: str) -> None:
    session = run(EmrServerlessStartSessionOperator, application_id=application_id, execution_role_arn=ROLE)
    assert not list(misfits(session, results.SessionResult))
    listed = run(EmrServerlessListSessionsOperator, application_id=application_id)
    assert (len(listed["sessions"]), list(misfits(listed, results.SessionsResult))) == (1, [])
    assert not list(misfits(run(EmrServerlessTerminateSessionOperator, session=session), results.SessionResult))


def test_an_application(run: Any, emr: LocalEmr) -> None:
    created = run(EmrServerlessCreateApplicationOperator, release_label="emr-7.9.0")
    assert not list(misfits(created, results.ApplicationResult))
    deleted = run(EmrServerlessDeleteApplicationOperator, application_id=created)
    assert not list(misfits(deleted, results.ApplicationResult))


def test_emr_on_eks(run: Any, emr: LocalEmr) -> None:
    cluster = run(EmrContainersCreateVirtualClusterOperator, name="c", eks_cluster_name="eks", eks_namespace="results")
    assert not list(misfits(cluster, results.VirtualClusterResult))
    data = {"executionRoleArn": ROLE, "releaseLabel": EKS_RELEASE, "jobDriver": EKS_JOB}
    template = run(EmrContainersCreateJobTemplateOperator, name="t", job_template_data=data)
    assert not list(misfits(template, results.JobTemplateResult))
    given = {"virtual_cluster_id": cluster, "execution_role_arn": ROLE, "release_label": EKS_RELEASE}
    done = run(EmrContainersStartJobRunOperator, job_driver=EKS_JOB, **given)
    assert not list(misfits(done, results.EksJobRunResult))
    endpoint = run(EmrContainersCreateManagedEndpointOperator, **given)
    assert not list(misfits(endpoint, results.ManagedEndpointResult))
