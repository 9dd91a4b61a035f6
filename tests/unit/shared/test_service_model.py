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

from airflow_emrs_ext.shared.service_model import extend

_DATA = Path(__file__).parents[3] / "airflow_emrs_ext" / "shared" / "botocore_data"
_EXTRAS = {
    "sessions": "emr-serverless/2021-07-13",
    "execution-iam-policy": "emr-serverless/2021-07-13",
    "disk-encryption": "emr-serverless/2021-07-13",
    "identity-center": "emr-serverless/2021-07-13",
    "scheduler": "emr-serverless/2021-07-13",
    "shutdown-grace-period": "emr-serverless/2021-07-13",
    "cost-allocation": "emr-serverless/2021-07-13",
    "flex-execution": "emr-serverless/2021-07-13",
    "spark-connect": "emr-containers/2020-10-01",
    "persistent-app-ui": "emr/2009-03-31",
    "cluster-sessions": "emr/2009-03-31",
}
_OPERATIONS = {
    "StartSession",
    "GetSession",
    "ListSessions",
    "TerminateSession",
    "GetSessionEndpoint",
    "GetResourceDashboard",
}


def installed(service: str = "emr-serverless") -> dict[str, Any]:
    model: dict[str, Any] = Loader().load_service_model(service, "service-2")
    return model


def extras(name: str) -> dict[str, Any]:
    merge: dict[str, Any] = json.loads((_DATA / _EXTRAS[name] / f"service-2.{name}-extras.json").read_text())["merge"]
    return merge


def without_prose(part: Any) -> Any:
    if isinstance(part, list):
        return [without_prose(one) for one in part]
    if isinstance(part, dict):
        return {key: without_prose(value) for key, value in part.items() if key != "documentation"}
    return part


def client_of(session: Any) -> Any:
    return session.client("emr-serverless", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")


def test_every_client_of_an_extended_session_knows_sessions() -> None:
    model = extend(botocore.session.get_session(), "emr-serverless").get_service_model("emr-serverless")
    assert set(model.operation_names) >= _OPERATIONS
    client = client_of(extend(boto3.session.Session(), "emr-serverless"))
    assert client.can_paginate("list_sessions")
    assert "executionIamPolicy" in client.meta.service_model.operation_model("StartJobRun").input_shape.members
    application = client.meta.service_model.operation_model("CreateApplication").input_shape
    assert "sessionEnabled" in application.members["interactiveConfiguration"].members
    for name in ("diskEncryption", "identityCenter", "jobLevelCostAllocation", "scheduler"):
        assert application.members[f"{name}Configuration"].members
    assert client.meta.service_model.operation_model("CancelJobRun").input_shape.members["shutdownGracePeriodInSeconds"]
    assert client.meta.service_model.operation_model("GetJobRun").output_shape.members["jobRun"].members["startedAt"]
    tagged = client.meta.service_model.operation_model("TagResource").input_shape.members["resourceArn"]
    assert "sessions" in tagged.metadata["pattern"]


def test_what_one_session_has_loaded_is_there_for_the_next() -> None:
    underneath = [botocore.session.get_session() for _ in range(2)]
    one, other = (extend(boto3.session.Session(botocore_session=each), "emr-serverless") for each in underneath)
    client_of(one)
    # Somebody's client of a service that the session was not extended for.
    one.client("emr-containers", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    first, second = (each.get_component("data_loader") for each in underneath)
    assert first is second
    assert hasattr(client_of(other), "get_session_endpoint")
    containers = extend(botocore.session.get_session(), "emr-containers").get_service_model("emr-containers")
    assert "authProxyUrl" in containers.shape_for("Endpoint").members


def test_a_loader_that_sessions_of_others_have_filled_is_left_alone(tmp_path: Path) -> None:
    # With a path of its own: no other test has extended such a session in this process.
    shared, untouched = Loader([str(tmp_path)]), Loader([str(tmp_path)])
    shared.load_service_model("emr-serverless", "service-2")
    session = botocore.session.get_session()
    session.register_component("data_loader", shared)
    model = extend(session, "emr-serverless").get_service_model("emr-serverless")
    assert set(model.operation_names) >= _OPERATIONS
    assert (shared.search_paths, shared.extras_types) == (untouched.search_paths, untouched.extras_types)


async def test_an_asynchronous_client_knows_them_too() -> None:
    session = extend(get_async_session(), "emr-serverless")
    async with session.create_client(
        "emr-serverless", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    ) as client:
        assert hasattr(client, "get_session_endpoint")


def test_other_sessions_and_services_are_left_alone() -> None:
    before = installed()
    session = extend(extend(boto3.session.Session(), "emr-serverless"), "emr-serverless")
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
    known["disk-encryption"] = "DiskEncryptionConfiguration" in before["shapes"]
    known["identity-center"] = "IdentityCenterConfiguration" in before["shapes"]
    known["scheduler"] = "SchedulerConfiguration" in before["shapes"]
    known["shutdown-grace-period"] = "ShutdownGracePeriodInSeconds" in before["shapes"]
    known["cost-allocation"] = "JobLevelCostAllocationConfiguration" in before["shapes"]
    known["flex-execution"] = "FlexExecution" in before["shapes"]
    session = extend(botocore.session.get_session(), "emr-serverless")
    loader = session.get_component("data_loader")
    assert {name: name not in loader.extras_types for name in known} == known
    if all(known.values()):
        assert json.dumps(loader.load_service_model("emr-serverless", "service-2")) == json.dumps(before)


@pytest.mark.parametrize("name", _EXTRAS)
def test_the_extras_say_what_a_newer_botocore_says(name: str) -> None:
    newer, ours = installed(_EXTRAS[name].partition("/")[0]), extras(name)
    missing = [shape for shape in ours["shapes"] if shape not in newer["shapes"]]
    if missing:
        pytest.skip("the installed botocore does not know the feature: nothing to compare with")
    for operation, description in ours.get("operations", {}).items():
        theirs = newer["operations"][operation]
        for part in ("http", "input", "output", "errors"):
            assert description[part] == without_prose(theirs[part]), (operation, part)
    for shape, description in ours["shapes"].items():
        theirs = newer["shapes"][shape]
        for part in ("type", "required", "enum", "min", "max", "sensitive", "member"):
            if part in description:
                assert description[part] == theirs[part], (shape, part)
        for member, reference in description.get("members", {}).items():
            assert reference == without_prose(theirs["members"][member]), (shape, member)


def test_no_extra_names_a_shape_that_nobody_defines() -> None:
    model = extend(botocore.session.get_session(), "emr-serverless").get_service_model("emr-serverless")

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


def test_spark_connect_and_persistent_uis_are_known_with_every_botocore() -> None:
    containers = extend(botocore.session.get_session(), "emr-containers").get_service_model("emr-containers")
    assert "authProxyUrl" in containers.shape_for("Endpoint").members
    emr = extend(botocore.session.get_session(), "emr").get_service_model("emr")
    for name in ("CreatePersistentAppUI", "DescribePersistentAppUI", "GetPersistentAppUIPresignedURL"):
        operation = emr.operation_model(name)
        assert operation.input_shape.members
        assert operation.output_shape.members
    for name in ("StartSession", "GetSession", "ListSessions", "TerminateSession", "GetSessionEndpoint"):
        operation = emr.operation_model(name)
        assert "ClusterId" in operation.input_shape.members
        assert operation.output_shape.members
    assert "SessionEnabled" in emr.operation_model("RunJobFlow").input_shape.members
