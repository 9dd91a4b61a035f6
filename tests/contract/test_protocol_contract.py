"""The endpoint offers what the API model describes, and refuses everything else in the service's form."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import botocore.exceptions
import botocore.session
import pytest
from botocore import xform_name
from botocore.model import Shape

from airflow_emrs_ext.local.protocol.rest_json import Request, RestJson
from airflow_emrs_ext.local.protocol.validation import compile_pattern
from airflow_emrs_ext.local.services.emr_containers.service import EmrContainers
from airflow_emrs_ext.local.services.emr_serverless.service import EmrServerless
from airflow_emrs_ext.local.testing import LocalEmr
from airflow_emrs_ext.shared.service_model import extend
from tests.contract.wire import send, signed

SERVERLESS, CONTAINERS = "emr-serverless", "emr-containers"
SERVICES: dict[str, type[EmrServerless | EmrContainers]] = {SERVERLESS: EmrServerless, CONTAINERS: EmrContainers}
SESSION = extend(botocore.session.get_session(), "emr-serverless")
MODELS = {service: SESSION.get_service_model(service) for service in SERVICES}
MODEL = MODELS[SERVERLESS]
OPERATIONS = [(service, name) for service, model in MODELS.items() for name in sorted(model.operation_names)]
# What a security configuration protects is not there.
NOT_OFFERED = {name for name in MODELS[CONTAINERS].operation_names if "SecurityConfiguration" in name}
ROLE = "arn:aws:iam::123456789012:role/jobs"
DRIVER = {"sparkSubmit": {"entryPoint": "s3://bucket/job.py"}}
EKS_DRIVER = {"sparkSubmitJobDriver": {"entryPoint": "s3://bucket/job.py"}}
LABELS = {
    "applicationId": "00abc",
    "jobRunId": "00def",
    "sessionId": "00fed",
    "virtualClusterId": "00abc",
    "templateId": "00def",
    "endpointId": "00fed",
    "securityConfigurationId": "00def",
}
ARNS = {
    SERVERLESS: "arn:aws:emr-serverless:us-east-1:123456789012:/applications/00abc00abc00abc",
    CONTAINERS: "arn:aws:emr-containers:us-east-1:123456789012:/virtualclusters/00abc00abc00abc",
}


def path_of(operation: str, service: str = SERVERLESS) -> str:
    """The path of an operation with labels that satisfy the model."""
    template: str = MODELS[service].operation_model(operation).http["requestUri"]
    labels = {**LABELS, "resourceArn": quote(ARNS[service], safe="")}
    return re.sub(r"{(\w+)\+?}", lambda label: labels[label[1]], template)


def shapes(service: str, kind: str) -> Iterator[Shape]:
    """Every shape of a model of one type."""
    for name in MODELS[service].shape_names:
        shape = MODELS[service].shape_for(name)
        if shape.type_name == kind:
            yield shape


@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
def test_every_operation_is_offered(service: str, operation: str, emr: LocalEmr) -> None:
    method = MODELS[service].operation_model(operation).http["method"]
    answer = send(emr.url, method, path_of(operation, service), {}, authorization=signed(service))
    assert [(call["service"], call["operation"]) for call in emr.calls()] == [(service, operation)]
    if operation not in NOT_OFFERED:
        assert callable(getattr(SERVICES[service], xform_name(operation), None))
        assert answer.status in (200, 400, 404), answer
        assert answer.code in (None, "ValidationException", "ResourceNotFoundException")
    elif answer.code != "ValidationException":
        assert (answer.status, answer.code) == (501, "UnknownOperationException")


@pytest.mark.parametrize("service", SERVICES)
def test_the_model_needs_nothing_that_the_protocol_does_not_speak(service: str) -> None:
    model = MODELS[service]
    assert not list(shapes(service, "blob"))
    for name in model.operation_names:
        operation = model.operation_model(name)
        for shape in (operation.input_shape, operation.output_shape):
            assert shape is None or "payload" not in shape.serialization
        for member in operation.input_shape.members.values() if operation.input_shape else ():
            assert member.serialization.get("location") in (None, "uri", "querystring", "header")
        for member in operation.output_shape.members.values() if operation.output_shape else ():
            assert member.serialization.get("location") is None


@pytest.mark.parametrize("service", SERVICES)
def test_every_pattern_is_checked_and_none_takes_long(service: str) -> None:
    """A value that nearly matches must not keep the endpoint busy, however the pattern is written."""
    model = MODELS[service]
    hostile = (
        "a", " ", "\n", "0", "-", "/", "a-", "a/", "s3://bucket.", ".aaaa", "arn:aws:",
        "https://aps-workspaces.us-east-1.amazonaws", "123456789012.dkr.ecr.a",
    )  # fmt: skip
    for name in model.shape_names:
        metadata = model.shape_for(name).metadata
        if "pattern" not in metadata:
            continue
        pattern = compile_pattern(metadata["pattern"])
        assert pattern is not None, f"{name}: {metadata['pattern']} is not checked"
        limit = metadata.get("max", 10_000)
        for seed in hostile:
            began = time.perf_counter()
            pattern.fullmatch((seed + "aaa" * limit)[: limit - 1] + "\x00")
            pattern.fullmatch((seed * limit)[: limit - 1] + "\x00")
            took = time.perf_counter() - began
            assert took < 1, f"{name} takes {took:.1f} s on {seed!r}"


@pytest.mark.parametrize(
    ("service", "operation", "shape"),
    [
        pytest.param(service, operation, shape, id=f"{service}-{shape.name}")
        for service, operation in ((SERVERLESS, "ListApplications"), (CONTAINERS, "ListVirtualClusters"))
        for shape in MODELS[service].error_shapes
    ],
)
def test_every_error_of_the_model_reaches_clients_with_its_status(
    service: str, operation: str, shape: Any, emr: LocalEmr
) -> None:
    client = emr.client(service)
    emr.inject(operation, "error", code=shape.name, times=None)
    with pytest.raises(client.exceptions.from_code(shape.name)) as caught:
        getattr(client, xform_name(operation))()
    assert caught.value.response["Error"]["Code"] == shape.name
    status = caught.value.response["ResponseMetadata"]["HTTPStatusCode"]
    assert status == shape.metadata["error"]["httpStatusCode"]


def test_requests_reach_the_modelled_errors_without_help(emr: LocalEmr) -> None:
    client = emr.client("emr-serverless")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_application(applicationId="00nothere")
    with pytest.raises(client.exceptions.ValidationException):
        client.list_applications(nextToken="abc")
    client.create_application(releaseLabel="emr-7.5.0", type="SPARK", clientToken="one")
    with pytest.raises(client.exceptions.ConflictException):
        client.create_application(releaseLabel="emr-7.6.0", type="SPARK", clientToken="one")


def start_job_run(service: str = SERVERLESS, **changes: Any) -> dict[str, Any]:
    """The body of a StartJobRun that satisfies the model, with changes; ``None`` leaves a member out."""
    body = {"clientToken": "t", "executionRoleArn": ROLE, "jobDriver": DRIVER, **changes}
    if service == CONTAINERS:
        body = {"releaseLabel": "emr-7.5.0-latest", **body, "jobDriver": changes.get("jobDriver", EKS_DRIVER)}
    return {name: value for name, value in body.items() if value is not None}


def configurations(depth: int) -> list[dict[str, Any]]:
    """A configuration that holds a configuration, and so on."""
    inner = configurations(depth - 1) if depth else []
    return [{"classification": "spark-defaults", "configurations": inner}]


MALFORMED: dict[str, list[tuple[dict[str, Any], str]]] = {
    SERVERLESS: [
        ({"executionRoleArn": None}, "Value null at 'executionRoleArn' failed to satisfy constraint: Member must not"),
        ({"clientToken": None}, "Value null at 'clientToken'"),
        ({"executionRoleArn": "me"}, "'executionRoleArn' failed to satisfy constraint: Member must have length"),
        ({"executionRoleArn": "x" * 3000}, "Member must have length less than or equal to 2048"),
        ({"executionRoleArn": "arn:aws:iam::12345:role/jobs"}, "satisfy regular expression pattern"),
        ({"executionRoleArn": 5}, "Value at 'executionRoleArn' failed to satisfy constraint: Member must be a string"),
        ({"name": ""}, "Value '' at 'name' failed to satisfy constraint: Member must have length greater than"),
        ({"name": "x" * 300}, "'name' failed to satisfy constraint: Member must have length less than or equal to 256"),
        ({"name": "\ud800"}, "Value at 'name' failed to satisfy constraint: Member must be valid Unicode"),
        ({"mode": "SOMETIMES"}, "Value 'SOMETIMES' at 'mode' failed to satisfy constraint: Member must satisfy enum"),
        ({"executionTimeoutMinutes": -1}, "'executionTimeoutMinutes' failed to satisfy constraint: Member must have"),
        ({"executionTimeoutMinutes": 1.5}, "'executionTimeoutMinutes' failed to satisfy constraint: Member must be"),
        ({"executionTimeoutMinutes": True}, "Member must be an integer"),
        ({"executionTimeoutMinutes": "5"}, "Member must be an integer"),
        ({"executionTimeoutMinutes": 10**30}, "Member must be in the range of type long"),
        ({"retryPolicy": {"maxAttempts": 0}}, "Value '0' at 'retryPolicy.maxAttempts' failed to satisfy constraint"),
        ({"retryPolicy": {"attempts": 2}}, "Value at 'retryPolicy.attempts' failed to satisfy constraint: Member"),
        ({"retryPolicy": []}, "Value at 'retryPolicy' failed to satisfy constraint: Member must be a structure"),
        ({"jobDriver": {}}, "Value at 'jobDriver' failed to satisfy constraint: Member must have exactly one"),
        ({"jobDriver": {**DRIVER, "hive": {"query": "q"}}}, "Member must have exactly one of the members [hive, spark"),
        ({"jobDriver": {"sparkSubmit": {}}}, "Value null at 'jobDriver.sparkSubmit.entryPoint' failed to satisfy"),
        ({"jobDriver": {"sparkSubmit": {"entryPoint": " "}}}, "Value at 'jobDriver.sparkSubmit.entryPoint' failed"),
        (
            {"jobDriver": {"sparkSubmit": {"entryPoint": "s3://b/j.py", "entryPointArguments": ["a", None]}}},
            "Value at 'jobDriver.sparkSubmit.entryPointArguments.2.member' failed to satisfy constraint: Member",
        ),
        ({"tags": {"a" * 200: "b"}}, "at 'tags.key' failed to satisfy constraint: Member must have length less than"),
        ({"tags": {"a": 1}}, "Value at 'tags.a.member' failed to satisfy constraint: Member must be a string"),
        ({"tags": {}, "job": 1}, "Value at 'job' failed to satisfy constraint: Member must be one of the members"),
        (
            {"configurationOverrides": {"applicationConfiguration": configurations(3)[0]["configurations"] * 101}},
            "'configurationOverrides.applicationConfiguration' failed to satisfy constraint: Member must have length",
        ),
    ],
    CONTAINERS: [
        ({"clientToken": None}, "Value null at 'clientToken'"),
        ({"clientToken": "x" * 65}, "'clientToken' failed to satisfy constraint: Member must have length less than"),
        ({"name": "two words"}, "Value 'two words' at 'name' failed to satisfy constraint: Member must satisfy"),
        ({"releaseLabel": ""}, "Value '' at 'releaseLabel' failed to satisfy constraint: Member must have length"),
        ({"retryPolicyConfiguration": {}}, "Value null at 'retryPolicyConfiguration.maxAttempts' failed to satisfy"),
        ({"retryPolicyConfiguration": {"maxAttempts": "2"}}, "Member must be an integer"),
        ({"jobDriver": {"sparkSubmitJobDriver": {}}}, "Value null at 'jobDriver.sparkSubmitJobDriver.entryPoint'"),
        ({"jobDriver": {"sparkSubmit": {}}}, "Value at 'jobDriver.sparkSubmit' failed to satisfy constraint: Member"),
        (
            {"configurationOverrides": {"monitoringConfiguration": {"persistentAppUI": "ON"}}},
            "'configurationOverrides.monitoringConfiguration.persistentAppUI' failed to satisfy constraint",
        ),
        ({"mode": "BATCH"}, "Value at 'mode' failed to satisfy constraint: Member must be one of the members"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("service", "changes", "expected"),
    [(service, changes, expected) for service, cases in MALFORMED.items() for changes, expected in cases],
)
def test_malformed_values_are_refused_and_named(
    service: str, changes: dict[str, Any], expected: str, emr: LocalEmr
) -> None:
    body = start_job_run(service, **changes)
    answer = send(emr.url, "POST", path_of("StartJobRun", service), body, authorization=signed(service))
    assert (answer.status, answer.code) == (400, "ValidationException")
    assert answer.message.startswith("1 validation error detected: Value ")
    assert expected in answer.message
    assert answer.request_id


def test_one_error_lists_everything_that_is_wrong(emr: LocalEmr) -> None:
    body = start_job_run(name="", mode="x", executionRoleArn=None, jobDriver={"hive": {"sql": "select 1"}})
    answer = send(emr.url, "POST", path_of("StartJobRun"), body)
    assert answer.message.startswith("5 validation errors detected: ")
    for path in ("'name'", "'mode'", "'executionRoleArn'", "'jobDriver.hive.sql'", "'jobDriver.hive.query'"):
        assert path in answer.message


def test_sensitive_values_are_not_repeated(emr: LocalEmr) -> None:
    secret = "s3://secret" + "x" * 5000
    answer = send(emr.url, "POST", path_of("StartJobRun"), start_job_run(jobDriver={"hive": {"initQueryFile": secret}}))
    assert answer.status == 400
    assert "secret" not in answer.message


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("maxResults=0", "Value '0' at 'maxResults' failed to satisfy constraint: Member must have value greater"),
        ("maxResults=51", "less than or equal to 50"),
        ("maxResults=ten", "be an integer"),
        ("maxResults=" + "9" * 5000, "be an integer"),
        ("maxResults=1&maxResults=2", "Value at 'maxResults' failed to satisfy constraint: Member must be given once"),
        ("states=RUNNING&states=DONE", "Value 'DONE' at 'states.2.member' failed to satisfy constraint: Member"),
        ("createdAtAfter=yesterday", "Value at 'createdAtAfter' failed to satisfy constraint: Member must be a"),
        ("createdAtAfter=1e300", "be a timestamp"),
        ("mode=batch", "satisfy enum value set: [BATCH, STREAMING]"),
        ("nextToken=", "Value '' at 'nextToken'"),
        ("state=RUNNING", "Value at 'state' failed to satisfy constraint: Member must be one of the parameters"),
    ],
)  # fmt: skip
def test_malformed_query_parameters_are_refused_and_named(query: str, expected: str, emr: LocalEmr) -> None:
    answer = send(emr.url, "GET", f"{path_of('ListJobRuns')}?{query}")
    assert (answer.status, answer.code) == (400, "ValidationException")
    assert expected in answer.message


@pytest.mark.parametrize("form", ["2026-01-01T00:00:00Z", "2026-01-01T01:00:00%2B01:00", "2026-01-01", "1767225600.5"])
def test_timestamps_are_taken_in_every_form_of_the_protocol(form: str, emr: LocalEmr) -> None:
    answer = send(emr.url, "GET", f"{path_of('ListJobRuns')}?createdAtAfter={form}&states=RUNNING&states=FAILED")
    assert answer.code in (None, "ResourceNotFoundException"), answer
    (call,) = emr.calls()
    assert call["parameters"]["createdAtAfter"].startswith("2026-01-01T00:00:00")
    assert call["parameters"]["states"] == ["RUNNING", "FAILED"]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b"\xff\xfe{}",
        b'{"name": "\xff"}',
        b'{"executionTimeoutMinutes": NaN}',
        b'{"executionTimeoutMinutes": -Infinity}',
        b'{"executionTimeoutMinutes": ' + b"9" * 10_000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"\x1f\x8b\x08\x00",
        json.dumps(start_job_run(configurationOverrides={"applicationConfiguration": configurations(200)})).encode(),
    ],
)
def test_bodies_that_cannot_be_read_are_refused(body: bytes, emr: LocalEmr) -> None:
    answer = send(emr.url, "POST", path_of("StartJobRun"), body)
    assert (answer.status, answer.code) == (400, "SerializationException")


def test_a_body_past_the_limit_is_refused(emr: LocalEmr) -> None:
    answer = send(emr.url, "POST", path_of("StartJobRun"), b" " * 5 * 1024 * 1024)
    assert (answer.status, answer.code) == (413, "RequestEntityTooLargeException")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "UnknownOperationException"),
        ("GET", "/", 404, "UnknownOperationException"),
        ("GET", "/applications/", 404, "UnknownOperationException"),
        ("GET", "/applications/00abc/jobruns/00def/attempts/1", 404, "UnknownOperationException"),
        ("PUT", "/applications", 405, "MethodNotAllowedException"),
        ("BREW", "/applications/00abc", 405, "MethodNotAllowedException"),
        ("GET", "/applications/%ff%fe", 400, "SerializationException"),
        ("GET", "/applications?nextToken=%ff", 400, "SerializationException"),
        ("GET", "/applications/NOT%20AN%20ID", 400, "ValidationException"),
        ("GET", "/tags/arn%3Aaws%3As3%3A%3A%3Abucket", 400, "ValidationException"),
    ],
)
def test_requests_for_nothing_are_refused_in_the_services_form(
    method: str, path: str, status: int, code: str, emr: LocalEmr
) -> None:
    answer = send(emr.url, method, path)
    assert (answer.status, answer.code) == (status, code)
    assert answer.message


def test_what_is_for_livy_is_refused(emr: LocalEmr) -> None:
    for method, path in [("POST", "/sessions"), ("GET", "/sessions/0/statements/1"), ("POST", "/batches")]:
        answer = send(emr.url, method, path, {"kind": "pyspark"} if method == "POST" else None)
        assert answer.status == 501
        assert "no Apache Livy endpoint" in answer.body["msg"]


def test_a_request_without_signature_is_refused(emr: LocalEmr) -> None:
    answer = send(emr.url, "GET", "/applications", authorization=None)
    assert (answer.status, answer.code) == (403, "MissingAuthenticationTokenException")


@pytest.mark.parametrize("service", ["emr-serverless", "EMR-Serverless", "emrserverless", "emr-serverless.x"])
def test_no_other_implementation_answers_for_the_service(service: str, emr: LocalEmr) -> None:
    """moto has one, whose job runs are born SUCCESS."""
    scope = f"AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, SignedHeaders=x, Signature=0"
    name = {"name": "made-by-moto", "releaseLabel": "emr-7.5.0", "type": "SPARK", "clientToken": "t"}
    send(emr.url, "POST", "/applications", name, authorization=scope)
    listed = send(emr.url, "GET", "/applications", authorization=scope)
    known = [application["applicationId"] for application in emr.applications()]
    if listed.status == 200:
        assert [application["id"] for application in listed.body["applications"]] == known
    assert send(emr.url, "GET", "/_emrs/health", authorization=None).body["status"] == "ok"


def test_the_router_prefers_the_literal_path() -> None:
    protocol = RestJson(MODEL)

    def route(path: str) -> Any:
        return protocol.route(Request("GET", path, "", {}, b""))

    assert route("/applications/dashboard").operation.name == "GetApplication"
    assert route("/applications/00abc/jobruns/00def/attempts").operation.name == "ListJobRunAttempts"
    assert route(path_of("ListTagsForResource")).labels["resourceArn"].endswith("/00abc00abc00abc")
