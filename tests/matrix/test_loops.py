"""Loops of Airflow 3.4: each iteration has a job run, a result and links of its own. Skipped on what has no loops."""

from __future__ import annotations

import json
import urllib.parse
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from airflow_emrs_ext._compat import TELLS_LOOPS_APART
from airflow_emrs_ext.local.processes.throwaway_airflow import ThrowawayAirflow
from airflow_emrs_ext.local.testing import LocalEmr, local_emr
from tests.browsing import PERMITTED, Browser, access, make_users

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not TELLS_LOOPS_APART, reason="it takes Airflow 3.4"),
]

ITERATIONS = 14
# A loop in both modes, with equal arguments in each iteration, and with arguments that differ.
LOOPS = {
    "same": {"deferrable": False, "changes": False},
    "same_deferred": {"deferrable": True, "changes": False},
    "changing": {"deferrable": False, "changes": True},
    "changing_deferred": {"deferrable": True, "changes": True},
}
DAG = """
from airflow.sdk import DAG, task_group

from airflow_emrs_ext.operators.cost import EmrServerlessCostOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.operators.sweep import EmrServerlessSweepOperator

with DAG("loops", schedule=None):
    cost = EmrServerlessCostOperator(task_id="cost", application_ids=[{application_id!r}])
    sweep = EmrServerlessSweepOperator(task_id="sweep", application_ids=[{application_id!r}], end=True)
    for name, of in {loops!r}.items():
        arguments = ["{{{{ ti.region_index }}}}"] if of["changes"] else []

        @task_group(group_id=name)
        def body():
            EmrServerlessStartJobRunOperator(
                task_id="job",
                application_id={application_id!r},
                execution_role_arn="arn:aws:iam::123456789012:role/job",
                job_driver={{"sparkSubmit": {{"entryPoint": "s3://b/j.py", "entryPointArguments": arguments}}}},
                deferrable=of["deferrable"],
                waiter_delay=0.2,
            )

        body.loop(max_iterations={iterations}) >> [cost, sweep]
"""
RESULTS = """
    SELECT ti.region_id, ti.region_index, x.key, x.value, ti.run_id
    FROM xcom_v2 x JOIN task_instance ti ON x.task_instance_id = ti.id
    WHERE ti.task_id = ? ORDER BY ti.region_index
"""


@dataclass
class Looped:
    """An Airflow whose DAG with loops has run."""

    emr: LocalEmr
    airflow: ThrowawayAirflow
    application_id: str

    def xcoms(self, task_id: str) -> dict[tuple[str, int, str], dict[str, Any]]:
        """The XComs of each iteration, by its region, index and DAG run."""
        found: dict[tuple[str, int, str], dict[str, Any]] = defaultdict(dict)
        for region, index, key, value, run_id in self.airflow.query(RESULTS, task_id):
            plain = json.loads(value) if isinstance(value, str) else value
            found[str(UUID(region)), index, run_id][key] = plain
        return found


@pytest.fixture(scope="module")
def looped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looped]:
    folder = tmp_path_factory.mktemp("loops")
    with local_emr(application_start_seconds=0.05, scheduling_seconds=0.02) as emr:
        client = emr.client("emr-serverless")
        application_id = client.create_application(type="SPARK", releaseLabel="emr-7.13.0")["applicationId"]
        dags = folder / "dags"
        dags.mkdir()
        text = DAG.format(application_id=application_id, loops=LOOPS, iterations=ITERATIONS)
        (dags / "loops.py").write_text(text)
        environ = {**emr.environ, "AIRFLOW_CONN_AWS_DEFAULT": "aws://", **access(folder / "home")}
        airflow = ThrowawayAirflow(folder / "home", dags, environ)
        airflow.make_home()
        make_users(airflow)
        airflow.command("dags", "reserialize")
        output = airflow.command("dags", "test", "loops")
        assert airflow.run_state("loops") == "success", output[-5000:]
        yield Looped(emr, airflow, application_id)


@pytest.mark.parametrize("name", LOOPS)
def test_each_iteration_has_a_job_run_and_a_result_of_its_own(name: str, looped: Looped) -> None:
    found = looped.xcoms(f"{name}.job")
    assert sorted(index for _, index, _ in found) == list(range(ITERATIONS))
    ids = {index: xcoms["return_value"]["job_run_id"] for (_, index, _), xcoms in found.items()}
    assert len(set(ids.values())) == ITERATIONS
    started = {run["jobRunId"]: run for run in looped.emr.job_runs(looped.application_id)}
    for index, job_run_id in ids.items():
        run = started[job_run_id]
        tags = {key.removeprefix("airflow-emrs-ext:"): value for key, value in run["tags"].items()}
        assert (run["state"], tags["map_index"]) == ("SUCCESS", str(index))
        assert tags["region_id"] in {region for region, _, _ in found}
        given = run["jobDriver"]["sparkSubmit"].get("entryPointArguments") or []
        assert given == ([str(index)] if LOOPS[name]["changes"] else [])


def test_there_are_no_others(looped: Looped) -> None:
    assert len(looped.emr.job_runs(looped.application_id)) == len(LOOPS) * ITERATIONS


def test_cost_and_sweep_tell_them_apart(looped: Looped) -> None:
    (of_cost,) = looped.xcoms("cost").values()
    parts = of_cost["return_value"]["parts"]
    assert len({(part["task_id"], part["region_id"], part["map_index"]) for part in parts}) == len(LOOPS) * ITERATIONS
    (of_sweep,) = looped.xcoms("sweep").values()
    assert of_sweep["return_value"]["orphans"] == []


def test_the_links_of_an_iteration_lead_to_its_own_job_run(looped: Looped) -> None:
    airflow = looped.airflow
    with airflow.running(only_web_server=True):
        nobody = Browser(airflow.url)

        def answers() -> bool | None:
            try:
                return nobody.get(f"{airflow.url}/").status < 500 or None
            except OSError:
                return None

        airflow.wait_for("the web server", answers, 300)
        person = Browser(airflow.url, PERMITTED)
        for name in LOOPS:
            task_id = f"{name}.job"
            for (region, index, run_id), xcoms in looped.xcoms(task_id).items():
                run = urllib.parse.quote(run_id, safe="")
                place = urllib.parse.urlencode({"region_id": region, "region_index": index})
                page = person.get(f"/api/v2/dags/loops/dagRuns/{run}/taskInstances/{task_id}/links?{place}")
                assert page.status == 200, page.text
                address = json.loads(page.text)["extra_links"]["EMR run"]
                opened = person.open(urllib.parse.urljoin(f"{airflow.url}/", address))
                assert opened.status == 200, opened.text
                assert xcoms["return_value"]["job_run_id"] in opened.text
