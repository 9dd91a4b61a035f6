"""The connection of operators and sensors, beside that of the Amazon provider's."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator

from airflow_emrs_ext.hooks.serverless import EmrServerlessHook
from airflow_emrs_ext.operators._base.connection import aws_template_fields
from airflow_emrs_ext.operators._base.operator import EmrServerlessOperator
from airflow_emrs_ext.sensors.serverless import EmrServerlessApplicationSensor

pytestmark = pytest.mark.airflow

GIVEN = {"aws_conn_id": "conn", "region_name": "eu-west-1", "verify": "/ca.pem", "botocore_config": {"read_timeout": 7}}


class Theirs(AwsBaseOperator[EmrServerlessHook]):
    aws_hook_class = EmrServerlessHook


@pytest.mark.parametrize("given", [{}, GIVEN])
@pytest.mark.parametrize(
    "make", [EmrServerlessOperator, lambda **kwargs: EmrServerlessApplicationSensor(application_id="a", **kwargs)]
)
def test_the_connection_is_what_it_is_in_the_amazon_provider(
    make: Any, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CONN", "aws://")
    ours, theirs = make(task_id="ours", **given), Theirs(task_id="theirs", **given)
    assert {name: getattr(ours, name) for name in GIVEN} == {name: getattr(theirs, name) for name in GIVEN}
    assert set(theirs.template_fields) <= set(ours.template_fields)
    assert type(ours.hook) is EmrServerlessHook
    assert ours.hook is ours.hook
    assert seen(ours.hook) == seen(theirs.hook)
    assert {"aws_conn_id": ours.hook.aws_conn_id, "region_name": ours.hook.region_name}.items() <= {
        "aws_conn_id": "aws_default",
        "region_name": None,
        **given,
    }.items()


def seen(hook: EmrServerlessHook) -> tuple[Any, ...]:
    """What a hook makes its clients of."""
    return hook.aws_conn_id, hook.region_name, hook.verify, hook.config.read_timeout


def test_a_class_of_the_users_own_may_name_another_hook() -> None:
    class OtherHook(EmrServerlessHook):
        pass

    class Operator(EmrServerlessOperator):
        aws_hook_class = OtherHook

    assert type(Operator(task_id="t").hook) is OtherHook


def test_template_fields_are_in_the_order_of_the_alphabet() -> None:
    assert aws_template_fields("tags", "name") == ("aws_conn_id", "name", "region_name", "tags", "verify")
