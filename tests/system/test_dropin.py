"""DAGs of the Amazon provider's users: with its own operators, and with this package's in their place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_emrs_ext.local.processes.throwaway_airflow import ThrowawayAirflow
from airflow_emrs_ext.local.testing import LocalEmr, local_emr
from tests.airflow_homes import make_home

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(400)]

OURS, AMAZONS = "airflow_emrs_ext", "airflow.providers.amazon.aws"
# The Amazon provider has operators for sessions in its newest versions only, and for the newest botocore.
DAGS = [(OURS, "serverless"), (OURS, "session"), (OURS, "eks"), (AMAZONS, "serverless"), (AMAZONS, "eks")]


@pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
@pytest.mark.parametrize(("provider", "dag_id"), DAGS)
def test_it_succeeds(provider: str, dag_id: str, deferrable: bool, tmp_path: Path) -> None:
    with local_emr(application_start_seconds=0.05, scheduling_seconds=0.02) as emr:
        airflow = ThrowawayAirflow(
            tmp_path,
            Path(__file__).with_name("dropin_dags"),
            {
                **emr.environ,
                "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
                "AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE": str(deferrable),
                "EMRS_TEST_PROVIDER": provider,
            },
        )
        make_home(airflow)

        output = airflow.command("dags", "test", dag_id)

        states = {task.task_id: task.state for task in airflow.task_states(dag_id)}
        assert set(states.values()) == {"success"}, output
        check_results(dag_id, airflow, emr)
        if provider == OURS and dag_id != "eks":
            # Some versions of the Amazon provider stop what a deferrable task is to delete, and say that it is deleted.
            assert [one["state"] for one in emr.applications()] == ["TERMINATED"]
        if dag_id == "serverless" and not deferrable:
            # What follows a deferral in a class of one's own is run by neither.
            described = airflow.result(dag_id, "described")
            assert airflow.result(dag_id, "described", key="described") == [described, described]


def check_results(dag_id: str, airflow: ThrowawayAirflow, emr: LocalEmr) -> None:
    """Results are ids, and each job run was started once."""
    results: dict[str, Any] = {}
    if dag_id == "eks":
        (cluster,), job_runs = emr.virtual_clusters(), emr.eks_job_runs()
        results = {"create": cluster["id"], "start": job_runs[0]["id"], "ask": job_runs[1]["id"]}
        assert [one["name"] for one in job_runs] == ["a_job", "another"]
        assert job_runs[0]["retryPolicyConfiguration"]["maxAttempts"] == 5
        assert cluster["state"] == "TERMINATED"
    else:
        (application,) = emr.applications()
        results = {"create": application["applicationId"]}
        if dag_id == "serverless":
            started, described = (one["jobRunId"] for one in emr.job_runs())
            results |= {"start": started, "described": described, "is_over": "SUCCESS"}
    assert {task: airflow.result(dag_id, task) for task in results} == results
