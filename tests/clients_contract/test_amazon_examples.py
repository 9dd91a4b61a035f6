"""The Amazon provider's own example DAGs, unchanged, as its source distribution has them.

That for EMR on EKS is not run: it makes a cluster, with tools that it downloads.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from airflow_emrs_ext.local.processes.throwaway_airflow import AirflowDidNotWork
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from tests.airflow_homes import ForkedAirflow, make_home
from tests.called import as_client

_PROVIDER = "apache-airflow-providers-amazon"
_VERSION = version(_PROVIDER)
CLIENT = f"{_PROVIDER} {_VERSION}"
SOURCES = Path(__file__).parents[2] / "build" / "amazon" / f"{_PROVIDER.replace('-', '_')}-{_VERSION}" / "tests"
# What the examples import of Airflow's own repository, which no package has.
COMMON = {
    "version_compat": "AIRFLOW_V_3_0_PLUS = True",
    "system_tests": "def get_test_run(dag): ...",
    "watcher": """
from airflow.sdk import task

@task(trigger_rule="one_failed", retries=0)
def watcher():
    raise RuntimeError("a task has failed")
""",
}

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

States = dict[str, "str | None"]


@pytest.fixture
def run(emr: LocalEmr, tmp_path: Path) -> Callable[[str], States]:
    """Runs an example; gives the states of its tasks."""
    dags, common = tmp_path / "dags", tmp_path / "common" / "tests_common" / "test_utils"
    dags.mkdir()
    common.mkdir(parents=True)
    for name, text in COMMON.items():
        (common / f"{name}.py").write_text(text, encoding="utf-8")

    def of(example: str) -> States:
        file = SOURCES / "system" / "amazon" / "aws" / f"{example}.py"
        (dags / file.name).symlink_to(file)
        airflow = ForkedAirflow(
            tmp_path / "home",
            dags,
            {
                **as_client(emr),
                "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
                "PYTHONPATH": os.pathsep.join(map(str, (common.parents[1], SOURCES))),
                "ROLE_ARN": "arn:aws:iam::123456789012:role/jobs",
            },
        )
        make_home(airflow)
        # The command fails with the DAG run.
        with airflow.forking(), contextlib.suppress(AirflowDidNotWork):
            airflow.command("dags", "test", example)
        return {task.task_id: task.state for task in airflow.task_states(example)}

    return of


@pytest.mark.parametrize("example", ["example_emr_serverless", "example_emr_serverless_session"])
def test_examples(example: str, run: Callable[[str], States], emr: LocalEmr) -> None:
    """Its example DAGs of EMR Serverless, for job runs and for sessions"""
    states = run(example)
    assert states.pop("watcher") == "skipped"
    assert set(states.values()) == {"success"}, states
    assert [one["state"] for one in emr.applications()] == ["TERMINATED"]
    # The example of job runs goes on once it sees its job RUNNING, and cancels what has not ended.
    (state,) = [one["state"] for one in (*emr.job_runs(), *emr.sessions())]
    assert state in ("SUCCESS", "CANCELLED", "TERMINATED")


def test_an_example_whose_job_fails(run: Callable[[str], States], emr: LocalEmr) -> None:
    """Its example DAG with a job that fails: what is to be cleaned up is"""
    # RUNNING, which the example takes for good, is never seen.
    emr.script([ScriptedAttempt(running_after=600, ends_after=0.2, succeeded=False, details="boom")])
    states = run("example_emr_serverless")
    assert [name for name, state in states.items() if state == "failed"] == ["wait_for_job", "watcher"]
    assert states["delete_application"] == "success"
    assert [one["state"] for one in emr.applications()] == ["TERMINATED"]
