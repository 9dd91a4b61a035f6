"""The parameters of every operator and sensor: in its signature, in its docstring; wrong ones are refused."""

from __future__ import annotations

import inspect
import pkgutil
import re
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest

import airflow_emrs_ext
from airflow_emrs_ext._compat import BaseOperator
from airflow_emrs_ext.decorators._compat import ExternalPythonOperator, PythonOperator, PythonVirtualenvOperator
from airflow_emrs_ext.exceptions import ConfigurationError
from airflow_emrs_ext.job_spec import configuration_overrides, spark_submit
from airflow_emrs_ext.operators import emr_containers, emr_on_ec2, emr_serverless
from airflow_emrs_ext.operators._base.airflow_args import (
    ClusterSessionArgs,
    ManagedEndpointArgs,
    OperatorArgs,
    SensorArgs,
    SessionArgs,
    SessionTaskArgs,
)
from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.containers_job_run import EmrContainersStartJobRunOperator
from airflow_emrs_ext.operators.ec2_session import EmrOnEc2StartSessionOperator
from airflow_emrs_ext.operators.ec2_step import EmrOnEc2AddStepOperator
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
PUBLIC = [
    one
    for module in MODULES
    for name, one in vars(module).items()
    if name.startswith("Emr") and isinstance(one, type) and one.__module__ == module.__name__
]
# Those with the Amazon provider's names have its parameters only.
OPERATORS = [
    one
    for one in PUBLIC
    if one.__name__.startswith(("EmrServerless", "EmrContainers", "EmrOnEc2")) and not one.__module__.endswith(".emr")
]
INTERPRETERS = [PythonOperator, ExternalPythonOperator, PythonVirtualenvOperator]
JOB: dict[str, Any] = {"application_id": "00f", "execution_role_arn": "role", "job_driver": {}}
# Of what is one of a few.
GIVEN: dict[str, Any] = {
    "wait_for": "running",
    "show_driver_logs": "live",
    "submit_from": "triggerer",
    "target_states": ["RUNNING"],
    "mode": "STREAMING",
    "action_on_failure": "CANCEL_AND_WAIT",
    "step_cancellation_option": "TERMINATE_PROCESS",
    "architecture": "ARM64",
    "on_drift": "keep",
    "retry_policy": {"maxAttempts": 3},
}
# Of what is of a type, by how the signature says it; a template of anything else.
GIVEN_BY_TYPE: dict[str, Any] = {
    "bool": True,
    "bool | None": True,
    "dict[str, Any] | None": {"retries": {}},
    "float | None": 1.5,
    "int": 3,
    "int | None": 3,
    "timedelta | float | None": 1.5,
    "Mapping[str, Any] | None": {"a": "b"},
    "Mapping[str, str] | None": {"a": "b"},
    "Sequence[Structure] | None": [{"a": "b"}],
    "Structure": {"a": "b"},
    "Structure | None": {"a": "b"},
    "Structure | Sequence[Structure] | None": [{"a": "b"}],
}


def parameters_of(operator: type) -> dict[str, inspect.Parameter]:
    return {
        name: each
        for name, each in inspect.signature(operator.__init__).parameters.items()
        if name not in ("self", "kwargs")
    }


def test_there_are_operators() -> None:
    assert len(OPERATORS) > 25


def test_three_modules_have_all_operators_of_their_services() -> None:
    there = {
        one for module in (emr_serverless, emr_containers, emr_on_ec2) for one in map(vars(module).get, module.__all__)
    }
    assert {one for one in OPERATORS if one.__module__.startswith("airflow_emrs_ext.operators.")} <= there


@pytest.mark.parametrize("operator", [one for one in PUBLIC if not one.__module__.endswith(".base")])
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
        (ClusterSessionArgs, [EmrOnEc2StartSessionOperator]),
        (SessionTaskArgs, [InSessionOperator, EmrServerlessStartSessionOperator, *INTERPRETERS]),
    ],
)
def test_type_checkers_know_what_functions_hand_on(args: Any, bases: list[type]) -> None:
    given = {name for base in bases for name in parameters_of(base)} - {"python_callable", "op_args", "op_kwargs"}
    own = {"application_id", "virtual_cluster_id", "cluster_id", "execution_role_arn", "release_label"}
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
        (EmrServerlessStartJobRunOperator, {**JOB, "waiter_delay": -5}, "`waiter_delay` is -5, of type int; it takes"),
        (EmrServerlessStartJobRunOperator, {**JOB, "wait_timeout": timedelta(minutes=-1)}, "0 or more"),
        (EmrServerlessStartJobRunOperator, {**JOB, "wait_timeout": float("inf")}, "0 or more"),
        (EmrServerlessStartJobRunOperator, {**JOB, "deferrable": "False"}, "`deferrable` is 'False'; it takes True"),
        (EmrServerlessStartJobRunOperator, {**JOB, "deferrable": "{{ x }}"}, "`deferrable` is '{{ x }}'"),
        (EmrServerlessStartJobRunOperator, {**JOB, "reattach": "no"}, "`reattach` is 'no'; it takes True or False"),
        (EmrServerlessStartJobRunOperator, {**JOB, "execution_timeout_minutes": 1.5}, "a whole number, 0 or more"),
        (
            EmrServerlessStartJobRunOperator,
            {**JOB, "mode": "streaming"},
            "`mode` is 'streaming'; it takes one of BATCH",
        ),
        (EmrServerlessStartJobRunOperator, {**JOB, "retry_policy": 3}, "`retry_policy` is 3, of type int; it takes"),
        (EmrServerlessStartJobRunOperator, {**JOB, "retry_policy": {"max_attempts": 3}}, "spelled like 'maxAttempts'"),
        (EmrServerlessStartJobRunOperator, {**JOB, "tags": ["a"]}, "`tags` is ['a'], of type list; it takes a mapping"),
        (EmrServerlessStartJobRunOperator, {**JOB, "job_driver": "s3://b/j.py"}, "`job_driver` is 's3://b/j.py'; it"),
        (EmrServerlessStartJobRunOperator, {**JOB, "execution_role_arn": ["arn"]}, "`execution_role_arn` is ['arn']"),
        (
            EmrServerlessStartJobRunOperator,
            {**JOB, "job_driver": {"sparkSubmit": {"entry_point": "s3://b/j.py"}}},
            "`job_driver.sparkSubmit.entry_point`: the API's members are spelled like 'entryPoint'",
        ),
        (
            EmrServerlessCreateApplicationOperator,
            {"release_label": "emr-7.9.0", "maximum_capacity": "16 vCPU"},
            "`maximum_capacity` is '16 vCPU'; it takes a structure",
        ),
        (
            EmrServerlessCreateApplicationOperator,
            {"release_label": "emr-7.9.0", "runtime_configuration": {"classification": "spark-defaults"}},
            "Put a single one in brackets",
        ),
        (
            EmrServerlessCreateApplicationOperator,
            {"release_label": "emr-7.9.0", "architecture": "arm64"},
            "`architecture` is 'arm64'; it takes one of X86_64, ARM64",
        ),
        (EmrServerlessCreateApplicationOperator, {}, "`release_label` is missing"),
        (
            EmrOnEc2AddStepOperator,
            {"cluster_id": "j-1", "action_on_failure": "TERMINATE"},
            "`action_on_failure` is 'TERMINATE'; it takes one of CONTINUE, CANCEL_AND_WAIT, TERMINATE_CLUSTER",
        ),
        (
            EmrOnEc2AddStepOperator,
            {"cluster_id": "j-1", "hadoop_jar_step": {"main_class": "a.B"}},
            "`hadoop_jar_step.main_class`: the API's members are spelled like 'mainClass'",
        ),
        (EmrServerlessCreateApplicationOperator, {"config": {"name": "a"}}, "`release_label` is missing"),
    ],
)
def test_a_wrong_parameter_is_refused_when_the_dag_file_is_parsed(operator: Any, given: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        operator(task_id="task", **given)


def test_names_of_the_authors_are_no_members() -> None:
    driver = spark_submit("s3://b/j.py", conf={"spark.my_own": "1", "{{ x }}_y": "2"})
    overrides = configuration_overrides(spark_defaults={"spark.my_own": "1"})
    operator = EmrServerlessStartJobRunOperator(
        task_id="task",
        **{**JOB, "job_driver": driver},
        configuration_overrides=overrides,
        tags={"cost_center": "7"},
        config={"tags": {"cost_center": "7"}, "jobTags": {"cost_center": "7"}},
    )
    assert operator.job_driver == driver


@pytest.mark.parametrize("given", [{"show_driver_logs": "{{ params.logs }}"}, {"show_driver_logs": "live"}])
def test_a_template_is_checked_when_it_is_rendered(given: Any) -> None:
    operator = EmrServerlessStartJobRunOperator(task_id="task", **JOB, **given)
    assert operator.show_driver_logs == given["show_driver_logs"]


RENAMED = {"end_from_trigger": "ends_in_trigger", "retry_policy": "job_retry_policy", "waiter_delay": "poke_interval"}


@pytest.mark.parametrize("operator", OPERATORS)
def test_each_parameter_arrives(operator: Any) -> None:
    """A constructor that forgets to hand one on would leave the default of its base."""
    given = {
        name: GIVEN.get(name) or GIVEN_BY_TYPE.get(str(each.annotation), f"a value of {name}")
        for name, each in parameters_of(operator).items()
    }
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
