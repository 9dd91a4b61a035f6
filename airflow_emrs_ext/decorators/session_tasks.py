"""The operators behind ``@task.emr_serverless_session``, apart from the decorator: they build on Airflow's own."""

from __future__ import annotations

import inspect
import subprocess
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from airflow_emrs_ext._compat import Context
from airflow_emrs_ext.decorators import NAME, calling
from airflow_emrs_ext.decorators._compat import (
    DecoratedOperator,
    ExternalPythonOperator,
    PythonOperator,
    PythonVirtualenvOperator,
)
from airflow_emrs_ext.operators.in_session import InSessionOperator


class SessionTask(DecoratedOperator, PythonOperator, InSessionOperator):
    """A function that runs in the worker's own interpreter."""

    custom_operator_name = NAME
    template_fields: Sequence[str] = (*InSessionOperator.template_fields, *PythonOperator.template_fields)
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **InSessionOperator.template_fields_renderers,
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
        super().__init__(
            kwargs_to_upstream={"python_callable": python_callable, "op_args": op_args, "op_kwargs": op_kwargs},
            python_callable=python_callable,
            op_args=op_args,
            op_kwargs=op_kwargs,
            **kwargs,
        )
        self._working_in: dict[str, Any] = {}

    def execute(self, context: Context, event: Any = None) -> Any:
        """Call the function with a session of Spark in the session."""
        with self.ends_at_kill(), self.session_to_work_in(context) as self._working_in:
            # Not that of InSessionOperator: Airflow's own operator prepares the arguments, and calls execute_callable.
            return DecoratedOperator.execute(self, context)

    def execute_callable(self) -> Any:
        """Call the function in this interpreter."""
        with self.hook.session(self._working_in) as spark:
            function = self.python_callable
            self.python_callable: Callable[..., Any] = partial(_call, vars(function)["__wrapped__"], spark)
            try:
                return super().execute_callable()
            finally:
                self.python_callable = function


class _ElsewhereTask(SessionTask):
    """A function that runs in another interpreter, which knows the tunnel and not the token."""

    env_vars: dict[str, str] | None

    def execute_callable(self) -> Any:
        """Call the function in the other interpreter."""
        with self.hook.tunnel(self._working_in) as tunnel:
            self.env_vars = {**(self.env_vars or {}), "SPARK_REMOTE": tunnel.remote}
            # Past the execute_callable of this interpreter, to that of Airflow's own operator.
            return super(SessionTask, self).execute_callable()

    def get_python_source(self) -> str:
        """The function's source, with what gives it its session."""
        name = self.python_callable.__name__
        own: str = super().get_python_source()  # type: ignore[no-untyped-call]  # Airflow's has no annotations
        # Its first line is an import that may stand at the top of a script only, and does already.
        _, _, tools = inspect.getsource(calling).partition("from __future__ import annotations\n")
        return f"{own}\n{tools}\n\n{name} = with_spark_from_environment({name})\n"


class ExternalSessionTask(_ElsewhereTask, ExternalPythonOperator):
    """A function that runs in another interpreter that is there."""

    template_fields: Sequence[str] = (*InSessionOperator.template_fields, *ExternalPythonOperator.template_fields)

    def _is_pendulum_installed_in_target_env(self) -> bool:
        # Airflow's own way to ask leaves a traceback in the task's log if it is not.
        ask = "import importlib.util, sys; sys.exit(importlib.util.find_spec('pendulum') is None)"
        return subprocess.run([self.python, "-c", ask], check=False).returncode == 0


class VirtualenvSessionTask(_ElsewhereTask, PythonVirtualenvOperator):
    """A function that runs in a virtual environment of its own."""

    template_fields: Sequence[str] = (*InSessionOperator.template_fields, *PythonVirtualenvOperator.template_fields)


def _call(function: Callable[..., Any], spark: Any, *args: Any, **kwargs: Any) -> Any:
    return calling.call_with_spark(function, spark, args, kwargs)
