"""Benchmark: the seconds of workers, and of the other processes of Airflow, that a deferred task costs.

A real Airflow (LocalExecutor, PostgreSQL) runs a mapped task for each side, one after the other, against the same
endpoint; the job runs end once all tasks are deferred, so that what a worker does before the deferral and after the
event is told apart. Processor time is the kernel's, of the processes and of all that they have waited for; seconds of
task processes are from their start to their end. Prints a table and writes JSON:
``python -m tests.benchmarks.worker_seconds [--tasks 20]``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt, local_emr
from tests.faults.deployment import Deployment, deployed
from tests.faults.masses import DAG, OPERATORS, ROLE, TASK, Mass, application_id, pause

COMPONENTS = ("workers", "scheduler", "triggerer", "dag-processor", "api-server")
SIDES = {
    "amazon": ("amazon_job_run", ""),
    "emrs_ext": ("job_run", ""),
    "emrs_ext_ended_in_trigger": ("job_run", "end_from_trigger=True,"),
    "emrs_ext_ended_in_trigger_one_xcom": ("job_run", "end_from_trigger=True, multiple_outputs=False,"),
}
# Runs first: what a process does once is nobody's cost.
WARM_UP = "warm_up"
_WARM_UP_TASKS = 4
_EVERY = 0.02
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


def measure(deployment: Deployment, dag_id: str, tasks: int) -> dict[str, Any]:
    """Run one side."""
    mass = Mass(deployment, dag_id, tasks)
    calls_before = len(deployment.emr.calls())
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
    }


@contextlib.contextmanager
def airflow(emr: LocalEmr, home: Path, tasks: int) -> Iterator[Deployment]:
    """The deployment, with one DAG file for each side."""
    files = {}
    warm_up = {WARM_UP: SIDES["emrs_ext_ended_in_trigger"]}
    for side, (kind, parameters) in (warm_up | SIDES).items():
        module, _, name = OPERATORS[kind].rpartition(".")
        text = DAG.format(
            module=module,
            operator=name,
            dag_id=side,
            task_id=TASK,
            application_id=application_id(emr),
            role=ROLE,
            retries=0,
            size=_WARM_UP_TASKS if side == WARM_UP else tasks,
        )
        files[f"{side}.py"] = text.replace("deferrable=True,", f"deferrable=True, {parameters}")
    # Nothing is imported beforehand: a task pays for what it uses.
    settings = {
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(home / "no plugins"),
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "120",
    }
    with deployed(emr, home, files, slots=2, **settings) as deployment:
        yield deployment


def table(report: dict[str, Any]) -> str:
    """What the report says, for people."""
    lines = [
        f"{'seconds per task':<38}{'processes':>10}{'before':>9}{'after':>9}" + "".join(f"{c:>15}" for c in COMPONENTS)
    ]
    for side in SIDES:
        found = report[side]
        lived, spent = found["process_seconds_per_task"], found["cpu_seconds_per_task"]["whole"]
        lines.append(
            f"{side:<38}{found['processes_per_task']:>10.1f}{lived['before_deferral']:>9.2f}{lived['after_event']:>9.2f}"
            + "".join(f"{spent[component]:>15.3f}" for component in COMPONENTS)
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=20)
    parser.add_argument("--output", type=Path, default=Path("build/benchmarks/worker_seconds.json"))
    arguments = parser.parse_args()
    report: dict[str, Any] = {"benchmark": "worker_seconds"}
    with tempfile.TemporaryDirectory(prefix="worker-seconds-") as folder, local_emr(quota_scale=1.0) as emr:
        emr.script([ScriptedAttempt(hold=True)])
        with airflow(emr, Path(folder), arguments.tasks) as deployment:
            measure(deployment, WARM_UP, _WARM_UP_TASKS)
            for side in SIDES:
                report[side] = measure(deployment, side, arguments.tasks)
    print(table(report))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
