"""Two Airflows with stock settings, equal DAGs and equal DAG runs on one application, and what crosses between them."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from airflow_emrs_ext.local.processes.throwaway_airflow import XCOMS
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from tests.airflow_homes import ForkedAirflow, make_home

_DAYS = ("2026-01-01", "2026-01-02")
_DAGS = """
from datetime import timedelta

try:
    from airflow.sdk import DAG
except ImportError:
    from airflow import DAG

from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.operators.sweep import EmrServerlessSweepOperator

COMMON = dict(
    application_id={application_id!r},
    execution_role_arn="arn:aws:iam::123456789012:role/job",
    job_driver={{"sparkSubmit": {{"entryPoint": "s3://b/j.py"}}}},
    wait_for="running",
    waiter_delay=0.2,
)


class Failing(EmrServerlessStartJobRunOperator):
    # The first try is lost once its job run is running.
    def finish(self, context, outcome):
        found = super().finish(context, outcome)
        if context["ti"].try_number == 1:
            raise RuntimeError("the first try")
        return found


with DAG("work", schedule=None):
    modes = [{{"deferrable": number % 2 == 1}} for number in range({tasks})]
    EmrServerlessStartJobRunOperator.partial(task_id="plain", **COMMON).expand_kwargs(modes)

with DAG("again", schedule=None):
    Failing(task_id="retried", retries=1, retry_delay=timedelta(0), **COMMON)
    Failing(task_id="anew", reattach=False, retries=1, retry_delay=timedelta(0), **COMMON)

with DAG("clean", schedule=None):
    EmrServerlessSweepOperator(task_id="sweep", end=True, end_unknown_after=0)
"""


class TwoAirflows:
    """Two homes, with a database each and nothing that tells them apart.

    :param emr: the endpoint of both; without quotas
    :param folder: what may be filled
    :param tasks: how many mapped tasks of each run at once, half of them deferrable
    """

    def __init__(self, emr: LocalEmr, folder: Path, tasks: int) -> None:
        self.emr, self.tasks = emr, tasks
        emr.script([ScriptedAttempt(hold=True)])
        # All of them run at once: they are held, and the default is fewer.
        self.application_id = emr.client("emr-serverless").create_application(
            type="SPARK",
            releaseLabel="emr-7.13.0",
            schedulerConfiguration={"maxConcurrentRuns": 1000, "queueTimeoutMinutes": 60},
        )["applicationId"]
        dags = folder / "dags"
        dags.mkdir()
        (dags / "dags.py").write_text(_DAGS.format(application_id=self.application_id, tasks=tasks))
        environ = {**emr.environ, "AIRFLOW_CONN_AWS_DEFAULT": "aws://", "AIRFLOW__CORE__MAX_MAP_LENGTH": "2048"}
        self.airflows = [ForkedAirflow(folder / name, dags, environ) for name in ("a", "b")]
        for airflow in self.airflows:
            # Whatever the caller's environment names its own Airflow.
            make_home(airflow)

    def both(self, dag_id: str, day: str) -> None:
        """Run a DAG in both at the same time, as DAG runs with equal ids."""
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda airflow: airflow.command("dags", "test", dag_id, day), self.airflows))

    def states(self) -> Counter[str]:
        """How many job runs are in each state."""
        return Counter(str(run["state"]) for run in self.emr.job_runs(self.application_id))

    def started(self, airflow: ForkedAirflow) -> list[str]:
        """The ids of the job runs that an Airflow's tasks have returned."""
        found = airflow.query(f"SELECT value FROM {XCOMS} WHERE key = 'return_value' AND dag_id IN ('work', 'again')")
        return [str(json.loads(value)["job_run_id"]) for (value,) in found]

    def check(self) -> dict[str, int]:
        """Run everything, and count what has crossed.

        :return: how many tasks there were, and how many of their job runs were shared, or ended by the other Airflow
        """
        with ExitStack() as both:
            for airflow in self.airflows:
                both.enter_context(airflow.forking())
            return self._check()

    def _check(self) -> dict[str, int]:
        for day in _DAYS:
            self.both("work", day)
        self.both("again", _DAYS[0])
        results = [self.started(airflow) for airflow in self.airflows]
        runs = {run["jobRunId"]: run for run in self.emr.job_runs(self.application_id)}
        shared = set(results[0]) & set(results[1])
        # Of both, the first try of one task, which the second does not go on with.
        cancelled = sorted(run["name"] for run in runs.values() if run["state"] != "RUNNING")
        expected = [len(_DAYS) * self.tasks + 2] * 2
        assert [len(set(found)) for found in results] == expected, results
        assert cancelled == ["again.anew", "again.anew"], cancelled

        ended: list[int] = []
        for airflow, own in zip(self.airflows, results, strict=True):
            before = {run["jobRunId"] for run in self.emr.job_runs(self.application_id) if run["state"] == "RUNNING"}
            airflow.command("dags", "test", "clean", _DAYS[0])
            after = {run["jobRunId"] for run in self.emr.job_runs(self.application_id) if run["state"] == "RUNNING"}
            ended.append(len((before - after) - set(own)))
            assert before - after == set(own)
        return {"tasks": sum(expected), "shared": len(shared), "swept by the other": sum(ended)}
