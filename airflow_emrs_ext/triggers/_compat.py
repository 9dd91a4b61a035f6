"""Every branch on the version of Airflow in what triggers and workers ask it about tasks."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_emrs_ext._compat import AIRFLOW_3, as_columns

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

TRIGGERS_ARE_FORKED = AIRFLOW_3
"""Whether a triggerer runs its triggers in a process that it forks."""

GONE = "gone"
"""Instead of a state: Airflow has the task instance no more. Its DAG run, its DAG or its task was deleted."""

UNKNOWN = "unknown"
"""Instead of a state: Airflow did not say, or not in time."""

# What is not there is asked for once more after so many seconds, before anything is concluded from it.
_AGAIN_SECONDS = 3.0
# In a worker that is being killed there is less time.
_SOON_SECONDS = 0.2


async def has_owner(trigger: BaseTrigger) -> bool:
    """Whether the task of a trigger is still deferred to it, or waits for a retry that nobody but Airflow asked for.

    A trigger is cancelled when a user has ended or deleted its task, and when its triggerer shuts down: another
    triggerer goes on then.

    :raises Exception: Airflow did not say
    """
    # Airflow's triggerer has it already; a DAG file has not.
    from asgiref.sync import sync_to_async

    ask = sync_to_async(_has_owner_in_3 if AIRFLOW_3 else _has_owner_in_2)
    answer = await ask(trigger)
    if answer is None:
        await asyncio.sleep(_AGAIN_SECONDS)
        answer = await ask(trigger)
    return bool(answer)


async def store_xcoms(ti: Any, xcoms: Mapping[str, Any]) -> None:
    """Store XComs of the task of a trigger as its worker would, through the XCom backend."""
    from airflow.sdk.execution_time.xcom import XCom
    from asgiref.sync import sync_to_async

    place = {"dag_id": ti.dag_id, "run_id": ti.run_id, "task_id": ti.task_id, "map_index": ti.map_index}
    for key, value in xcoms.items():
        # A backend may store the value elsewhere, with calls that block.
        await sync_to_async(XCom.set, thread_sensitive=False)(key, value, **place)


def state_of_task(ti: Any, *, seconds: float) -> str | None:
    """The state of a task as Airflow has it now, asked from within the task; :data:`GONE`, or :data:`UNKNOWN`.

    It may be asked while a signal is being handled, in the middle of another question to Airflow: from a thread, and
    given up after so many seconds.
    """
    answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    until = time.monotonic() + seconds

    def ask() -> None:
        last: str | None = UNKNOWN
        while time.monotonic() < until:
            try:
                state = _state_in_3(ti) if AIRFLOW_3 else _state_in_2(ti)
            except Exception:
                # An interrupted question's answer may be read first. Whatever it was: the next may be right.
                state = UNKNOWN
            if state not in (GONE, UNKNOWN) or state == last == GONE:
                answers.put(state)
                return
            last = state
            time.sleep(_SOON_SECONDS)

    threading.Thread(target=ask, daemon=True).start()
    try:
        return answers.get(timeout=seconds)
    except queue.Empty:
        return UNKNOWN


@dataclass(frozen=True)
class TaskRow:
    """What Airflow's database has of a task instance.

    :param state: ``None``: it has none, as after a clear
    :param trigger_id: of the trigger that it is deferred to
    :param try_number: of its last try
    :param has_resumed: whether a worker has gone on with its last deferral, or is about to
    :param instance: tells its tries apart, and those of a DAG run that was made again with the same id; ``None``:
        nothing does in Airflow 2
    """

    state: str | None
    trigger_id: int | None
    try_number: int
    has_resumed: bool
    instance: str | None = None


def row_of_task(identity: Mapping[str, Any]) -> TaskRow | None:
    """A task instance in Airflow's database, for processes that may use it.

    :param identity: of the task instance, see :func:`~airflow_emrs_ext.aws.ownership_tags.identity_of`
    :return: ``None``: it is not there
    """
    from airflow.models import TaskInstance as Instance
    from airflow.utils.session import create_session

    with create_session() as session:
        columns = [Instance.state, Instance.trigger_id, Instance.try_number, Instance.next_method, Instance.next_kwargs]
        row = (
            session.query(*columns, *([Instance.id] if AIRFLOW_3 else []))
            .filter_by(**as_columns(Instance, identity))
            .one_or_none()
        )
    if row is None:
        return None
    # Whoever ends a task while it is deferred leaves both; a worker clears them at its end, except in Airflow 3.0.
    kwargs = row.next_kwargs or {}
    was_fired = not {"event", "error"}.isdisjoint(kwargs.get("__var", kwargs))
    instance = str(row.id) if AIRFLOW_3 else None
    return TaskRow(row.state, row.trigger_id, row.try_number, row.next_method is None or was_fired, instance)


def _has_owner_in_2(trigger: Any) -> bool | None:
    row = row_of_task(_identity_in_2(trigger.task_instance))
    if row is None:
        return None
    return row.state == "up_for_retry" or (row.state == "deferred" and row.trigger_id == trigger.trigger_id)


def _has_owner_in_3(trigger: Any) -> bool | None:
    state = _state_in_3(trigger.task_instance)
    return None if state == GONE else state in ("deferred", "up_for_retry")


def _state_in_2(ti: Any) -> str | None:
    row = row_of_task(_identity_in_2(ti))
    return GONE if row is None else row.state


def _identity_in_2(ti: Any) -> dict[str, Any]:
    return {"dag_id": ti.dag_id, "run_id": ti.run_id, "task_id": ti.task_id, "map_index": ti.map_index}


def _state_in_3(ti: Any) -> str | None:
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    states = RuntimeTaskInstance.get_task_states(
        dag_id=ti.dag_id, run_ids=[ti.run_id], task_ids=[ti.task_id], map_index=ti.map_index
    )
    found = states.get(ti.run_id) or {}
    if not found:
        return GONE
    # The others of a mapped task are told, too, if this one is not mapped; one that is not among them is not known.
    state: str | None = found[ti.task_id if ti.map_index < 0 else f"{ti.task_id}_{ti.map_index}"]
    return state
