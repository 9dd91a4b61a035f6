"""The session decorator, as far as it goes without a session: what a DAG file may write, and what is run elsewhere."""

from __future__ import annotations

import ast
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest
from airflow import DAG
from airflow.decorators import task

from airflow_emrs_ext.decorators.calling import call_with_spark, plain
from airflow_emrs_ext.decorators.session_tasks import ExternalSessionTask, VirtualenvSessionTask

GIVEN = {"session": {"application_id": "00app", "session_id": "00ses"}}


def operator(function: Callable[..., Any], *args: Any, parameters: dict[str, Any] | None = None, **kwargs: Any) -> Any:
    """The operator behind a decorated call."""
    with DAG("a_dag", start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), schedule=None):
        return task.emr_serverless_session(**(parameters or GIVEN))(function)(*args, **kwargs).operator


def spark_first(spark: Any, n: int, times: int = 1) -> list[Any]:
    return [spark, n, times]


def spark_last(n: int, *, times: int, spark: Any) -> list[Any]:
    return [spark, n, times]


def spark_between(n: int, /, spark: Any, *rest: int, **more: int) -> list[Any]:
    return [spark, n, rest, more]


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "expected"),
    [
        (spark_first, (1,), {}, ["S", 1, 1]),
        (spark_first, (1, 2), {}, ["S", 1, 2]),
        (spark_first, (), {"times": 3, "n": 1}, ["S", 1, 3]),
        (spark_last, (1,), {"times": 2}, ["S", 1, 2]),
        (spark_between, (1, 2, 3), {"x": 4}, ["S", 1, (2, 3), {"x": 4}]),
    ],
)
def test_the_caller_gives_every_argument_but_spark(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], expected: list[Any]
) -> None:
    assert call_with_spark(function, "S", args, kwargs) == expected
    made = operator(function, *args, **kwargs)
    assert (tuple(made.op_args), dict(made.op_kwargs)) == (args, kwargs)


def test_a_missing_argument_is_found_when_the_file_is_parsed() -> None:
    with pytest.raises(TypeError, match="'n'"):
        operator(spark_first)


def test_the_decorated_function_is_left_as_it_is() -> None:
    operator(spark_first, 1)
    assert spark_first("S", 1) == ["S", 1, 1]


def generator(spark: Any) -> Any:
    yield spark


async def coroutine(spark: Any) -> None:
    pass


@pytest.mark.parametrize(
    ("function", "message"),
    [(lambda n: n, "needs an argument named `spark`"), (generator, "plain function"), (coroutine, "plain function")],
)
def test_functions_that_cannot_be_called_in_a_session(function: Callable[..., Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        operator(function)


def test_where_and_what_may_be_templated() -> None:
    made = operator(spark_first, 1, parameters={"application_id": "{{ a }}", "execution_role_arn": "{{ b }}"})
    assert {"session", "application_id", "execution_role_arn", "tags", "op_args", "op_kwargs"} <= set(
        made.template_fields
    )
    assert {"session", "python", "op_args"} <= set(ExternalSessionTask.template_fields)
    assert {"session", "requirements", "op_args"} <= set(VirtualenvSessionTask.template_fields)


def test_a_session_of_another_task_makes_that_task_come_first() -> None:
    with DAG("a_dag", start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), schedule=None) as dag:

        @task
        def start() -> dict[str, str]:
            return GIVEN["session"]

        task.emr_serverless_session(session=start())(spark_first)(1)
    assert dag.get_task("spark_first").upstream_task_ids == {"start"}


def test_the_result_is_one_xcom_unless_asked_for_more() -> None:
    assert operator(spark_first, 1).multiple_outputs is False
    assert operator(spark_first, 1, parameters={**GIVEN, "multiple_outputs": True}).multiple_outputs is True


def test_the_script_for_another_interpreter_needs_nothing_of_this_package() -> None:
    made = operator(spark_first, 1, parameters={**GIVEN, "python": "/a/python"})
    script = ast.parse("from __future__ import annotations\n" + made.get_python_source())
    imported = {
        module
        for node in ast.walk(script)
        for module in ([node.module] if isinstance(node, ast.ImportFrom) else [])
        + ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [])
    }
    assert imported == {
        "__future__",
        "collections.abc",
        "functools",
        "inspect",
        "os",
        "pyspark.sql.connect.session",
        "typing",
    }
    names = {node.name for node in script.body if isinstance(node, ast.FunctionDef)}
    assert names == {"spark_first", "call_with_spark", "plain", "with_spark_from_environment"}


class Row(tuple):  # type: ignore[type-arg]
    """What Spark's row looks like."""

    __module__ = "pyspark.sql.types"

    def asDict(self, recursive: bool) -> dict[str, Any]:  # noqa: N802 - Spark's own name
        assert recursive
        return {"a": self[0]}


class DataFrame:
    """What Spark's frame looks like."""

    __module__ = "pyspark.sql.connect.dataframe"

    def collect(self) -> None: ...


class Count:
    """What a number of NumPy's looks like."""

    __module__ = "numpy"
    shape = ()

    def item(self) -> int:
        return 7


def test_rows_and_counts_become_plain() -> None:
    assert plain({"rows": [Row((1,))], "n": Count(), "rest": ("x", None)}) == {
        "rows": [{"a": 1}],
        "n": 7,
        "rest": ("x", None),
    }


@pytest.mark.parametrize("value", [DataFrame(), [DataFrame()], {"x": (DataFrame(),)}])
def test_a_frame_is_an_error_that_says_what_to_return(value: Any) -> None:
    with pytest.raises(TypeError, match=r"returned a Spark DataFrame.*collect\(\).*write"):
        plain(value)
