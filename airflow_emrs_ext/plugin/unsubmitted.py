"""What a page says of a task that has stored nothing of what it has started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from airflow_emrs_ext.links.runs import OPERATORS, RunLink
from airflow_emrs_ext.plugin import _compat
from airflow_emrs_ext.plugin.clicks import Place
from airflow_emrs_ext.plugin.pages import AGAIN_SECONDS

PACKAGE = f"{__package__.partition('.')[0]}."

# How serialized DAGs of Airflow 2 and 3 say that a task has the link.
_LINKED = (f"{RunLink.__module__}.{RunLink.__qualname__}", f"_link_{RunLink.__qualname__}")
_OWN = {f"{PACKAGE}{place}" for places in OPERATORS.values() for place in places}

_DID_NOT_RUN = ("skipped", "upstream_failed", "removed")
_SAID = "The task's log (tab Logs) says why."
_NOT_STORED = (
    "If it had submitted something, the XCom `emr_run` that says so is missing: its worker was lost just then, "
    "somebody deleted it, or a custom XCom backend keeps it outside Airflow's database. The tags of what runs on EMR "
    "name this task."
)


class Explanation(NamedTuple):
    """Why there is nothing to show.

    :param again_after: seconds after which another look is worth it; ``None``: it is not
    """

    title: str
    text: str
    again_after: int | None = None


def is_linked(task: Mapping[str, Any]) -> bool:
    """Whether a task of a serialized DAG is of an operator whose tasks have links, or of one that users derive."""
    if f"{task.get('_task_module')}.{_operator(task)}" in _OWN:
        return True
    return any(link in str(task.get("_operator_extra_links")) for link in _LINKED)


def _operator(task: Mapping[str, Any]) -> str:
    """The name of its operator, as serialized DAGs of Airflow 3 or 2 say it."""
    return str(task.get("task_type") or task.get("_task_type"))


def explanation(place: Place) -> Explanation:
    """What has become of a task that has stored nothing, as far as Airflow's database tells.

    :param place: the task instance
    """
    state = _compat.task_state(place.identity)
    if state is None:
        return Explanation(
            "No such task instance",
            "Airflow's database has no such task instance: its DAG run has been deleted, or the address is wrong. Of a "
            "mapped task each index has a page of its own.",
        )
    task = _compat.serialized_task(place.identity)
    if task is not None and not is_linked(task):
        return Explanation(
            "This task runs nothing on EMR",
            f"It is a task of {_operator(task)}, which starts no job run, session or managed endpoint. Airflow "
            "shows this tab on every task; `[emrs_ext] task_view = False` takes it away and leaves the button of those "
            "tasks that have something to show.",
        )
    if state == "success":
        return Explanation("Nothing is known of a run", f"The task is marked as success. {_NOT_STORED}")
    if state == "failed":
        return Explanation(
            "The task failed, and no run of it is known",
            f"The task is failed and has stored nothing that it had started on EMR. Most often it failed before its "
            f"submission. {_SAID} Correct what it names, then clear the task. {_NOT_STORED}",
        )
    if state in _DID_NOT_RUN:
        return Explanation("The task did not run", f"The task is {state}: it has submitted nothing to EMR.")
    waits = {
        "running": "The task is running and has not submitted anything to EMR yet.",
        "deferred": "The task is deferred and has not submitted anything to EMR yet.",
        "up_for_retry": f"The last try has failed, and Airflow tries again. {_SAID}",
        "none": "The task has not started yet.",
    }.get(state, f"The task has not started yet: it is {state}.")
    text = f"{waits} This page tries again by itself, and shows the run as soon as there is one."
    return Explanation("Nothing submitted yet", text, AGAIN_SECONDS)
