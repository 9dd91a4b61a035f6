"""Every branch on the version of Airflow: the rest of the package imports these names from here.

Airflow 3 moved the names that authors of operators use to ``airflow.sdk``; the exceptions followed in 3.2 only. Each
group is tried as a whole, because half a group would mix two classes of the same name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow import __version__ as _airflow_version
from packaging.version import Version

AIRFLOW_VERSION = Version(Version(_airflow_version).base_version)
AIRFLOW_3 = Version("3.0") <= AIRFLOW_VERSION

CAN_END_IN_TRIGGER = Version("3.3") <= AIRFLOW_VERSION
"""Whether a trigger can store XComs as a worker does, and end its task with no rest in Airflow's database."""

TELLS_LOOPS_APART = Version("3.4") <= AIRFLOW_VERSION
"""Whether DAG, run, task and map index are not all that tells a task instance from others."""

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, BaseOperatorLink, Context
    from airflow.sdk.configuration import conf
    from airflow.sdk.definitions.mappedoperator import MappedOperator, OperatorPartial
    from airflow.sdk.definitions.xcom_arg import PlainXComArg, XComArg
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowSensorTimeout,
        AirflowSkipException,
        AirflowTaskTimeout,
        TaskDeferred,
        XComNotFound,
    )
    from airflow.sdk.log import mask_secret as _mask
    from airflow.sdk.observability.stats import Stats as _Stats
else:
    if AIRFLOW_3:
        from airflow.sdk import BaseOperator, BaseOperatorLink, Context
        from airflow.sdk.definitions.mappedoperator import MappedOperator, OperatorPartial
        from airflow.sdk.definitions.xcom_arg import PlainXComArg, XComArg
    else:
        from airflow.models.baseoperator import BaseOperator
        from airflow.models.baseoperatorlink import BaseOperatorLink
        from airflow.models.mappedoperator import MappedOperator, OperatorPartial
        from airflow.models.xcom_arg import PlainXComArg, XComArg
        from airflow.utils.context import Context

    if not AIRFLOW_3:
        from airflow.utils.log.secrets_masker import mask_secret as _mask
    elif Version("3.1") <= AIRFLOW_VERSION:
        from airflow.sdk.log import mask_secret as _mask
    else:
        from airflow.sdk.execution_time.secrets_masker import _secrets_masker

        # What 3.0 offers in public also tells the supervisor, over a socket that it does not share between threads.
        _mask = _secrets_masker().add_mask

    try:
        from airflow.sdk.observability.stats import Stats as _Stats
    except ImportError:
        from airflow.stats import Stats as _Stats

    try:
        from airflow.sdk.configuration import conf
        from airflow.sdk.exceptions import (
            AirflowException,
            AirflowFailException,
            AirflowSensorTimeout,
            AirflowSkipException,
            AirflowTaskTimeout,
            TaskDeferred,
            XComNotFound,
        )
    except ImportError:
        from airflow.configuration import conf
        from airflow.exceptions import (
            AirflowException,
            AirflowFailException,
            AirflowSensorTimeout,
            AirflowSkipException,
            AirflowTaskTimeout,
            TaskDeferred,
            XComNotFound,
        )


def is_deferral_timeout(error: Exception) -> bool:
    """Whether Airflow resumes a deferred task only to fail it, as its time is over: in Airflow 2 its words say so."""
    return type(error).__name__ == "TaskDeferralTimeout" or error.args == ("Trigger/execution timeout",)


def current_context() -> Context | None:
    """The context of the task that this process executes; ``None``: it executes no task."""
    module = import_module("airflow.sdk" if AIRFLOW_3 else "airflow.operators.python")
    try:
        context: Context = module.get_current_context()
    except (AirflowException, RuntimeError):
        return None
    return context


def count_metric(name: str, amount: int, tags: Mapping[str, str]) -> None:
    """Add to one of Airflow's metrics, wherever they go."""
    _Stats.incr(name, amount, tags=dict(tags))


def mask_secret(secret: str) -> None:
    """Hide a secret in the log of the task, from any thread."""
    _mask(secret)


def is_dag_test() -> bool:
    """Whether `airflow dags test` runs the task; it knows no event of a trigger that ends one."""
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.supervisor import InProcessSupervisorComms

    return isinstance(getattr(task_runner, "SUPERVISOR_COMMS", None), InProcessSupervisorComms)


def success_listeners() -> list[str]:
    """Who listens for the success of tasks (Airflow 3.2 and newer)."""
    from airflow.sdk.listener import get_listener_manager

    return [each.plugin_name for each in get_listener_manager().hook.on_task_instance_success.get_hookimpls()]


def count_dag_runs(context: Any, dag_id: str, run_id: str, *, active: bool = False) -> int:
    """How many DAG runs with these ids this Airflow knows: one or none.

    :param context: of the task that asks
    :param active: count it only if it is queued or running
    """
    states = ["queued", "running"] if active else None
    if AIRFLOW_3:
        return int(context["ti"].get_dr_count(dag_id, run_ids=[run_id], states=states))
    from airflow.models import DagRun

    found = DagRun.find(dag_id=dag_id, run_id=run_id)
    return sum(1 for run in found if states is None or run.state in states)


def identity_fields() -> Mapping[str, Any]:
    """The attributes by which Airflow tells task instances apart, whatever their try, with what says nothing in each.

    From Airflow 3.4 on they are those of Airflow's own type for a task instance or a retry of it: what a later version
    adds is among them, and what differs between tries is not.
    """
    if not TELLS_LOOPS_APART:
        return {"dag_id": None, "run_id": None, "task_id": None, "map_index": -1}
    from airflow.sdk.state import TaskScope

    return {field.name: None if field.default is MISSING else field.default for field in fields(TaskScope)}


def as_columns(model: Any, identity: Mapping[str, Any]) -> dict[str, Any]:
    """What the columns of one of Airflow's tables hold of a task instance.

    :param model: of the table
    :param identity: of the task instance, see :func:`~airflow_emrs_ext.aws.ownership_tags.identity_of`
    """
    columns = {}
    for name, value in identity.items():
        kind = getattr(model, name).type
        # A type of Airflow's own is made of one that says what it takes.
        columns[name] = getattr(kind, "impl", kind).python_type(value)
    return columns


def made_as(context: Any) -> list[Any]:
    """What tells a DAG run from one that was deleted and had the same id, where Airflow says it: Airflow 2 does."""
    row = None if AIRFLOW_3 else getattr(context.get("dag_run"), "id", None)
    return [] if row is None else [row]


def tries_before_cleared(ti: Any, retries: int | None) -> int:
    """How many tries a task had when a person cleared it: Airflow adds them to its retries then, and not otherwise."""
    return max(0, (ti.max_tries or 0) - (retries or 0))


def push_links(operator: Any, ti: Any) -> None:
    """Show the links of a task now: Airflow 3 asks for them when the process ends, Airflow 2 when somebody looks."""
    if AIRFLOW_3:
        for link in operator.operator_extra_links:
            ti.xcom_push(key=link.xcom_key, value=link.get_link(operator, ti_key=ti))


def link_base() -> str:
    """What a link of a task begins with: the UI of Airflow 3 has a base that links are relative to."""
    return "" if AIRFLOW_3 else f"{conf.get('webserver', 'base_url').rstrip('/')}/"


def as_xcoms(operator: Any, facts: dict[str, Any]) -> dict[str, Any]:
    """Facts as an operator's result: with ``multiple_outputs`` Airflow 3.0 fails a task that has ``None`` in them."""
    if operator.multiple_outputs and Version("3.0") <= AIRFLOW_VERSION < Version("3.1"):
        return {name: value for name, value in facts.items() if value is not None}
    return facts


__all__ = [
    "AIRFLOW_3",
    "AIRFLOW_VERSION",
    "CAN_END_IN_TRIGGER",
    "AirflowException",
    "AirflowFailException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "AirflowTaskTimeout",
    "BaseOperator",
    "BaseOperatorLink",
    "Context",
    "MappedOperator",
    "OperatorPartial",
    "PlainXComArg",
    "TaskDeferred",
    "XComArg",
    "XComNotFound",
    "as_columns",
    "as_xcoms",
    "conf",
    "count_dag_runs",
    "count_metric",
    "current_context",
    "identity_fields",
    "is_deferral_timeout",
    "link_base",
    "made_as",
    "mask_secret",
    "push_links",
    "success_listeners",
    "tries_before_cleared",
]
