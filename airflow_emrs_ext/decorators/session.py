"""``@task.emr_serverless_session``: a function with a live Spark session."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Protocol, cast, overload

from airflow_emrs_ext.decorators import NAME

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from airflow_emrs_ext.operators._base.airflow_args import SessionTaskArgs


class SessionTaskFunction(Protocol):
    """A decorated function: whoever calls it in a DAG makes a task, and gets the reference to its result."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Make a task.

        :param args: the function's arguments without ``spark``, or references to results
        :param kwargs: likewise
        :return: the reference to the result
        """

    def override(self, **kwargs: Any) -> SessionTaskFunction:
        """As Airflow's: the function with other parameters of the task."""

    def partial(self, **kwargs: Any) -> SessionTaskFunction:
        """As Airflow's: some of the arguments of a mapped task."""

    def expand(self, **kwargs: Any) -> Any:
        """As Airflow's: a mapped task."""

    def expand_kwargs(self, kwargs: Any, *, strict: bool = True) -> Any:
        """As Airflow's: a mapped task."""


@overload
def emr_serverless_session_task(
    **kwargs: Unpack[SessionTaskArgs],
) -> Callable[[Callable[..., Any]], SessionTaskFunction]: ...


@overload
def emr_serverless_session_task(
    python_callable: Callable[..., Any], /, **kwargs: Unpack[SessionTaskArgs]
) -> SessionTaskFunction: ...


def emr_serverless_session_task(
    python_callable: Callable[..., Any] | None = None, multiple_outputs: bool | None = None, **kwargs: Any
) -> SessionTaskFunction | Callable[[Callable[..., Any]], SessionTaskFunction]:
    """A task that calls a function in a session, with a live ``spark`` argument.

    What the function returns is the task's XCom. A DataFrame lives in the session only: collect or write it.

    :param python_callable: the function; it has an argument named ``spark``
    :param multiple_outputs: make each key of a returned dictionary an XCom of its own
    :param kwargs: parameters of the task: ``session``, or ``application_id`` and ``execution_role_arn`` and the others
        of :class:`~airflow_emrs_ext.operators.session.EmrServerlessStartSessionOperator`, and

        - ``python``: path of another interpreter to call the function in; its ``pyspark[connect]`` is the one of the
          session's Spark, and its Python minor version the one of the session's Python if the function has UDFs
        - ``requirements`` (with ``python_version``, ``venv_cache_path``, …): a virtual environment for it instead

        with the further parameters of Airflow's ``@task.external_python`` and ``@task.virtualenv``.
    :raises TypeError: the function has no argument named ``spark``
    """
    # A DAG file that has the decorator and no such task does without Airflow's Python operators.
    from airflow_emrs_ext.decorators._compat import task_decorator_factory
    from airflow_emrs_ext.decorators.session_tasks import (
        ExternalSessionTask,
        SessionTask,
        VirtualenvSessionTask,
    )

    elsewhere = {"expect_airflow": False}
    if "requirements" in kwargs:
        operator: type[SessionTask] = VirtualenvSessionTask
        kwargs = {**elsewhere, "system_site_packages": False, **kwargs}
    elif "python" in kwargs:
        operator = ExternalSessionTask
        kwargs = {**elsewhere, "expect_pendulum": False, **kwargs}
    else:
        operator = SessionTask
    decorate = task_decorator_factory(multiple_outputs=multiple_outputs, decorated_operator_class=operator, **kwargs)

    def with_session(function: Callable[..., Any]) -> SessionTaskFunction:
        return cast("SessionTaskFunction", decorate(_without_spark(function)))

    return with_session if python_callable is None else with_session(python_callable)


def _without_spark(function: Callable[..., Any]) -> Callable[..., Any]:
    """A copy of a function whose signature does not ask the caller for ``spark``."""
    signature = inspect.signature(function)
    if "spark" not in signature.parameters:
        raise TypeError(f"{function.__name__} is decorated with {NAME} and needs an argument named `spark`.")
    unfit = inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function)
    if unfit or not isinstance(function, types.FunctionType):
        raise TypeError(f"{NAME} takes a plain function, and {function!r} is none.")
    # A copy and no closure around it: Airflow asks a function for its source and its file.
    copy = types.FunctionType(function.__code__, function.__globals__, closure=function.__closure__)
    update_wrapper(copy, function)
    others = [parameter for parameter in signature.parameters.values() if parameter.name != "spark"]
    vars(copy)["__signature__"] = signature.replace(parameters=others)
    return copy
