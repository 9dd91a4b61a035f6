"""Operators, sensors and hooks with the Amazon provider's names: what its DAGs give them, and what comes of it."""

from __future__ import annotations

import inspect
import time
from importlib import import_module
from typing import Any

import pytest

from airflow_emrs_ext.exceptions import ConfigurationError
from airflow_emrs_ext.hooks.emr import EmrContainerHook, EmrServerlessHook
from airflow_emrs_ext.operators import emr as operators
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.sensors import emr as sensors

pytestmark = pytest.mark.airflow

JOB = {"application_id": "00f", "execution_role_arn": "r", "job_driver": {"sparkSubmit": {"entryPoint": "s3://b/j.py"}}}
EKS_JOB = {
    "name": "n",
    "virtual_cluster_id": "00f",
    "execution_role_arn": "r",
    "release_label": "emr-7.9.0-latest",
    "job_driver": {"sparkSubmitJobDriver": {"entryPoint": "s3://b/j.py"}},
}
# Of its base classes, or of its own way to do something.
OTHER_WAYS = {"self", "args", "kwargs", "region"}


@pytest.mark.parametrize(
    ("kind", "name"),
    [("operators", name) for name in operators.__all__] + [("sensors", name) for name in sensors.__all__],
)
def test_every_parameter_is_taken(kind: str, name: str) -> None:
    theirs = getattr(import_module(f"airflow.providers.amazon.aws.{kind}.emr"), name, None)
    if theirs is None:
        pytest.skip("this version of the Amazon provider has no such class")
    wanted = set(inspect.signature(theirs.__init__).parameters) - OTHER_WAYS
    ours = getattr(import_module(f"airflow_emrs_ext.{kind}.emr"), name)
    assert wanted - set(inspect.signature(ours.__init__).parameters) <= {"wait_for_delete_completion"}


def seconds_left(operator: Any) -> float:
    deadline, _ = min(operator._deadlines({}, 30.0), default=(float("inf"), ""))
    return round(deadline - time.time()) if deadline < float("inf") else deadline


def test_attempts_are_counted_as_there() -> None:
    """By pauses of 60 seconds, and of 30 on EKS."""
    assert seconds_left(operators.EmrServerlessStartJobOperator(task_id="a", **JOB)) == float("inf")
    assert seconds_left(operators.EmrServerlessStartJobOperator(task_id="a", waiter_max_attempts=60, **JOB)) == 3600
    assert seconds_left(operators.EmrContainerOperator(task_id="a", max_polling_attempts=10, **EKS_JOB)) == 300
    assert seconds_left(operators.EmrContainerOperator(task_id="a", max_polling_attempts=0, **EKS_JOB)) == float("inf")


def test_nothing_is_zero() -> None:
    assert (
        operators.EmrContainerOperator(task_id="a", job_retry_max_attempts=0, **EKS_JOB).job_retry_max_attempts is None
    )


def test_a_sensor_ends_by_its_retries_in_the_triggerer_only() -> None:
    ids = {"virtual_cluster_id": "00f", "job_id": "00g"}
    poking = sensors.EmrContainerSensor(task_id="a", max_retries=2, poke_interval=99, **ids)
    assert (poking.timeout, poking.poke_interval, poking.job_id) == (7 * 24 * 3600, 99, "00g")
    deferred = sensors.EmrContainerSensor(task_id="a", max_retries=2, deferrable=True, **ids)
    assert (deferred.timeout, deferred.poke_interval) == (80, 10)
    assert sensors.EmrContainerSensor(task_id="a", max_retries=0, deferrable=True, **ids).timeout > 80


def test_classes_of_ones_own_set_the_id() -> None:
    class Own(operators.EmrServerlessStartJobOperator):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.job_id = None

    assert Own(task_id="a", **JOB).job_id is None
    assert EmrServerlessStartJobRunOperator(task_id="a", **JOB).job_id is None


def test_what_only_the_configuration_says() -> None:
    operators.EmrServerlessStartJobOperator(task_id="a", openlineage_inject_parent_job_info=False, **JOB)
    with pytest.raises(ConfigurationError, match="spark_inject_parent_job_info says it"):
        operators.EmrServerlessStartJobOperator(task_id="a", openlineage_inject_parent_job_info=True, **JOB)


def test_the_sets_of_states() -> None:
    assert {"SUCCESS"} == EmrServerlessHook.JOB_SUCCESS_STATES
    assert {"SUCCESS", "FAILED", "CANCELLED"} == EmrServerlessHook.JOB_TERMINAL_STATES
    assert {"STOPPED", "TERMINATED"} == EmrServerlessHook.APPLICATION_FAILURE_STATES
    assert {"FAILED", "TERMINATING", "TERMINATED"} == EmrServerlessHook.SESSION_FAILURE_STATES
    assert {"STARTED", "IDLE"} <= EmrServerlessHook.SESSION_SUCCESS_STATES
    assert {"COMPLETED", "FAILED", "CANCELLED"} == EmrContainerHook.TERMINAL_STATES
    assert "CANCEL_PENDING" in EmrContainerHook.INTERMEDIATE_STATES
