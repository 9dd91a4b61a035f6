"""DAGs of the Amazon provider's users: with its own operators, and with this package's in their place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_emrs_ext.local.processes.throwaway_airflow import ThrowawayAirflow
from airflow_emrs_ext.local.testing import LocalEmr, local_emr
from tests.airflow_homes import ForkedAirflow, make_home
from tests.called import as_client, operations_called
from tests.polling import eventually

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(400)]

OURS, AMAZONS = "airflow_emrs_ext", "airflow.providers.amazon.aws"
# The Amazon provider has operators for sessions in its newest versions only, and for the newest botocore.
DAGS = {OURS: ("serverless", "session", "eks"), AMAZONS: ("serverless", "eks")}


@pytest.mark.parametrize(("provider", "deferrable"), [(OURS, False), (OURS, True), (AMAZONS, False)])
def test_they_succeed(
    provider: str, deferrable: bool, tmp_path: Path, record_property: Callable[[str, Any], None]
) -> None:
    with local_emr(application_start_seconds=0.05, scheduling_seconds=0.02) as emr:
        airflow = ForkedAirflow(
            tmp_path,
            Path(__file__).with_name("dropin_dags"),
            {
                **as_client(emr),
                "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
                "AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE": str(deferrable),
                "EMRS_TEST_PROVIDER": provider,
            },
        )
        make_home(airflow)
        with airflow.forking():
            for dag_id in DAGS[provider]:
                output = airflow.command("dags", "test", dag_id)
                states = {task.task_id: task.state for task in airflow.task_states(dag_id)}
                assert set(states.values()) == {"success"}, output

        check_results(airflow, emr)
        assert {one["state"] for one in emr.applications()} == {"TERMINATED"}
        # Nothing waits for it: boto3 has deleted it.
        eventually(lambda: {one["state"] for one in emr.virtual_clusters()} == {"TERMINATED"})
        if not deferrable:
            # What follows a deferral in a class of one's own is run by neither.
            described = airflow.result("serverless", "described")
            assert airflow.result("serverless", "described", key="described") == [described, described]
        record_property("called", operations_called(emr))


def check_results(airflow: ThrowawayAirflow, emr: LocalEmr) -> None:
    """Results are ids, and each job run was started once."""
    (cluster,), eks_runs = emr.virtual_clusters(), emr.eks_job_runs()
    started, described = (one["jobRunId"] for one in emr.job_runs())
    results: dict[tuple[str, str], Any] = {
        ("serverless", "create"): emr.job_runs()[0]["applicationId"],
        ("serverless", "start"): started,
        ("serverless", "described"): described,
        ("serverless", "is_over"): "SUCCESS",
        ("eks", "create"): cluster["id"],
        ("eks", "start"): eks_runs[0]["id"],
        ("eks", "ask"): eks_runs[1]["id"],
    }
    assert {place: airflow.result(*place) for place in results} == results
    assert [one["name"] for one in eks_runs] == ["a_job", "another"]
    assert eks_runs[0]["retryPolicyConfiguration"]["maxAttempts"] == 5
