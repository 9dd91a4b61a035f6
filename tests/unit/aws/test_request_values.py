"""Values become what the service's model has, where their meaning is certain."""

from __future__ import annotations

import json
from decimal import Decimal
from enum import Enum
from typing import Any

import numpy as np
import pytest
from jinja2 import Undefined

from airflow_emrs_ext.aws.request_values import converted
from airflow_emrs_ext.exceptions import ConfigurationError

JSON_POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}


class Number(int, Enum):
    """A number with a name."""

    ONE = 1


def job(**members: Any) -> dict[str, Any]:
    return converted("emr-serverless", "start_job_run", members, {})


def application(**members: Any) -> dict[str, Any]:
    return converted("emr-serverless", "create_application", members, {})


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (job(executionTimeoutMinutes="60"), {"executionTimeoutMinutes": 60}),
        (job(executionTimeoutMinutes=" 60.0 "), {"executionTimeoutMinutes": 60}),
        (job(executionTimeoutMinutes=60.0), {"executionTimeoutMinutes": 60}),
        (job(executionTimeoutMinutes=Decimal(60)), {"executionTimeoutMinutes": 60}),
        (job(name=2026), {"name": "2026"}),
        (job(name=None), {}),
        (job(name=Number.ONE), {"name": "1"}),
        (job(executionTimeoutMinutes=np.int64(5), name=np.float64(0.5)), {"executionTimeoutMinutes": 5, "name": "0.5"}),
        (job(tags={"a": np.bool_(True)}), {"tags": {"a": "true"}}),
        (
            job(jobDriver={"hive": {"query": "q", "parameters": {"--hivevar": {}}}}),
            {"jobDriver": {"hive": {"query": "q"}}},
        ),
        (
            job(jobDriver={"sparkSubmit": {"entryPoint": "j", "sparkSubmitParameters": "{'--conf': {'a': 'b'}}"}}),
            {"jobDriver": {"sparkSubmit": {"entryPoint": "j", "sparkSubmitParameters": "--conf a=b"}}},
        ),
        (job(executionIamPolicy={"policy": '{"a":  1}'}), {"executionIamPolicy": {"policy": '{"a":  1}'}}),
        (job(executionIamPolicy={"policy": "{'a': 1}"}), {"executionIamPolicy": {"policy": '{"a": 1}'}}),
        (
            converted(
                "emr-containers",
                "start_job_run",
                {"configurationOverrides": {"monitoringConfiguration": {"persistentAppUI": "False"}}},
                {},
            ),
            {"configurationOverrides": {"monitoringConfiguration": {"persistentAppUI": "DISABLED"}}},
        ),
        (job(tags={"a": 1, "b": None, "c": True, 4: 0.5}), {"tags": {"a": "1", "c": "true", "4": "0.5"}}),
        (job(tags=[["a", 1]]), {"tags": {"a": "1"}}),
        (job(tags="{'a': 1}"), {"tags": {"a": "1"}}),
        (job(retryPolicy='{"maxAttempts": "3"}'), {"retryPolicy": {"maxAttempts": 3}}),
        (job(executionIamPolicy={"policy": JSON_POLICY}), {"executionIamPolicy": {"policy": json.dumps(JSON_POLICY)}}),
        (
            job(jobDriver={"sparkSubmit": {"entryPoint": "j.py", "entryPointArguments": (1, "a")}}),
            {"jobDriver": {"sparkSubmit": {"entryPoint": "j.py", "entryPointArguments": ["1", "a"]}}},
        ),
        (
            application(autoStopConfiguration={"enabled": "True", "idleTimeoutMinutes": "15"}),
            {"autoStopConfiguration": {"enabled": True, "idleTimeoutMinutes": 15}},
        ),
        (
            application(initialCapacity={"DRIVER": {"workerCount": "1", "workerConfiguration": {"cpu": "2 vCPU"}}}),
            {"initialCapacity": {"DRIVER": {"workerCount": 1, "workerConfiguration": {"cpu": "2 vCPU"}}}},
        ),
        (
            application(networkConfiguration={"subnetIds": '["a", "b"]'}),
            {"networkConfiguration": {"subnetIds": ["a", "b"]}},
        ),
    ],
)
def test_a_meaning_that_is_certain(given: Any, meant: Any) -> None:
    assert given == meant
    assert json.dumps(given) == json.dumps(meant), "of the same types"


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"executionTimeoutMinutes": True}, "`executionTimeoutMinutes` is True, of type bool; it takes a whole number"),
        ({"executionTimeoutMinutes": "0x10"}, "`executionTimeoutMinutes` is '0x10'; it takes a whole number"),
        ({"executionTimeoutMinutes": "1_000"}, "it takes a whole number"),
        ({"executionTimeoutMinutes": float("inf")}, "it takes a whole number"),
        ({"executionTimeoutMinutes": np.bool_(True)}, "it takes a whole number"),
        ({"name": Undefined()}, "`name` is None: .* gave nothing"),
        ({"mode": True}, "`mode` is True, of type bool; it takes one of BATCH, STREAMING"),
        ({"jobDriver": {"sparkSubmit": {"entryPointArguments": b"ab"}}}, "of type bytes; it takes a list"),
        ({"tags": [["a", 1], ["a", 2]]}, "'a' is there twice"),
        ({"executionTimeoutMinutes": 1.5}, "is 1.5, of type float; it takes a whole number"),
        ({"name": ["a"]}, r"`name` is \['a'\], of type list; it takes a text"),
        ({"name": object()}, "of type object; it takes a text"),
        ({"tags": {"a": {"b": "c"}}}, r"`tags\.a` is \{'b': 'c'\}, of type dict; it takes a text. .*`\| tojson`"),
        ({"tags": "team=a"}, "`tags` is 'team=a'; it takes a mapping"),
        ({"retryPolicy": 3}, "`retryPolicy` is 3, of type int; it takes a mapping with `maxAttempts`"),
        ({"retry_policy": {}}, "there is no 'retry_policy'; it is 'retryPolicy'"),
        ({"jobDrivr": {}}, "there is no 'jobDrivr'; it is 'jobDriver'"),
        ({"whatever": 1}, "there is no 'whatever'; there is .*upgrade boto3"),
        ({"mode": "batch"}, "`mode` is 'batch'; the service spells it 'BATCH'"),
        (
            {"jobDriver": {"sparkSubmit": {"entryPointArguments": "a"}}},
            r"it takes a list\. Put a single value in brackets",
        ),
        ({"jobDriver": {"sparkSubmit": {"entryPointArguments": [None]}}}, r"entryPointArguments\[0\]` is None"),
        ({"executionIamPolicy": {"policy": {"a": object()}}}, "`executionIamPolicy.policy` cannot be written as JSON"),
    ],
)
def test_any_other_is_refused(members: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        job(**members)


def test_the_place_is_the_parameter() -> None:
    with pytest.raises(ConfigurationError, match=r"`job_type` is \[\]"):
        converted("emr-serverless", "create_application", {"type": []}, {"type": "job_type"})
