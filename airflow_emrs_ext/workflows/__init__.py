"""What operators and sensors do after their request: whole workflows, driven by a worker or by the triggerer.

Each takes and returns plain JSON beside its context, so that either mode runs it, and the outcome is the same. Another
process is told its name (:func:`named`), by which :data:`~airflow_emrs_ext.workflows.registry.WORKFLOWS` has it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeAlias

if TYPE_CHECKING:
    from airflow_emrs_ext.core.effects import Effects, RunContext

P = ParamSpec("P")

Facts: TypeAlias = dict[str, Any]
"""What is known of a resource, as plain JSON."""

Workflow: TypeAlias = "Callable[Concatenate[RunContext, P], Effects[Facts]]"

ShowDriverLogs = Literal["on_failure", "always", "live", "never"]
"""What the task log shows of the logs of a job run's driver."""

NAMES = frozenset(
    {
        "request_end_best_effort",
        "end_uncertain_start",
        "cancel_job_run",
        "idempotent_start",
        "idempotent_start_billable",
        "create_application",
        "delete_application",
        "delete_virtual_cluster",
        "end",
        "end_active_of_task",
        "end_if_orphaned",
        "wait_for_state",
        "wait_for_job_run",
        "request_cancellation",
        "start_application",
        "stop_application",
        "terminate_session",
        "update_application",
        "wait_until_changed",
    }
)
"""The names of all workflows, for those who are told of one and run none."""

STARTED = "started"
"""The note of the ids of what a start has led to."""

ASKED = "asked"
"""The note that says whether this try has asked for a start, and when by the service's clock, if that is known."""

KILL_SECONDS = 86_400.0
"""How long the end of what a killed task has left is requested where Airflow does not hurry: hundreds of tasks that a
person ends at once are ended one per second."""

# The parameter of each workflow that waits and does nothing else, which says whether the end of its wait ends more.
_ENDS = {"wait_for_state": "end_on_timeout", "wait_for_job_run": "cancel_on_timeout"}


def named(workflow: Workflow[P], /, *_: P.args, **arguments: P.kwargs) -> tuple[str, Facts]:
    """A workflow as another process is told of it: its name, and its arguments."""
    return workflow.__name__, dict(arguments)


def watch_of(workflow: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """The arguments with which `wait_until_changed` waits for what a workflow waits for.

    :return: ``None``: the workflow does more than to wait
    """
    if workflow not in _ENDS or arguments.get("show_driver_logs") == "live":
        return None
    waited_for = {name: arguments[name] for name in ("kind", "ids", "target_states")}
    return {**waited_for, "end_on_timeout": arguments.get(_ENDS[workflow], False)}


def report_of(then: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The workflow and the arguments with which a trigger tells what a worker would, where the wait was a success.

    It ends nothing: of anything but a success the worker tells, and so it does where it shows a log.

    :param then: what the worker is told, with the workflow and the arguments that :func:`watch_of` was given
    """
    if not then or then.get("workflow") not in _ENDS:
        return None
    workflow, arguments = then["workflow"], {**then["arguments"], _ENDS[then["workflow"]]: False}
    if workflow == "wait_for_job_run":
        if arguments.get("show_driver_logs") == "always":
            return None
        arguments["show_driver_logs"] = "never"
    return {"workflow": workflow, "arguments": arguments}
