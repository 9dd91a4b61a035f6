"""Results, which are one XCom, in other tasks: Airflow's own command line runs the DAG that refers to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_emrs_ext.local.processes.throwaway_airflow import XCOMS, ThrowawayAirflow
from tests.airflow_homes import make_home

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(400)]


def test_members_of_results_reach_other_tasks(tmp_path: Path) -> None:
    airflow = ThrowawayAirflow(
        tmp_path, Path(__file__).with_name("result_dags"), {"AIRFLOW_CONN_AWS_DEFAULT": "aws://"}
    )
    make_home(airflow)

    output = airflow.command("dags", "test", "members")

    states = {task.task_id: task.state for task in airflow.task_states("members")}
    assert len(states) > 20
    assert {name for name, state in states.items() if state != "success"} == {"none"}, output
    rows = airflow.query(f"SELECT key FROM {XCOMS} WHERE task_id = 'one' ORDER BY key")
    assert [key for (key,) in rows] == ["job_run_id", "return_value"]
    with_each = airflow.query(f"SELECT DISTINCT key FROM {XCOMS} WHERE task_id = 'each' ORDER BY key")
    assert [key for (key,) in with_each] == ["job_run_id", "nested", "none", "number", "return_value"]
