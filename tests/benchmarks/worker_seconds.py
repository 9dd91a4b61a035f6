"""Benchmark: what a deferred task costs in workers, in the other processes of Airflow, and in its database.

A real Airflow (LocalExecutor, PostgreSQL) runs a mapped task for each side, one after the other, against the same
endpoint; the job runs end once all tasks are deferred, so that what a worker does before the deferral and after the
event is told apart. Processor time is the kernel's, of the processes and of all that they have waited for; seconds of
task processes are from their start to their end. Bytes of rows are what a task leaves in the database; what this has
grown by counts indexes, too, and what was written and replaced. The sides take turns, and each figure is the median of
its rounds. Prints a table and writes JSON:
``python -m tests.benchmarks.worker_seconds [--tasks 20] [--rounds 3] [--sides amazon emrs_ext]``.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil

from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt, local_emr
from tests.benchmarks import _results
from tests.faults.deployment import Deployment, deployed
from tests.faults.masses import DAG, OPERATORS, ROLE, TASK, Mass, application_id, pause

COMPONENTS = ("workers", "scheduler", "triggerer", "dag-processor", "api-server")
SIDES: dict[str, tuple[str, dict[str, Any]]] = {
    "amazon": ("amazon_job_run", {}),
    "emrs_ext": ("job_run", {}),
    "emrs_ext_ended_in_trigger": ("job_run", {"end_from_trigger": True}),
    "emrs_ext_each_xcom": ("job_run", {"multiple_outputs": True}),
}
# Runs first: what a process does once is nobody's cost.
WARM_UP = "warm_up"
_WARM_UP_TASKS = 4
_EVERY = 0.02
# What Airflow keeps of a task, by table.
_TABLES = ("xcom", "task_instance", "rendered_task_instance_fields", "log")
# A triggerer stores what it was sent, and the DAG processor works off what was left to it.
_AFTERMATH = 8.0


class TaskProcesses:
    """How long the processes of tasks have lived, which are the grandchildren of the scheduler."""

    def __init__(self, scheduler: psutil.Process) -> None:
        self._scheduler = scheduler
        self._seen: dict[tuple[int, float], float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> TaskProcesses:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def take(self) -> list[float]:
        """The seconds of each since the last time."""
        seen, self._seen = self._seen, {}
        return [last - began for (_, began), last in seen.items()]

    def _watch(self) -> None:
        while not self._over.wait(_EVERY):
            with contextlib.suppress(psutil.NoSuchProcess):
                for worker in self._scheduler.children():
                    with contextlib.suppress(psutil.NoSuchProcess):
                        for process in worker.children():
                            self._seen[process.pid, process.create_time()] = time.time()


def seconds_of(process: psutil.Process, *, waited_for: bool = True) -> float:
    """Processor time of a process, and of the children that it has waited for."""
    spent = process.cpu_times()
    own = float(spent.user + spent.system)
    return own + float(spent.children_user + spent.children_system) if waited_for else own


def processor_seconds(deployment: Deployment) -> dict[str, float]:
    """Processor time so far, by component; the workers are all that the scheduler has started."""
    found = dict.fromkeys(COMPONENTS, 0.0)
    for component in COMPONENTS[1:]:
        leader = main_process(deployment, component)
        for process in [leader, *leader.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                found[component] += seconds_of(process)
    own = seconds_of(main_process(deployment, "scheduler"), waited_for=False)
    found["workers"], found["scheduler"] = found["scheduler"] - own, own
    return found


def main_process(deployment: Deployment, component: str) -> psutil.Process:
    """The process of a component."""
    (process,) = psutil.Process(deployment.airflow.leader(component)).children()
    return process


def stored(deployment: Deployment, dag_id: str, tasks: int) -> dict[str, Any]:
    """What the tasks of a DAG have left in the database, for each of them: bytes by table, and rows of XComs."""
    query = deployment.airflow.query
    sizes = {
        table: query(
            f"SELECT coalesce(sum(pg_column_size(t.*)), 0) FROM {table} t WHERE dag_id = ? AND task_id = ?",
            dag_id,
            TASK,
        )[0][0]
        for table in _TABLES
    }
    keys = query("SELECT DISTINCT key FROM xcom WHERE dag_id = ? ORDER BY key", dag_id)
    rows = query("SELECT count(*) FROM xcom WHERE dag_id = ?", dag_id)[0][0]
    return {
        "xcom_rows_per_task": rows / tasks,
        "xcom_keys": [key for (key,) in keys],
        "bytes_per_task": {table: round(int(size) / tasks) for table, size in sizes.items()},
    }


def database_size(deployment: Deployment) -> int:
    """The size of the database, in bytes: a multiple of PostgreSQL's pages."""
    return int(deployment.airflow.query("SELECT pg_database_size(current_database())")[0][0])


def measure(deployment: Deployment, dag_id: str, tasks: int) -> dict[str, Any]:
    """Run one side."""
    mass = Mass(deployment, dag_id, tasks)
    calls_before = len(deployment.emr.calls())
    size_before = database_size(deployment)
    with TaskProcesses(main_process(deployment, "scheduler")) as processes:
        start = processor_seconds(deployment)
        mass.defer()
        pause(1)
        deferred, first = processor_seconds(deployment), processes.take()
        mass.finish_all()
        pause(_AFTERMATH)
        end, second = processor_seconds(deployment), processes.take()
    assert mass.states() == {"success": tasks}, mass.states()

    def per_task(later: dict[str, float], sooner: dict[str, float]) -> dict[str, float]:
        return {name: round((later[name] - sooner[name]) / tasks, 3) for name in COMPONENTS}

    return {
        "tasks": tasks,
        "processes_per_task": (len(first) + len(second)) / tasks,
        "process_seconds_per_task": {
            "before_deferral": round(sum(first) / tasks, 2),
            "after_event": round(sum(second) / tasks, 2),
        },
        "cpu_seconds_per_task": {
            "before_deferral": per_task(deferred, start),
            "after_event": per_task(end, deferred),
            "whole": per_task(end, start),
        },
        "calls_per_task": round((len(deployment.emr.calls()) - calls_before) / tasks, 1),
        **stored(deployment, dag_id, tasks),
        "growth_per_task": round((database_size(deployment) - size_before) / tasks),
    }


def median_of(rounds: list[Any]) -> Any:
    """The medians of the numbers in equal structures; of what is no number: the first."""
    first = rounds[0]
    if isinstance(first, dict):
        return {name: median_of([one[name] for one in rounds]) for name in first}
    return round(statistics.median(rounds), 3) if isinstance(first, (int, float)) else first


def figures(found: dict[str, Any]) -> dict[str, float]:
    """What a side comes to, in the words of the table."""
    spent = found["cpu_seconds_per_task"]["whole"]
    return {
        "XCom rows": found["xcom_rows_per_task"],
        "XCom bytes": found["bytes_per_task"]["xcom"],
        "bytes of rows": sum(found["bytes_per_task"].values()),
        "bytes the database grows by": found["growth_per_task"],
        "worker processes": found["processes_per_task"],
        "worker CPU, s": spent["workers"],
        "before the deferral": found["cpu_seconds_per_task"]["before_deferral"]["workers"],
        "after the event": found["cpu_seconds_per_task"]["after_event"]["workers"],
        **{f"{component}, s": spent[component] for component in COMPONENTS[1:]},
        "all components, s": round(sum(spent.values()), 3),
        "calls": found["calls_per_task"],
    }


@contextlib.contextmanager
def airflow(emr: LocalEmr, home: Path, tasks: int, rounds: int, sides: Iterable[str]) -> Iterator[Deployment]:
    """The deployment, with one DAG file for each side, and in it a DAG for each round."""
    dags: dict[str, dict[str, str]] = {}
    for side, (kind, options) in {
        WARM_UP: SIDES["emrs_ext_ended_in_trigger"],
        **{side: SIDES[side] for side in sides},
    }.items():
        module, _, name = OPERATORS[kind].rpartition(".")
        dag_ids = [WARM_UP] if side == WARM_UP else [f"{side}_{number}" for number in range(rounds)]
        dags[f"{side}.py"] = {
            dag_id: DAG.format(
                module=module,
                operator=name,
                dag_id=dag_id,
                task_id=TASK,
                application_id=application_id(emr),
                role=ROLE,
                retries=0,
                size=_WARM_UP_TASKS if side == WARM_UP else tasks,
                options=options,
            )
            for dag_id in dag_ids
        }
    files = {file: "\n".join(texts.values()) for file, texts in dags.items()}
    # Nothing is imported beforehand: a task pays for what it uses.
    settings = {
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(home / "no plugins"),
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "120",
    }
    dag_ids = [dag_id for texts in dags.values() for dag_id in texts]
    with deployed(emr, home, files, dag_ids=dag_ids, slots=2, **settings) as deployment:
        yield deployment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=_results.FOLDER / "worker_seconds.json")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    given = parser.parse_args()
    rounds: dict[str, list[dict[str, Any]]] = {side: [] for side in given.sides}
    with tempfile.TemporaryDirectory(prefix="worker-seconds-") as folder, local_emr(quota_scale=1.0) as emr:
        emr.script([ScriptedAttempt(hold=True)])
        with airflow(emr, Path(folder), given.tasks, given.rounds, given.sides) as deployment:
            measure(deployment, WARM_UP, _WARM_UP_TASKS)
            for number in range(given.rounds):
                for side in given.sides:
                    rounds[side].append(measure(deployment, f"{side}_{number}", given.tasks))
                # What is there is kept, whatever becomes of the next.
                medians = {side: median_of(of_side) for side, of_side in rounds.items()}
                shown = {side: figures(of_side) for side, of_side in medians.items()}
                about = {"tasks": given.tasks, "figures": shown, "median": medians, "rounds": rounds}
                _results.write(given.output, about)
    print(_results.table(*_results.beside("per task", shown, {side: side for side in shown})))


if __name__ == "__main__":
    main()
