"""Run an operator as Airflow does, in either mode, with everything that crosses a process passed through JSON."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from airflow_emrs_ext._compat import TaskDeferred, identity_fields

# What a later Airflow tells task instances apart by beside DAG, run, task and index, with what says nothing there.
FURTHER_FIELDS = {
    name: nothing
    for name, nothing in identity_fields().items()
    if name not in ("dag_id", "run_id", "task_id", "map_index", "region_index")
}


@dataclass
class TaskInstance:
    """What the operators use of Airflow's task instance."""

    dag_id: str = "a_dag"
    run_id: str = "manual__2026-05-01"
    task_id: str = "a_task"
    map_index: int = -1
    try_number: int = 1
    max_tries: int = 0
    start_date: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    xcoms: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, nothing in FURTHER_FIELDS.items():
            setattr(self, name, nothing)

    def xcom_pull(self, task_ids: str, key: str, map_indexes: int) -> Any:
        assert (task_ids, map_indexes) == (self.task_id, self.map_index)
        return self.xcoms.get(key)

    def xcom_push(self, key: str, value: Any, **_: Any) -> None:
        self.xcoms[key] = json.loads(json.dumps(value))


def named(**task_instance: Any) -> SimpleNamespace:
    """A task instance by what Airflow tells it apart by; of a later Airflow, what says nothing there.

    :param task_instance: its attributes
    """
    return SimpleNamespace(**{**FURTHER_FIELDS, **task_instance})


_STARTED = datetime(2026, 5, 1, tzinfo=timezone.utc)


@dataclass
class DagRun:
    """What the operators use of Airflow's DAG run."""

    start_date: datetime = _STARTED


def context_of(ti: TaskInstance, started: datetime = _STARTED) -> Any:
    """The context of a try.

    :param started: when the DAG run started; the same for the tries of one task
    """
    return {"ti": ti, "task_instance": ti, "dag_run": DagRun(started)}


@dataclass
class TaskRun:
    """How one try of a task ended."""

    result: Any = None
    error: BaseException | None = None
    xcoms: dict[str, Any] = field(default_factory=dict)
    deferred: bool = False

    def comparable(self) -> dict[str, Any]:
        """Everything that must be the same in both modes, without what differs from run to run anyway."""
        error = None if self.error is None else (type(self.error).__name__, str(self.error))
        facts = getattr(self.error, "facts", None)
        text = json.dumps({"result": self.result, "error": error, "facts": facts, "xcoms": self.xcoms}, sort_keys=True)
        text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00", "<time>", text)
        # A digest may look like an id.
        text = re.sub(r"ext:request\": \"[0-9a-f]{16}", 'ext:request": "<request>', text)
        # Those of EMR Serverless, and of job runs, virtual clusters and Spark applications of EMR on EKS.
        text = re.sub(r"\b(00[0-9a-z]{14}|0{7}[0-9a-z]{12}|[0-9a-z]{25}|[0-9a-f]{32})\b", "<id>", text)
        # What is being ended may have ended by the time that it is reported.
        text = text.replace("CANCELLING", "CANCELLED").replace("CANCEL_PENDING", "CANCELLED")
        text = re.sub(r"(_hour\": |after |duration_(seconds|milliseconds)\": )[0-9.e-]+", r"\1<number>", text)
        return dict(json.loads(re.sub(r": <number>", ': "<number>"', text)))


def run_task(make: Callable[[], Any], started: datetime = _STARTED, **task_instance: Any) -> TaskRun:
    """Execute an operator, through a trigger if it defers.

    :param make: makes the operator; called again for the resumption, which is another process in production
    :param started: when the DAG run started
    """
    ti = TaskInstance(**task_instance)
    context = context_of(ti, started)
    run = TaskRun(xcoms=ti.xcoms)
    try:
        operator = make()
        go_on: Callable[[], Any] = partial(execute, operator, context)
        while True:
            try:
                run.result = go_on()
                break
            except TaskDeferred as deferral:
                run.deferred = True
                event = asyncio.run(fire(*deferral.trigger.serialize()))
                # Nothing but the event: `airflow dags test` loses whatever else a deferral has for its method.
                go_on = partial(getattr(make(), deferral.method_name), context, event)
    except Exception as error:
        run.error = error
    if run.error is None:
        ti.xcom_push("return_value", run.result)
        if operator.multiple_outputs:
            for key, value in run.result.items():
                ti.xcom_push(key, value)
    return run


def execute(operator: Any, context: Any) -> Any:
    """Execute an operator in whichever thread: Airflow 2 keeps who calls ``execute`` for the one that imported it."""
    with suppress(ImportError):
        from airflow.models.baseoperator import ExecutorSafeguard

        # 2.10.1 has none yet.
        callers = getattr(ExecutorSafeguard, "_sentinel", None)
        if callers is not None:
            callers.callers = getattr(callers, "callers", {})
    return operator.execute(context)


async def fire(class_path: str, arguments: dict[str, Any]) -> Any:
    """The payload of a trigger's event."""
    module, _, name = class_path.rpartition(".")
    trigger = getattr(import_module(module), name)(**json.loads(json.dumps(arguments)))
    async for event in trigger.run():
        return json.loads(json.dumps(event.payload))
    raise AssertionError("the trigger ended without an event")
