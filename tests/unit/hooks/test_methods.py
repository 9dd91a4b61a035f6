"""The methods of the hooks: one for each operation, with all of its parameters in signature and docstring."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest

from airflow_emrs_ext.aws import containers, ec2, serverless
from airflow_emrs_ext.hooks.containers import EmrContainersHook
from airflow_emrs_ext.hooks.ec2 import EmrOnEc2Hook
from airflow_emrs_ext.hooks.serverless import EmrServerlessHook

pytestmark = pytest.mark.airflow

# The Amazon provider calls its AWS session get_session.
RENAMED = {"get_session": "describe_session"}
METHODS: list[tuple[str, Callable[..., Any], Callable[..., Any]]] = [
    (hook.service, function, vars(hook)[RENAMED.get(name, name)])
    for hook, api in ((EmrServerlessHook, serverless), (EmrContainersHook, containers), (EmrOnEc2Hook, ec2))
    for name, function in vars(api).items()
    if inspect.isgeneratorfunction(function) and function.__module__ == api.__name__
]

each_method = pytest.mark.parametrize(
    ("service", "function", "method"), METHODS, ids=[f"{service}.{one.__name__}" for service, _, one in METHODS]
)


def parameters_of(function: Callable[..., Any], first: str) -> list[inspect.Parameter]:
    found = list(inspect.signature(function).parameters.values())
    assert found[0].name == first
    return [one.replace(annotation=inspect.Parameter.empty) for one in found[1:]]


@each_method
def test_a_method_takes_what_its_operation_takes(service: str, function: Any, method: Any) -> None:
    assert parameters_of(method, "self") == parameters_of(function, "ctx")


@each_method
def test_the_docstring_has_the_operation_and_each_parameter(service: str, function: Any, method: Any) -> None:
    documented = inspect.getdoc(method) or ""
    operation = re.search(r"\((\w+)\)", documented.splitlines()[0])
    assert operation is not None
    assert operation[1] == "".join(word.capitalize() for word in function.__name__.split("_"))
    assert re.findall(r":param (\w+):", documented) == [one.name for one in parameters_of(method, "self")]
    assert ":return:" in documented
