"""The parameters of every operator and sensor: in its signature, in its docstring; wrong ones are refused."""

from __future__ import annotations

import inspect
import pkgutil
import re
from importlib import import_module
from typing import Any

import pytest

import airflow_emrs_ext
from airflow_emrs_ext._compat import BaseOperator
from airflow_emrs_ext.decorators._compat import ExternalPythonOperator, PythonOperator, PythonVirtualenvOperator
from airflow_emrs_ext.exceptions import ConfigurationError
from airflow_emrs_ext.operators import emr_containers, emr_serverless
from airflow_emrs_ext.operators._base.airflow_args import (
    ManagedEndpointArgs,
    OperatorArgs,
    SensorArgs,
    SessionArgs,
    SessionTaskArgs,
)
from airflow_emrs_ext.operators.containers_job_run import EmrContainersStartJobRunOperator
from airflow_emrs_ext.operators.in_session import InSessionOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.operators.managed_endpoint import EmrContainersCreateManagedEndpointOperator
from airflow_emrs_ext.operators.session import EmrServerlessStartSessionOperator
from airflow_emrs_ext.operators.spark import EmrServerlessSparkSqlOperator
from airflow_emrs_ext.sensors._compat import BaseSensorOperator
from airflow_emrs_ext.sensors.serverless import EmrServerlessApplicationSensor

pytestmark = pytest.mark.airflow

MODULES = [
    import_module(f"airflow_emrs_ext.{folder}.{found.name}")
    for folder in ("operators", "sensors")
    for found in pkgutil.iter_modules([f"{airflow_emrs_ext.__path__[0]}/{folder}"])
]
OPERATORS = [
    one
    for module in MODULES
    for name, one in vars(module).items()
    if name.startswith(("EmrServerless", "EmrContainers"))
    and isinstance(one, type)
    and one.__module__ == module.__name__
]
INTERPRETERS = [PythonOperator, ExternalPythonOperator, PythonVirtualenvOperator]
JOB: dict[str, Any] = {"application_id": "00f", "execution_role_arn": "role", "job_driver": {}}
# Of what is not taken as it is.
GIVEN: dict[str, Any] = {
    "wait_for": "running",
    "show_driver_logs": "live",
    "submit_from": "triggerer",
    "waiter_delay": 1.5,
    "deferrable": True,
    "target_states": ["RUNNING"],
}


def parameters_of(operator: type) -> dict[str, inspect.Parameter]:
    return {
        name: each
        for name, each in inspect.signature(operator.__init__).parameters.items()
        if name not in ("self", "kwargs")
    }


def test_there_are_operators() -> None:
    assert len(OPERATORS) > 25


def test_two_modules_have_all_operators_of_their_services() -> None:
    there = {one for module in (emr_serverless, emr_containers) for one in map(vars(module).get, module.__all__)}
    assert {one for one in OPERATORS if one.__module__.startswith("airflow_emrs_ext.operators.")} <= there


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_docstring_has_each_parameter_of_the_signature(operator: type) -> None:
    assert sorted(re.findall(r":param (\w+):", operator.__doc__ or "")) == sorted(parameters_of(operator))


@pytest.mark.parametrize("operator", OPERATORS)
def test_each_template_field_is_a_parameter(operator: Any) -> None:
    assert set(operator.template_fields) <= parameters_of(operator).keys() | {"target_states"}
    assert len(set(operator.template_fields)) == len(operator.template_fields)


@pytest.mark.parametrize("operator", OPERATORS)
def test_each_parameter_of_a_base_is_in_the_signature(operator: type) -> None:
    bases = [one for one in operator.__mro__ if one.__module__.startswith("airflow_emrs_ext.")]
    of_bases = {name for one in bases if "__init__" in vars(one) for name in parameters_of(one)}
    fixed = {"deferrable", "wait_for_completion", "terminate_on_kill", "terminate_on_timeout"}
    assert of_bases - parameters_of(operator).keys() <= (fixed if operator is EmrServerlessSparkSqlOperator else set())


@pytest.mark.parametrize(("base", "args"), [(BaseOperator, OperatorArgs), (BaseSensorOperator, SensorArgs)])
def test_type_checkers_know_the_parameters_of_this_airflow(base: type, args: Any) -> None:
    known = set(args.__annotations__) | set(OperatorArgs.__annotations__) | set(args.__required_keys__)
    assert parameters_of(base).keys() <= known | {"template_fields"}


@pytest.mark.parametrize(
    ("args", "bases"),
    [
        (SessionArgs, [EmrServerlessStartSessionOperator]),
        (ManagedEndpointArgs, [EmrContainersCreateManagedEndpointOperator]),
        (SessionTaskArgs, [InSessionOperator, EmrServerlessStartSessionOperator, *INTERPRETERS]),
    ],
)
def test_type_checkers_know_what_functions_hand_on(args: Any, bases: list[type]) -> None:
    given = {name for base in bases for name in parameters_of(base)} - {"python_callable", "op_args", "op_kwargs"}
    own = {"application_id", "virtual_cluster_id", "execution_role_arn", "release_label"}
    assert given - set(args.__annotations__) <= (set() if args is SessionTaskArgs else own)


@pytest.mark.parametrize(
    ("operator", "given", "said"),
    [
        (EmrServerlessStartJobRunOperator, {**JOB, "wait_for": "complition"}, "completion, running, submission"),
        (EmrServerlessStartJobRunOperator, {**JOB, "show_driver_logs": 3}, "on_failure, always, live, never"),
        (EmrServerlessStartJobRunOperator, {**JOB, "submit_from": "{{ x }}"}, "worker, triggerer"),
        (EmrServerlessStartJobRunOperator, {**JOB, "region": "eu-west-1"}, "region_name"),
        (EmrServerlessStartJobRunOperator, {**JOB, "enable_application_ui_links": True}, "always there"),
        (EmrServerlessApplicationSensor, {"application_id": "00f", "max_polling_attempts": 3}, "waiter_max_attempts"),
        (EmrContainersStartJobRunOperator, {"virtual_cluster_id": "v", "poll_interval": 3}, "waiter_delay"),
        (EmrServerlessSparkSqlOperator, {"sql": "SELECT 1", "deferrable": True}, "always False"),
        (EmrServerlessSparkSqlOperator, {"sql": "SELECT 1", "terminate_on_kill": False}, "always True"),
    ],
)
def test_a_wrong_parameter_is_refused_when_the_dag_file_is_parsed(operator: Any, given: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        operator(task_id="task", **given)


@pytest.mark.parametrize("given", [{"show_driver_logs": "{{ params.logs }}"}, {"show_driver_logs": "live"}])
def test_a_template_is_checked_when_it_is_rendered(given: Any) -> None:
    operator = EmrServerlessStartJobRunOperator(task_id="task", **JOB, **given)
    assert operator.show_driver_logs == given["show_driver_logs"]


RENAMED = {"end_from_trigger": "ends_in_trigger", "retry_policy": "job_retry_policy", "waiter_delay": "poke_interval"}


@pytest.mark.parametrize("operator", OPERATORS)
def test_each_parameter_arrives(operator: Any) -> None:
    """A constructor that forgets to hand one on would leave the default of its base."""
    given = {name: GIVEN.get(name, f"a value of {name}") for name in parameters_of(operator)}
    task = operator(task_id="task", **given)
    arrived = {
        name: getattr(task, RENAMED[name] if name in RENAMED and not hasattr(task, name) else name) for name in given
    }
    if "retry_policy" in given:
        arrived["retry_policy"], arrived["job_retry_policy"] = given["retry_policy"], given["job_retry_policy"]
        assert task.job_retry_policy == given["retry_policy"]
    assert arrived == given


def test_default_args_reach_every_parameter() -> None:
    defaults = {"region_name": "eu-west-1", "reattach": False, "wait_for": "submission", "retries": 3, "unknown": 1}
    operator = EmrServerlessStartJobRunOperator(task_id="task", default_args=defaults, **JOB)
    assert (operator.region_name, operator.reattach, operator.wait_for, operator.retries) == (
        "eu-west-1",
        False,
        "submission",
        3,
    )
