"""One of the processes of a deployment with two versions of the package: run with either tree on ``PYTHONPATH``.

    python two_versions.py defer|fire|resume FILE

Each reads what the one before it has written to the file, which is all that they share, as workers and triggerers share
Airflow's database: ``defer`` executes the tasks as a worker does, ``fire`` runs their triggers as a triggerer does, and
``resume`` goes on with the events; what waits once more is fired again.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib import import_module
from pathlib import Path
from typing import Any

from airflow_emrs_ext._compat import TaskDeferred
from airflow_emrs_ext.operators.containers_job_run import EmrContainersStartJobRunOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.operators.session import EmrServerlessStartSessionOperator

COMMON = {"execution_role_arn": "arn:aws:iam::123456789012:role/job", "deferrable": True, "waiter_delay": 1}
JOB = {"job_driver": {"sparkSubmit": {"entryPoint": "s3://b/j.py"}}}
EKS_JOB = {"release_label": "emr-7.9.0-latest", "job_driver": {"sparkSubmitJobDriver": {"entryPoint": "s3://b/j.py"}}}


@dataclass
class TaskInstance:
    """What the operators use of Airflow's."""

    task_id: str
    xcoms: dict[str, Any]
    dag_id: str = "a_dag"
    run_id: str = "a_run"
    map_index: int = -1
    try_number: int = 1
    max_tries: int = 0
    start_date: datetime = field(default_factory=lambda: datetime.now(timezone.utc))

    def xcom_pull(self, *, task_ids: str, key: str, map_indexes: int) -> Any:
        return self.xcoms.get(key)

    def xcom_push(self, key: str, value: Any, **_: Any) -> None:
        self.xcoms[key] = json.loads(json.dumps(value))


@dataclass
class DagRun:
    """Likewise."""

    id: int = 1
    start_date: datetime = datetime(2026, 5, 1, tzinfo=timezone.utc)


def operator(task: dict[str, Any]) -> Any:
    """The operator of a task."""
    place: dict[str, Any] = {**COMMON, **task["place"], **task["options"]}
    if task["kind"] == "session":
        return EmrServerlessStartSessionOperator(task_id=task["id"], **place)
    if task["kind"] == "eks_job_run":
        return EmrContainersStartJobRunOperator(task_id=task["id"], **EKS_JOB, **place)
    return EmrServerlessStartJobRunOperator(task_id=task["id"], **JOB, **place)


def work(task: dict[str, Any]) -> None:
    """Begin a task, or go on with it, as a worker does."""
    ti = TaskInstance(task["id"], task.setdefault("xcoms", {}))
    context: Any = {"ti": ti, "task_instance": ti, "dag_run": DagRun()}
    try:
        if "event" in task:
            task["result"] = getattr(operator(task), task.pop("method"))(context, task.pop("event"))
        else:
            task["result"] = operator(task).execute(context)
    except TaskDeferred as deferral:
        path, arguments = deferral.trigger.serialize()
        task.update(trigger=[path, arguments], method=deferral.method_name)
    except Exception as error:
        task["error"] = f"{type(error).__name__}: {error}"


async def wait(task: dict[str, Any]) -> None:
    """Wait for a task, as a triggerer does."""
    path, arguments = task.pop("trigger")
    module, _, name = path.rpartition(".")
    try:
        async for event in getattr(import_module(module), name)(**arguments).run():
            task["event"] = event.payload
    except Exception as error:
        task["error"] = f"{type(error).__name__}: {error}"


async def wait_for_all(tasks: list[dict[str, Any]]) -> None:
    """Wait for many on one event loop."""
    await asyncio.gather(*(wait(task) for task in tasks if "trigger" in task))


if __name__ == "__main__":
    command, file = sys.argv[1], Path(sys.argv[2])
    tasks = json.loads(file.read_text())
    if command == "fire":
        asyncio.run(wait_for_all(tasks))
    else:
        for each in tasks:
            if command == "defer" or "event" in each:
                work(each)
    file.write_text(json.dumps(tasks))
