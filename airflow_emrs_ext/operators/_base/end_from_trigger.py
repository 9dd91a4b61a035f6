"""Whether the trigger of a deferred task may end it: only where Airflow loses nothing by that.

Airflow runs in a worker what follows a task's success. What ends in the trigger has none of it: Airflow 3.3.2 stores
the XComs of a ``TaskSuccessEvent`` as strings of JSON, runs no success callback, tells no listener and registers no
asset event. So the trigger stores the XComs itself, and is told to end only tasks that have none of the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow_emrs_ext._compat import CAN_END_IN_TRIGGER, conf, is_dag_test, success_listeners
from airflow_emrs_ext.links.runs import EmrLink

# What runs after a wait, and would not if a subclass has made it its own.
_AFTER_THE_WAIT = ("resume_execution", "execute_complete", "finish", "post_execute")

_METRICS = ("statsd_on", "statsd_datadog_enabled", "otel_on")


def ending(operator: Any, workflow: str | None, arguments: Mapping[str, Any], **how: Any) -> dict[str, Any] | None:
    """What the trigger is to end the task with on success, or ``None``: a worker ends it.

    :param operator: an operator or sensor of this package, which runs
    :param workflow: tells all there is to tell of a success; ``None``: the trigger does it already
    :param arguments: of the workflow
    :param how: further members of :class:`~airflow_emrs_ext.triggers.workflow.WorkflowTrigger`'s ``ending``
    """
    if not operator.ends_in_trigger:
        return None
    needs = list(_needs_of_a_worker(operator))
    if workflow is None:
        needs.append("its trigger does more than to wait")
    if needs:
        operator.log.info("`end_from_trigger` is set, but a worker will end this task: %s", "; ".join(needs))
        return None
    if workflow == "wait_for_job_run" and arguments.get("show_driver_logs", "on_failure") == "on_failure":
        # A worker looks at a failure once more, and shows its log then.
        arguments = {**arguments, "show_driver_logs": "never"}
    xcoms = "none" if not operator.do_xcom_push else "each" if operator.multiple_outputs else "whole"
    return {"workflow": workflow, "arguments": arguments, "xcoms": xcoms, **how}


def _needs_of_a_worker(operator: Any) -> Iterator[str]:
    """What would be lost with the worker."""
    if not CAN_END_IN_TRIGGER:
        yield "it takes Airflow 3.3"
        return
    if is_dag_test():
        yield "this is a test of the DAG"
    if getattr(operator, "returns", None) is not None:
        yield "its result is one of many facts"
    if operator.on_success_callback:
        yield "it has an on_success_callback"
    if operator.outlets:
        yield "it has outlets"
    if operator._post_execute_hook is not None:
        yield "it has a post_execute"
    changed = [name for name in _AFTER_THE_WAIT if not _is_known(getattr(type(operator), name, None))]
    if changed:
        yield f"its class has a {', '.join(changed)} of its own"
    if any(not isinstance(link, EmrLink) for link in operator.operator_extra_links):
        yield "it has links of another kind"
    if operator.overwrite_rtif_after_execution:
        yield "its rendered templates are stored at the end"
    if operator.returns_dag_result:
        yield "its result is the DAG's"
    if next(operator.iter_mapped_dependants(), None) is not None:
        yield "a task is mapped over its result"
    if listeners := success_listeners():
        yield f"listeners want to know of its success ({', '.join(listeners)})"
    if any(conf.getboolean("metrics", option, fallback=False) for option in _METRICS):
        yield "Airflow counts metrics in workers"
    if conf.getboolean("state_store", "clear_on_success", fallback=False):
        yield "[state_store] clear_on_success is set"


def _is_known(method: Any) -> bool:
    return method is None or method.__module__.startswith(("airflow.", "airflow_emrs_ext."))
