"""The example DAGs: each is run by Airflow's own command line against the endpoint with simulated job runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt, local_emr
from airflow_emrs_ext.local.throwaway_airflow import ThrowawayAirflow

DAGS = Path(__file__).parents[2] / "dags"
EXAMPLES = sorted(path.stem for path in DAGS.glob("example_*.py"))

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[LocalEmr]:
    with local_emr() as emr:
        yield emr


@pytest.fixture(scope="module")
def airflow(endpoint: LocalEmr, tmp_path_factory: pytest.TempPathFactory) -> ThrowawayAirflow:
    environ = {**endpoint.environ, "AIRFLOW_CONN_AWS_DEFAULT": "aws://"}
    airflow = ThrowawayAirflow(tmp_path_factory.mktemp("airflow"), DAGS, environ)
    airflow.make_home()
    return airflow


# The end-to-end example needs what Spark writes: the demo's own test runs it.
@pytest.mark.parametrize("dag_id", sorted(set(EXAMPLES) - {"example_end_to_end", "example_job_run_streaming"}))
def test_example_runs(dag_id: str, airflow: ThrowawayAirflow, endpoint: LocalEmr) -> None:
    before = len(endpoint.applications())

    output = airflow.command("dags", "test", dag_id)

    states = {task.task_id: task.state for task in airflow.task_states(dag_id)}
    assert set(states.values()) == {"success"}, output
    assert airflow.run_state(dag_id) == "success"
    (application,) = endpoint.applications()[before:]
    assert application["state"] == "TERMINATED"


def test_streaming_example_returns_while_the_job_runs(airflow: ThrowawayAirflow, endpoint: LocalEmr) -> None:
    endpoint.script([ScriptedAttempt(hold=True)], name="example_job_run_streaming.*")

    airflow.command("dags", "test", "example_job_run_streaming")

    assert airflow.result("example_job_run_streaming", "stream")["state"] == "RUNNING"
    assert airflow.result("example_job_run_streaming", "cancel")["state"] == "CANCELLED"
