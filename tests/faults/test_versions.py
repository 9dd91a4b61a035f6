"""Two versions of the package in one deployment, as while it is upgraded: every task succeeds.

It takes another tree of the package, ``EMRS_FAULTS_OTHER``: of a release, or of the one to come.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import airflow_emrs_ext
from tests.faults.masses import Mass, deferred
from tests.faults.report import record
from tests.faults.scenes import needs_deployment

pytestmark = [
    pytest.mark.timeout(5400),
    *needs_deployment,
    pytest.mark.faults,
    pytest.mark.skipif("EMRS_FAULTS_OTHER" not in os.environ, reason="EMRS_FAULTS_OTHER names no other tree"),
]

OTHER = Path(os.environ.get("EMRS_FAULTS_OTHER", "."))
OWN = Path(airflow_emrs_ext.__file__).parents[1]
TASKS = int(os.environ.get("EMRS_FAULTS_MIXED", "100"))

# Workers of a LocalExecutor are the scheduler's.
TRIGGERER, WORKERS = ("triggerer",), ("scheduler", "dag-processor", "api-server", "webserver")

submitted_from = pytest.mark.parametrize("submit_from", ["worker", "triggerer"])


def trees(of_triggerer: Path, of_workers: Path) -> dict[str, Path]:
    """The tree of each component."""
    return {**dict.fromkeys(TRIGGERER, of_triggerer), **dict.fromkeys(WORKERS, of_workers)}


def check(mass: Mass, what: str) -> None:
    """Every task has succeeded with its first try, and with its own job run."""
    facts: dict[str, Any] = {**mass.facts(), "succeeded": mass.states()["success"]}
    name = "".join(letter if letter.isalnum() else "_" for letter in what)
    record("two versions", name, operator="job run", what=what, mode="deferrable", **facts)
    expected = {"succeeded": TASKS, "started": TASKS, "most_active_at_once": 1, "left_active": 0, "tries": 1}
    assert {name: facts[name] for name in expected} == expected


@submitted_from
@pytest.mark.parametrize("older", ["triggerer", "workers"])
def test_an_older_and_a_newer_version_finish_every_task(older: str, submit_from: str, tmp_path: Path) -> None:
    mixed = trees(OTHER, OWN) if older == "triggerer" else trees(OWN, OTHER)
    options = {"submit_from": submit_from, "waiter_delay": 5}
    with deferred("job_run", "mixed", TASKS, tmp_path, options=options, trees=mixed) as (mass, _):
        mass.finish_all()
        check(mass, f"the {older} older, submitted from the {submit_from}")


def test_a_rolling_upgrade_finishes_every_task(tmp_path: Path) -> None:
    """All wait when the triggerer is upgraded; half of them resume in workers that are not."""
    with deferred("job_run", "rolling", TASKS, tmp_path, trees=trees(OTHER, OTHER)) as (mass, _):
        airflow = mass.deployment.airflow
        airflow.kill("triggerer")
        airflow.trees = trees(OWN, OTHER)
        airflow.start("triggerer")
        mass.finish(range(TASKS // 2))
        mass.wait_until("half are over", lambda: mass.states()["success"] == TASKS // 2, 120 + 6 * TASKS)
        airflow.kill("scheduler")
        airflow.trees = trees(OWN, OWN)
        airflow.start("scheduler")
        mass.finish_all()
        check(mass, "a rolling upgrade")
