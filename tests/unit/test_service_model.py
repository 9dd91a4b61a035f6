from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from aiobotocore.session import get_session as get_async_session
from botocore.loaders import Loader
from botocore.model import Shape

from airflow_emrs_ext.service_model import extend

_DATA = Path(__file__).parents[2] / "airflow_emrs_ext" / "botocore_data" / "emr-serverless" / "2021-07-13"
_OPERATIONS = {
    "StartSession",
    "GetSession",
    "ListSessions",
    "TerminateSession",
    "GetSessionEndpoint",
    "GetResourceDashboard",
}


def installed() -> dict[str, Any]:
    model: dict[str, Any] = Loader().load_service_model("emr-serverless", "service-2")
    return model


def extras(name: str) -> dict[str, Any]:
    merge: dict[str, Any] = json.loads((_DATA / f"service-2.{name}-extras.json").read_text())["merge"]
    return merge


def client_of(session: Any) -> Any:
    return session.client("emr-serverless", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")


def test_every_client_of_an_extended_session_knows_sessions() -> None:
    model = extend(botocore.session.get_session()).get_service_model("emr-serverless")
    assert set(model.operation_names) >= _OPERATIONS
    client = client_of(extend(boto3.session.Session()))
    assert client.can_paginate("list_sessions")
    assert "executionIamPolicy" in client.meta.service_model.operation_model("StartJobRun").input_shape.members
    application = client.meta.service_model.operation_model("CreateApplication").input_shape
    assert "sessionEnabled" in application.members["interactiveConfiguration"].members
    tagged = client.meta.service_model.operation_model("TagResource").input_shape.members["resourceArn"]
    assert "sessions" in tagged.metadata["pattern"]


def test_every_client_of_an_extended_session_knows_where_a_managed_endpoint_is() -> None:
    model = extend(botocore.session.get_session()).get_service_model("emr-containers")
    endpoint = model.operation_model("DescribeManagedEndpoint").output_shape.members["endpoint"]
    assert endpoint.members["authProxyUrl"].type_name == "string"


async def test_an_asynchronous_client_knows_them_too() -> None:
    session = extend(get_async_session())
    async with session.create_client(
        "emr-serverless", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    ) as client:
        assert hasattr(client, "get_session_endpoint")


def test_other_sessions_and_services_are_left_alone() -> None:
    before = installed()
    session = extend(extend(boto3.session.Session()))
    client_of(session)
    assert set(client_of(boto3.session.Session()).meta.service_model.operation_names) == set(before["operations"])
    plain, extended = boto3.session.Session(), session
    assert extended.get_available_services() == plain.get_available_services()
    for service in ("s3", "emr-containers"):
        names = [
            one.client(
                service, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
            ).meta.service_model.operation_names
            for one in (plain, extended)
        ]
        assert names[0] == names[1]


def test_a_botocore_that_knows_a_feature_keeps_its_own_description() -> None:
    before = installed()
    known = {"sessions": "StartSession" in before["operations"]}
    known["execution-iam-policy"] = "JobRunExecutionIamPolicy" in before["shapes"]
    session = extend(botocore.session.get_session())
    loader = session.get_component("data_loader")
    assert {name: name not in loader.extras_types for name in known} == known
    if all(known.values()):
        assert json.dumps(loader.load_service_model("emr-serverless", "service-2")) == json.dumps(before)


@pytest.mark.parametrize("name", ["sessions", "execution-iam-policy"])
def test_the_extras_say_what_a_newer_botocore_says(name: str) -> None:
    newer, ours = installed(), extras(name)
    missing = [shape for shape in ours["shapes"] if shape not in newer["shapes"]]
    if missing:
        pytest.skip("the installed botocore does not know the feature: nothing to compare with")
    for operation, description in ours.get("operations", {}).items():
        theirs = newer["operations"][operation]
        for part in ("http", "input", "output", "errors"):
            assert description[part] == theirs[part], (operation, part)
    for shape, description in ours["shapes"].items():
        theirs = newer["shapes"][shape]
        for part in ("type", "required", "enum", "min", "max", "sensitive", "member"):
            if part in description:
                assert description[part] == theirs[part], (shape, part)
        for member, reference in description.get("members", {}).items():
            known = {key: value for key, value in theirs["members"][member].items() if key != "documentation"}
            assert reference == known, (shape, member)


def test_no_extra_names_a_shape_that_nobody_defines() -> None:
    model = extend(botocore.session.get_session()).get_service_model("emr-serverless")

    def walk(shape: Shape | None, seen: set[str]) -> None:
        if shape is None or shape.name in seen:
            return
        seen.add(shape.name)
        for inner in (
            *getattr(shape, "members", {}).values(),
            *(getattr(shape, name, None) for name in ("member", "key", "value")),
        ):
            walk(inner, seen)

    seen: set[str] = set()
    for name in _OPERATIONS | {"StartJobRun", "GetJobRun"}:
        operation = model.operation_model(name)
        walk(operation.input_shape, seen)
        walk(operation.output_shape, seen)
        for error in operation.error_shapes:
            walk(error, seen)
    assert {"SessionSummary", "JobRunExecutionIamPolicy"} <= seen
