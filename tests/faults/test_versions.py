"""Two versions of the package in one deployment, as while it is upgraded: every task succeeds.

It takes another tree of the package, ``EMRS_FAULTS_OTHER``: of a release, or of the one to come.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

import airflow_emrs_ext
from airflow_emrs_ext.local.testing import local_emr
from tests.faults.kinds import KINDS
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
DONE = {"SUCCESS", "COMPLETED", "STARTED", "IDLE"}
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


@pytest.mark.parametrize("older", ["triggerer", "workers"])
def test_processes_of_two_versions_finish_every_task(older: str, tmp_path: Path) -> None:
    """Without an Airflow around them: what crosses from one to the other is all that matters here."""
    of = {"fire": OTHER if older == "triggerer" else OWN, "defer": OWN if older == "triggerer" else OTHER}
    with local_emr() as emr:
        application = KINDS["session"].make_place(emr, "two versions")
        provider = {"type": "EKS", "id": "eks", "info": {"eksInfo": {"namespace": "n"}}}
        cluster = emr.client("emr-containers").create_virtual_cluster(name="c", containerProvider=provider)["id"]
        places = {"eks_job_run": {"virtual_cluster_id": cluster}}
        kinds = [
            ("job_run", {}),
            ("job_run", {"show_driver_logs": "live"}),
            ("job_run", {"submit_from": "triggerer"}),
            ("session", {}),
            ("eks_job_run", {}),
        ]
        tasks = [
            {
                "id": f"task_{number}",
                "kind": kind,
                "options": options,
                "place": places.get(kind, {"application_id": application}),
            }
            for number, (kind, options) in zip(range(TASKS), cycle(kinds), strict=False)
        ]
        file = tmp_path / "tasks.json"
        file.write_text(json.dumps(tasks))
        environ = {**os.environ, **emr.environ, "AIRFLOW_CONN_AWS_DEFAULT": "aws://"}
        # What is submitted from the triggerer waits there twice.
        for command in ("defer", "fire", "resume", "fire", "resume"):
            tree = of["fire" if command == "fire" else "defer"]
            subprocess.run(
                [sys.executable, str(Path(__file__).with_name("two_versions.py")), command, str(file)],
                env={**environ, "PYTHONPATH": str(tree)},
                cwd=tmp_path,
                check=True,
                capture_output=True,
                timeout=900,
            )
        done = json.loads(file.read_text())
        started = len(emr.job_runs()) + len(emr.sessions()) + len(emr.eks_job_runs())
    facts = {
        "tasks": len(done),
        "succeeded": sum((task.get("result") or {}).get("state") in DONE for task in done),
        "started": started,
        "errors": sorted({task["error"] for task in done if "error" in task}),
    }
    what = f"processes, the {older} older"
    record(
        "two versions",
        what.replace(" ", "_"),
        operator="all that start something",
        what=what,
        mode="deferrable",
        **facts,
    )
    assert facts == {"tasks": TASKS, "succeeded": TASKS, "started": TASKS, "errors": []}


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
