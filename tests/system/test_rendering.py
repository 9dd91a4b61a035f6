"""Job specifications as Airflow's own command line renders them, with everything that it can map over."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from airflow_emrs_ext.local.processes.throwaway_airflow import ThrowawayAirflow
from airflow_emrs_ext.local.testing import LocalEmr
from tests.airflow_homes import make_home

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(400)]


def test_the_service_is_asked_for_what_was_meant(emr: LocalEmr, tmp_path: Path) -> None:
    airflow = ThrowawayAirflow(
        tmp_path,
        Path(__file__).with_name("rendering_dags"),
        {**emr.environ, "AIRFLOW_CONN_AWS_DEFAULT": "aws://", "AIRFLOW_VAR_GLUE_DB": "prod_lake"},
    )
    make_home(airflow)

    output = airflow.command("dags", "test", "rendering")

    assert {task.state for task in airflow.task_states("rendering")} == {"success"}, output
    asked: dict[str, list[tuple[list[str], list[str]]]] = {}
    for one in emr.job_runs():
        asked.setdefault(one["name"].removeprefix("rendering."), []).append(words(one))
    assert {name: sorted(of_task) for name, of_task in asked.items()} == {
        "variable": [([], ["spark.db=prod_lake"])],
        "reference": [(["--path", "s3://b/it's here", "7"], ["spark.n=7"])],
        "text_of_a_result": [([], ["spark.path=s3://b/it's here"])],
        "mapped[0]": [(["--day", "1 May"], [])],
        "mapped[1]": [(["--day", "2 May"], [])],
        "several[0]": [(["7"], [])],
        "several[1]": [(["prod_lake"], [])],
        "group.job[0]": [(["3 May"], [])],
        "group.job[1]": [(["4 May"], [])],
    }


def words(job_run: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The arguments and the properties that a job run was started with, but for the one that is added."""
    driver = job_run["jobDriver"]["sparkSubmit"]
    options = shlex.split(driver.get("sparkSubmitParameters", ""))
    properties = [word for word in options if word != "--conf" and not word.startswith("spark.app.name=")]
    return driver.get("entryPointArguments", []), properties
