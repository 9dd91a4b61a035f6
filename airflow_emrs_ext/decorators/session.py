"""``@task.emr_serverless_session``: a function with a live Spark session."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial, update_wrapper
from typing import Any

from airflow_emrs_ext._compat import Context
from airflow_emrs_ext.decorators import calling
from airflow_emrs_ext.decorators._compat import (
    DecoratedOperator,
    ExternalPythonOperator,
    PythonOperator,
    PythonVirtualenvOperator,
    task_decorator_factory,
)
from airflow_emrs_ext.operators.working import WorkingOperator

_NAME = "@task.emr_serverless_session"


class _SessionTask(DecoratedOperator, PythonOperator, WorkingOperator):
    """A function that runs in the worker's own interpreter."""

    custom_operator_name = _NAME
    template_fields: Sequence[str] = (*WorkingOperator.template_fields, *PythonOperator.template_fields)
    template_fields_renderers = {  # noqa: RUF012 - Airflow declares it as an instance attribute
        **WorkingOperator.template_fields_renderers,
        **PythonOperator.template_fields_renderers,
    }

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        # A dictionary is one XCom, as with other decorators, unless the function's annotation or the user says so.
        kwargs.setdefault("multiple_outputs", False)
        super().__init__(
            kwargs_to_upstream={"python_callable": python_callable, "op_args": op_args, "op_kwargs": op_kwargs},
            python_callable=python_callable,
            op_args=op_args,
            op_kwargs=op_kwargs,
            **kwargs,
        )
        self._working_in: dict[str, Any] = {}

    def execute(self, context: Context) -> Any:
        """Call the function with a session of Spark in the session."""
        with self.ends_at_kill(), self.session_to_work_in(context) as self._working_in:
            # Not that of WorkingOperator: Airflow's own operator prepares the arguments, and calls execute_callable.
            return DecoratedOperator.execute(self, context)

    def execute_callable(self) -> Any:
        """Call the function in this interpreter."""
        with self.spark_connect.session(self._working_in) as spark:
            function = self.python_callable
            self.python_callable = partial(_call, vars(function)["__wrapped__"], spark)
            try:
                return super().execute_callable()
            finally:
                self.python_callable = function


class _ElsewhereTask(_SessionTask):
    """A function that runs in another interpreter, which knows the tunnel and not the token."""

    env_vars: dict[str, str] | None

    def execute_callable(self) -> Any:
        """Call the function in the other interpreter."""
        with self.spark_connect.tunnel(self._working_in) as tunnel:
            self.env_vars = {**(self.env_vars or {}), "SPARK_REMOTE": tunnel.remote}
            # Past the execute_callable of this interpreter, to that of Airflow's own operator.
            return super(_SessionTask, self).execute_callable()

    def get_python_source(self) -> str:
        """The function's source, with what gives it its session."""
        name = self.python_callable.__name__
        own: str = super().get_python_source()  # type: ignore[no-untyped-call]  # Airflow's has no annotations
        # Its first line is an import that may stand at the top of a script only, and does already.
        _, _, tools = inspect.getsource(calling).partition("from __future__ import annotations\n")
        return f"{own}\n{tools}\n\n{name} = with_spark_from_environment({name})\n"


class _ExternalSessionTask(_ElsewhereTask, ExternalPythonOperator):
    template_fields: Sequence[str] = (*WorkingOperator.template_fields, *ExternalPythonOperator.template_fields)


class _VirtualenvSessionTask(_ElsewhereTask, PythonVirtualenvOperator):
    template_fields: Sequence[str] = (*WorkingOperator.template_fields, *PythonVirtualenvOperator.template_fields)


def emr_serverless_session_task(
    python_callable: Callable[..., Any] | None = None,
    multiple_outputs: bool | None = None,
    **kwargs: Any,
) -> Any:
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
    elsewhere = {"expect_airflow": False}
    if "requirements" in kwargs:
        operator: type[_SessionTask] = _VirtualenvSessionTask
        kwargs = {**elsewhere, "system_site_packages": False, **kwargs}
    elif "python" in kwargs:
        operator = _ExternalSessionTask
        kwargs = {**elsewhere, "expect_pendulum": False, **kwargs}
    else:
        operator = _SessionTask
    decorate = task_decorator_factory(multiple_outputs=multiple_outputs, decorated_operator_class=operator, **kwargs)

    def with_session(function: Callable[..., Any]) -> Any:
        return decorate(_without_spark(function))

    return with_session if python_callable is None else with_session(python_callable)


def _without_spark(function: Callable[..., Any]) -> Callable[..., Any]:
    """A copy of a function whose signature does not ask the caller for ``spark``."""
    signature = inspect.signature(function)
    if "spark" not in signature.parameters:
        raise TypeError(f"{function.__name__} is decorated with {_NAME} and needs an argument named `spark`.")
    unfit = inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function)
    if unfit or not isinstance(function, types.FunctionType):
        raise TypeError(f"{_NAME} takes a plain function, and {function!r} is none.")
    # A copy and no closure around it: Airflow asks a function for its source and its file.
    copy = types.FunctionType(function.__code__, function.__globals__, closure=function.__closure__)
    update_wrapper(copy, function)
    others = [parameter for parameter in signature.parameters.values() if parameter.name != "spark"]
    vars(copy)["__signature__"] = signature.replace(parameters=others)
    return copy


def _call(function: Callable[..., Any], spark: Any, *args: Any, **kwargs: Any) -> Any:
    return calling.call_with_spark(function, spark, args, kwargs)
