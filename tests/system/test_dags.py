"""The example DAGs: each is run by Airflow's own command line against the endpoint with simulated job runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from airflow_emrs_ext.local.processes.throwaway_airflow import ThrowawayAirflow
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt, local_emr
from tests.airflow_homes import ForkedAirflow, make_home

DAGS = Path(__file__).parents[2] / "dags"
EXAMPLES = sorted(path.stem for path in DAGS.glob("example_*.py"))

# The examples look as often as it suits job runs that take hours.
SOON = {
    "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
    "AIRFLOW__EMRS_EXT__WAITER_DELAY": "0.2",
    "AIRFLOW__EMRS_EXT__DRIVER_LOG_INTERVAL": "1",
}

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[LocalEmr]:
    with local_emr(application_start_seconds=0.05, scheduling_seconds=0.02) as emr:
        yield emr


@pytest.fixture(scope="module")
def airflow(endpoint: LocalEmr, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThrowawayAirflow]:
    environ = {**endpoint.environ, **SOON, "AIRFLOW__EMRS_EXT__DEPLOYMENT": "tests"}
    with airflow_of(tmp_path_factory.mktemp("airflow"), environ) as airflow:
        yield airflow


@pytest.mark.spark
def test_the_example_of_emr_on_ec2_works_on_spark(tmp_path: Path) -> None:
    with local_emr(runner="spark") as emr, airflow_of(tmp_path / "airflow", {**emr.environ, **SOON}) as airflow:
        output = airflow.command("dags", "test", "example_cluster_session")
        assert airflow.run_state("example_cluster_session") == "success", output
        assert airflow.result("example_cluster_session", "largest") == 81
        assert [one["State"] for one in emr.cluster_sessions()] == ["TERMINATED"]
        client = emr.client("emr")
        (cluster_id,) = [one["Id"] for one in emr.clusters()]
        status = client.describe_cluster(ClusterId=cluster_id)["Cluster"]["Status"]
        assert status["State"] in {"TERMINATING", "TERMINATED"}


@contextmanager
def airflow_of(home: Path, environ: dict[str, str]) -> Iterator[ThrowawayAirflow]:
    airflow = ForkedAirflow(home, DAGS, environ)
    make_home(airflow)
    with airflow.forking():
        yield airflow


# The end-to-end example and those that work in a session need a real Spark; two others have a test of their own.
OTHERWISE_TESTED = {
    "example_cluster_session",
    "example_cluster_step",
    "example_eks_spark_connect",
    "example_end_to_end",
    "example_job_run_streaming",
    "example_maintenance_sweep",
    "example_session_shared",
    "example_session_work",
}


@pytest.mark.parametrize("dag_id", sorted(set(EXAMPLES) - OTHERWISE_TESTED))
def test_example_runs(dag_id: str, airflow: ThrowawayAirflow, endpoint: LocalEmr) -> None:
    before = len(places(endpoint))

    output = airflow.command("dags", "test", dag_id)

    states = {task.task_id: task.state for task in airflow.task_states(dag_id)}
    assert set(states.values()) == {"success"}, output
    assert airflow.run_state(dag_id) == "success"
    (place,) = places(endpoint)[before:]
    assert place["state"] == "TERMINATED"


def test_the_example_of_steps_runs(airflow: ThrowawayAirflow, endpoint: LocalEmr) -> None:
    output = airflow.command("dags", "test", "example_cluster_step")

    assert {task.state for task in airflow.task_states("example_cluster_step")} == {"success"}, output
    (cluster,) = endpoint.clusters()
    listed = endpoint.client("emr").list_steps(ClusterId=cluster["Id"])["Steps"]
    assert [one["Status"]["State"] for one in listed] == ["COMPLETED", "COMPLETED"]
    assert [one["Name"].partition(" [")[0] for one in listed] == [
        "example_cluster_step.report",
        "example_cluster_step.pi",
    ]


def places(endpoint: LocalEmr) -> list[dict[str, Any]]:
    """What job runs run on."""
    return sorted([*endpoint.applications(), *endpoint.virtual_clusters()], key=lambda one: str(one["createdAt"]))


def test_streaming_example_returns_while_the_job_runs(airflow: ThrowawayAirflow, endpoint: LocalEmr) -> None:
    endpoint.script([ScriptedAttempt(hold=True)], name="example_job_run_streaming.*")

    airflow.command("dags", "test", "example_job_run_streaming")

    assert airflow.result("example_job_run_streaming", "stream")["state"] == "RUNNING"
    assert airflow.result("example_job_run_streaming", "cancel")["state"] == "CANCELLED"


def test_sweep_example_ends_what_finished_dag_runs_left(airflow: ThrowawayAirflow, endpoint: LocalEmr) -> None:
    endpoint.script([ScriptedAttempt(hold=True)])
    client = endpoint.client("emr-serverless")
    application_id = client.create_application(
        type="SPARK", releaseLabel="emr-7.13.0", interactiveConfiguration={"sessionEnabled": True}
    )["applicationId"]
    airflow.command("dags", "test", "example_maintenance_sweep")
    ((run_id,),) = airflow.query("SELECT run_id FROM dag_run WHERE dag_id = 'example_maintenance_sweep'")
    role = "arn:aws:iam::123456789012:role/job"

    def start(run_id: str) -> str:
        owner = {
            "dag_id": "example_maintenance_sweep",
            "run_id": run_id,
            "task_id": "a_task",
            "deployment": "tests",
        }
        tags = {f"airflow-emrs-ext:{key}": value for key, value in owner.items()}
        started = client.start_session(applicationId=application_id, executionRoleArn=role, tags=tags)
        return str(started["sessionId"])

    left, unknown = start(run_id), start("of-another-airflow")
    client.start_session(applicationId=application_id, executionRoleArn=role, name="by-hand")

    output = airflow.command("dags", "test", "example_maintenance_sweep", "2026-02-01")

    (unknown_line,) = [line for line in output.splitlines() if unknown in line and line.endswith("still running")]
    assert "of-another-airflow" in unknown_line
    states = {one["sessionId"]: one["state"] for one in endpoint.sessions(application_id)}
    assert states.pop(left) in {"TERMINATING", "TERMINATED"}
    assert set(states.values()) <= {"STARTED", "IDLE"}


@pytest.mark.spark
def test_session_examples_work_on_spark(tmp_path: Path) -> None:
    with local_emr(runner="spark") as emr, airflow_of(tmp_path / "airflow", {**emr.environ, **SOON}) as airflow:
        for dag_id in ("example_session_shared", "example_session_work"):
            output = airflow.command("dags", "test", dag_id)
            assert airflow.run_state(dag_id) == "success", output
        assert airflow.result("example_session_shared", "compare") is True
        assert airflow.result("example_session_work", "best") == "west"
        # One for the mapped tasks, and one of its own for each of two tasks.
        assert [one["state"] for one in emr.sessions()] == ["TERMINATED"] * 3


@pytest.mark.spark
def test_examples_of_emr_on_eks_work_on_spark(tmp_path: Path) -> None:
    with (
        local_emr(runner="spark", eks_retry_seconds=0.5) as emr,
        airflow_of(tmp_path / "airflow", {**emr.environ, **SOON}) as airflow,
    ):
        log = {}
        for dag_id in ("example_eks_job_run", "example_eks_job_template", "example_eks_spark_connect"):
            log[dag_id] = airflow.command("dags", "test", dag_id)
            assert airflow.run_state(dag_id) == "success", log[dag_id]
        job = airflow.result("example_eks_job_run", "job")
        assert [attempt["state"] for attempt in job["attempts"]] == ["FAILED", "COMPLETED"]
        assert "[stdout] sum 5050" in log["example_eks_job_run"]
        assert "[stdout] west\t88200" in log["example_eks_job_template"]
        assert "north" not in log["example_eks_job_template"]
        assert airflow.result("example_eks_spark_connect", "largest") == 81
        assert [one["state"] for one in emr.managed_endpoints()] == ["TERMINATED"]
        assert {one["state"] for one in emr.virtual_clusters()} == {"TERMINATED"}
