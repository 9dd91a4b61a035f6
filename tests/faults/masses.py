"""Hundreds of deferred tasks at once, and what is done to all of them: one mapped task, and simulated job runs that run
until they are told to end.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt, local_emr
from tests.faults.deployment import IS_3, TIMES_LONGER, Deployment, deployed
from tests.faults.forwarder import Forwarder, forwarded
from tests.faults.report import most_at_once

T = TypeVar("T")

WAITING = int(os.environ.get("EMRS_FAULTS_WAITING", "200"))
"""How many tasks wait while the triggerer or the service is away."""
KILLED = int(os.environ.get("EMRS_FAULTS_KILLED", "300"))
"""How many tasks are cleared or marked at once."""
OUTAGE_SECONDS = float(os.environ.get("EMRS_FAULTS_OUTAGE_SECONDS", "300"))
"""How long the service is away."""

OPERATORS = {
    "job_run": "airflow_emrs_ext.operators.job_run.EmrServerlessStartJobRunOperator",
    "amazon_job_run": "airflow.providers.amazon.aws.operators.emr.EmrServerlessStartJobOperator",
}
ROLE = "arn:aws:iam::123456789012:role/job-run"
TASK = "job"

_OVER = ("SUCCESS", "FAILED", "CANCELLED")
# One whose end has been requested is not active.
_ENDING = ("CANCELLING", *_OVER)
# What is neither waiting nor over.
_MOVING = ("None", "scheduled", "queued", "running", "restarting", "up_for_retry")
# Longer than the pause between two looks of either operator.
_LONGER_THAN_A_POLL = 75.0
# A service that gives no more than one cancellation per second does something each second.
_NOTHING_HAPPENS = 120.0
_SILENCE = (
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT",
    "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD",
)

DAG = """
import datetime

from {module} import {operator}

try:
    from airflow.sdk import DAG
except ImportError:
    from airflow import DAG

with DAG(dag_id={dag_id!r}, schedule=None, max_active_tasks=1000):
    {operator}.partial(
        task_id={task_id!r},
        application_id={application_id!r},
        execution_role_arn={role!r},
        job_driver={{"sparkSubmit": {{"entryPoint": "s3://jobs/job.py"}}}},
        deferrable=True,
        retries={retries!r},
        **{options!r},
    ).expand(name=[f"{dag_id}.{{index}}" for index in range({size!r})])
"""


class Mass:
    """The instances of a mapped task, and the job runs that they have started.

    :param size: how many instances
    """

    def __init__(self, deployment: Deployment, dag_id: str, size: int) -> None:
        self.deployment = deployment
        self.dag_id = dag_id
        self.size = size

    def defer(self) -> None:
        """Begin the DAG run, and wait until every instance waits in the triggerer."""
        self.deployment.trigger(self.dag_id)
        self.wait_until("all are deferred", self.waits, 120 + 3 * self.size)

    def waits(self) -> bool:
        """Whether every instance is deferred, each for a job run that runs, and a triggerer has them all."""
        assigned = self.deployment.airflow.query("SELECT count(*) FROM trigger WHERE triggerer_id IS NOT NULL")
        return (
            self.states() == {"deferred": self.size} and assigned[0][0] == self.size and len(self.active()) == self.size
        )

    def outcomes(self) -> dict[int, str]:
        """The state of each instance, by its index."""
        rows = self.deployment.airflow.query(
            "SELECT map_index, state FROM task_instance WHERE dag_id = ? AND map_index >= 0", self.dag_id
        )
        return {index: str(state) for index, state in rows}

    def states(self) -> Counter[str]:
        """How many instances are in which state."""
        return Counter(self.outcomes().values())

    def tries(self) -> int:
        """The most tries that an instance has had."""
        rows = self.deployment.airflow.query("SELECT max(try_number) FROM task_instance WHERE dag_id = ?", self.dag_id)
        return int(rows[0][0])

    def is_settled(self) -> bool:
        """Whether each instance waits or is over."""
        states = self.states()
        return bool(states) and not any(states[state] for state in _MOVING)

    def is_over(self) -> bool:
        """Whether each instance is over."""
        return self.is_settled() and not self.states()["deferred"]

    def runs(self) -> dict[int, list[dict[str, Any]]]:
        """The job runs that each instance has started, as the endpoint recorded them."""
        of: dict[int, list[dict[str, Any]]] = {index: [] for index in range(self.size)}
        for run in self.deployment.emr.job_runs():
            dag_id, _, index = run["name"].rpartition(".")
            if dag_id == self.dag_id:
                of[int(index)].append(run)
        return of

    def active(self) -> list[dict[str, Any]]:
        """The job runs that are not over."""
        return [run for runs in self.runs().values() for run in runs if run["state"] not in _OVER]

    def left(self) -> int:
        """How many job runs are active beside the one that each deferred instance waits for."""
        outcomes = self.outcomes()
        active = Counter(index for index, runs in self.runs().items() for run in runs if run["state"] not in _OVER)
        return sum(max(0, number - (outcomes[index] == "deferred")) for index, number in active.items())

    def finish(self, indexes: range | None = None, succeeds: Callable[[int], bool] = lambda index: True) -> None:
        """Let the job runs of instances end that run.

        :param indexes: of the instances; default: all
        :param succeeds: whether that of an instance succeeds
        """
        runs = self.runs()
        for index in indexes or range(self.size):
            for run in runs[index]:
                if run["state"] == "RUNNING":
                    self.deployment.emr.finish(run["jobRunId"], succeeded=succeeds(index))

    def finish_all(self) -> None:
        """Let every job run succeed, also those that are started meanwhile, until every instance is over."""

        def finished() -> bool:
            self.finish()
            return self.is_over()

        self.wait_until("all are over", finished, 600 + 3 * self.size)

    def facts(self) -> dict[str, Any]:
        """What became of the instances and their job runs."""
        runs = self.runs()
        return {
            "tasks": self.size,
            "started": sum(map(len, runs.values())),
            "most_active_at_once": max(most_at_once(of_one, _ENDING) for of_one in runs.values()),
            "left_active": self.left(),
            "failed_tasks": self.states()["failed"],
            "tries": self.tries(),
        }

    def wait_until(self, what: str, look: Callable[[], T], within: float) -> T:
        """Until there is something to see; with pauses that leave the machine to those who are watched."""
        deadline = time.monotonic() + within * TIMES_LONGER
        while not (seen := look()):
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: not within {within:g} s; {self.states()}, {len(self.active())} active")
            pause(2)
        return seen

    def wait_while_something_happens(self, until: Callable[[], bool], within: float) -> None:
        """Until it is so, or nothing has happened to the job runs and the instances for a long time."""
        seen: Any = None
        since = time.monotonic()

        def is_at_rest() -> bool:
            nonlocal seen, since
            now = (Counter(run["state"] for runs in self.runs().values() for run in runs), self.states())
            if now != seen:
                seen, since = now, time.monotonic()
            return until() or (self.is_settled() and time.monotonic() - since > _NOTHING_HAPPENS)

        self.wait_until("nothing happens any more", is_at_rest, within)


def restart_triggerer(mass: Mass, while_away: Callable[[], None] = lambda: None) -> None:
    """SIGKILL of the triggerer, and a new one."""
    mass.deployment.airflow.kill("triggerer")
    while_away()
    mass.deployment.airflow.start("triggerer")


def outage(mass: Mass, forwarder: Forwarder) -> dict[str, Any]:
    """The service refuses connections for a while; then every job run succeeds."""
    forwarder.close()
    pause(OUTAGE_SECONDS)
    forwarder.open()
    pause(_LONGER_THAN_A_POLL)
    mass.wait_until("each waits again or is over", mass.is_settled, 900 + 3 * mass.size)
    left = mass.left()
    mass.finish_all()
    return {**mass.facts(), "left_active": left, "outage_seconds": OUTAGE_SECONDS}


def clear(mass: Mass) -> dict[str, Any]:
    """A person clears all instances at once, under the service's quotas: each begins anew, with another job run."""
    before = {run["jobRunId"] for run in mass.active()}

    def is_done() -> bool:
        active = {run["jobRunId"] for run in mass.active()}
        return mass.waits() and not before & active

    mass.deployment.emr.configure(quota_scale=1)
    began = time.time()
    mass.deployment.clear(mass.dag_id, TASK)
    mass.wait_while_something_happens(is_done, 1200 + 3 * mass.size)
    mass.deployment.emr.configure(quota_scale=0)
    return {**mass.facts(), "last_over_after_seconds": last_end(mass, before, began)}


def mark_failed(mass: Mass, *, kills_triggerer_after: float | None = None) -> dict[str, Any]:
    """A person marks all instances as failed at once, under the service's quotas.

    :param kills_triggerer_after: SIGKILL for the triggerer so many seconds later, and a new one
    """
    before = {run["jobRunId"] for run in mass.active()}
    mass.deployment.emr.configure(quota_scale=1)
    began = time.time()
    if IS_3:
        mass.deployment.mark(mass.dag_id, TASK, "failed")
    else:
        # The REST API of Airflow 2 marks no mapped task as a whole; the tasks of a DAG run that is marked are, too.
        mass.deployment.mark_run(mass.dag_id, "failed")
    if kills_triggerer_after is not None:
        pause(kills_triggerer_after)
        restart_triggerer(mass)
    mass.wait_while_something_happens(lambda: not mass.active(), 600 + 3 * mass.size)
    mass.deployment.emr.configure(quota_scale=0)
    return {**mass.facts(), "last_over_after_seconds": last_end(mass, before, began)}


def last_end(mass: Mass, ids: set[str], began: float) -> int | None:
    """How many seconds after a moment the last of some job runs was over; ``None`` if one is not."""
    runs = [run for runs in mass.runs().values() for run in runs if run["jobRunId"] in ids]
    if any(run["state"] not in _OVER for run in runs):
        return None
    return round(max(datetime.fromisoformat(run["stateHistory"][-1]["at"]).timestamp() for run in runs) - began)


def pause(seconds: float) -> None:
    """Let time pass."""
    threading.Event().wait(seconds)


@contextlib.contextmanager
def deferred(
    kind: str,
    dag_id: str,
    size: int,
    home: Path,
    *,
    retries: int = 2,
    options: Mapping[str, Any] | None = None,
    trees: Mapping[str, Path] | None = None,
) -> Iterator[tuple[Mass, Forwarder]]:
    """A real Airflow with a mapped task whose instances all wait, and the port through which it reaches the service.

    :param kind: key of :data:`OPERATORS`, whose operator the task is in its defaults
    :param options: further parameters of the operator
    :param trees: as for :func:`~tests.faults.deployment.deployed`
    """
    with local_emr() as emr, forwarded(emr.url) as forwarder:
        emr.script([ScriptedAttempt(hold=True)])
        module, _, name = OPERATORS[kind].rpartition(".")
        dag = DAG.format(
            module=module,
            operator=name,
            dag_id=dag_id,
            task_id=TASK,
            application_id=application_id(emr),
            role=ROLE,
            retries=retries,
            size=size,
            options=dict(options or {}),
        )
        settings = {
            "AWS_ENDPOINT_URL": forwarder.url,
            # Eight tasks that start at once on a small machine may be silent for longer than a lost one is elsewhere.
            **dict.fromkeys(_SILENCE, "120"),
            "AIRFLOW__SCHEDULER__LOCAL_TASK_JOB_HEARTBEAT_SEC": "20",
            "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "30",
        }
        with deployed(emr, home, {f"{dag_id}.py": dag}, slots=8, trees=trees, **settings) as deployment:
            mass = Mass(deployment, dag_id, size)
            mass.defer()
            yield mass, forwarder


def application_id(emr: LocalEmr) -> str:
    """An application in which every job run runs at once."""
    created = emr.client("emr-serverless").create_application(
        releaseLabel="emr-7.9.0", type="SPARK", schedulerConfiguration={"maxConcurrentRuns": 1000}
    )
    return str(created["applicationId"])
