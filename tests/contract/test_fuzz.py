"""Ten thousand malformed requests: each is refused with a 4xx in the service's form, and the endpoint goes on."""

from __future__ import annotations

import copy
import http.client
import json
import random
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from airflow_emrs_ext.local.testing import LocalEmr
from tests.contract.wire import Answer, send, signed

REQUESTS = 10_000
SEED = 20260101

ROLE = "arn:aws:iam::123456789012:role/jobs"
JOB_RUN: dict[str, Any] = {
    "clientToken": "token",
    "executionRoleArn": ROLE,
    "name": "fuzz",
    "mode": "BATCH",
    "executionTimeoutMinutes": 5,
    "tags": {"team": "data"},
    "retryPolicy": {"maxAttempts": 2},
    "jobDriver": {
        "sparkSubmit": {
            "entryPoint": "s3://b/j.py",
            "entryPointArguments": ["a"],
            "sparkSubmitParameters": "--conf a=b",
        }
    },
    "configurationOverrides": {
        "applicationConfiguration": [{"classification": "spark-defaults", "properties": {"a": "b"}}],
        "monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": "s3://b/logs"}},
    },
}
APPLICATION: dict[str, Any] = {
    "clientToken": "token",
    "releaseLabel": "emr-7.5.0",
    "type": "SPARK",
    "initialCapacity": {"Driver": {"workerCount": 1, "workerConfiguration": {"cpu": "2vCPU", "memory": "4GB"}}},
    "maximumCapacity": {"cpu": "4vCPU", "memory": "16GB"},
    "autoStopConfiguration": {"enabled": True, "idleTimeoutMinutes": 15},
}
EKS_JOB_RUN: dict[str, Any] = {
    "clientToken": "token",
    "executionRoleArn": ROLE,
    "name": "fuzz",
    "releaseLabel": "emr-7.5.0-latest",
    "tags": {"team": "data"},
    "retryPolicyConfiguration": {"maxAttempts": 2},
    "jobDriver": {
        "sparkSubmitJobDriver": {
            "entryPoint": "s3://b/j.py",
            "entryPointArguments": ["a"],
            "sparkSubmitParameters": "--conf a=b",
        }
    },
    "configurationOverrides": {
        **JOB_RUN["configurationOverrides"],
        "monitoringConfiguration": {
            "persistentAppUI": "ENABLED",
            "containerLogRotationConfiguration": {"rotationSize": "2MB", "maxFilesToKeep": 3},
        },
    },
}
CLUSTER: dict[str, Any] = {
    "clientToken": "token",
    "name": "fuzz",
    "containerProvider": {"type": "EKS", "id": "cluster", "info": {"eksInfo": {"namespace": "jobs"}}},
    "tags": {"a": "b"},
}
TEMPLATE: dict[str, Any] = {
    "clientToken": "token",
    "name": "fuzz",
    "jobTemplateData": {
        "executionRoleArn": "${role}",
        "releaseLabel": "emr-7.5.0-latest",
        "jobDriver": EKS_JOB_RUN["jobDriver"],
        "parameterConfiguration": {"role": {"type": "STRING", "defaultValue": ROLE}},
        "jobTags": {"a": "b"},
    },
}
ENDPOINT = {
    "clientToken": "token",
    "name": "fuzz",
    "type": "SPARK_CONNECT",
    "releaseLabel": "emr-7.14.0-latest",
    "executionRoleArn": ROLE,
    "configurationOverrides": JOB_RUN["configurationOverrides"],
}
CREDENTIALS = {"executionRoleArn": ROLE, "credentialType": "TOKEN", "durationInSeconds": 900}

Request = tuple[str, str, dict[str, Any] | None]


@dataclass(frozen=True)
class Service:
    """What is fuzzed.

    :param name: what requests are signed for
    :param owner: the path of what owns everything else, where there is none
    :param segments: parts of its paths
    :param valid: valid requests for things that are not there, so that no mutation of them can have an effect
    """

    name: str
    owner: str
    segments: Sequence[str]
    valid: Sequence[Request]


def tagging(arn: str) -> list[Request]:
    """Requests on the tags of something that is not there."""
    path = f"/tags/{quote(arn, safe='')}"
    return [("GET", path, None), ("POST", path, {"tags": {"a": "b"}}), ("DELETE", f"{path}?tagKeys=a&tagKeys=b", None)]


SERVERLESS = Service(
    "emr-serverless",
    "/applications/00nothere",
    ["applications", "jobruns", "attempts", "dashboard", "start", "tags", "00nothere"],
    [
        ("POST", "/applications/00nothere/jobruns", JOB_RUN),
        ("GET", "/applications/00nothere/jobruns?maxResults=5&states=RUNNING&mode=BATCH", None),
        ("GET", "/applications/00nothere/jobruns/00def?attempt=1", None),
        ("DELETE", "/applications/00nothere/jobruns/00def?shutdownGracePeriodInSeconds=20", None),
        ("GET", "/applications/00nothere/jobruns/00def/attempts?maxResults=5", None),
        ("GET", "/applications/00nothere/jobruns/00def/dashboard?attempt=1", None),
        ("GET", "/applications/00nothere", None),
        ("DELETE", "/applications/00nothere", None),
        (
            "PATCH",
            "/applications/00nothere",
            {"clientToken": "token", "maximumCapacity": APPLICATION["maximumCapacity"]},
        ),
        ("POST", "/applications/00nothere/start", {}),
        ("POST", "/applications/00nothere/stop", {}),
        *tagging("arn:aws:emr-serverless:us-east-1:123456789012:/applications/00nothere00nothere"),
        # CreateApplication has no label to be wrong, so its type is.
        ("POST", "/applications", {**APPLICATION, "type": "FLINK"}),
    ],
)
CONTAINERS = Service(
    "emr-containers",
    "/virtualclusters/00nothere",
    ["virtualclusters", "jobruns", "endpoints", "credentials", "jobtemplates", "tags", "00nothere"],
    [
        ("POST", "/virtualclusters/00nothere/jobruns", EKS_JOB_RUN),
        ("GET", "/virtualclusters/00nothere/jobruns?maxResults=5&states=RUNNING&name=mine", None),
        ("GET", "/virtualclusters/00nothere/jobruns/00def", None),
        ("DELETE", "/virtualclusters/00nothere/jobruns/00def", None),
        ("POST", "/virtualclusters/00nothere/endpoints", ENDPOINT),
        ("GET", "/virtualclusters/00nothere/endpoints?types=SPARK_CONNECT&states=ACTIVE", None),
        ("GET", "/virtualclusters/00nothere/endpoints/00def", None),
        ("DELETE", "/virtualclusters/00nothere/endpoints/00def", None),
        ("POST", "/virtualclusters/00nothere/endpoints/00def/credentials", CREDENTIALS),
        ("GET", "/virtualclusters/00nothere", None),
        ("DELETE", "/virtualclusters/00nothere", None),
        ("GET", "/jobtemplates/00nothere", None),
        ("DELETE", "/jobtemplates/00nothere", None),
        *tagging("arn:aws:emr-containers:us-east-1:123456789012:/virtualclusters/00nothere"),
        # These have no label to be wrong, so something else is.
        ("POST", "/virtualclusters", {**CLUSTER, "containerProvider": {"type": "ECS", "id": "cluster"}}),
        ("POST", "/jobtemplates", {**TEMPLATE, "jobTemplateData": {**TEMPLATE["jobTemplateData"], "jobDriver": {}}}),
    ],
)
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "get"]
STRANGE: list[Any] = [
    None, True, False, 0, -1, 1.5, 1e308, 10**25, "", " ", "x", "x" * 5000, "\x00", "\ud800", "é" * 70, "😀",
    "../..", "%2e%2e", "{}", "$(id)", "' OR 1=1", "NaN", [], {}, [[]], [None], {"": ""}, {"a": None}, [1, "a", {}],
    {"x": {"y": {"z": []}}},
]  # fmt: skip
TEXTS = [
    "", "0", "-1", "1e999", "9" * 400, "true", "RUNNING", "%00", "%ff", "%", "%zz", "..", "%2F", "a+b", "2026-13-45",
    "null", "[]", "%F0%9F%98%80", "x" * 3000,
]  # fmt: skip


class Fuzzer:
    """Makes malformed requests, the same ones for the same seed."""

    def __init__(self, seed: int, service: Service = SERVERLESS) -> None:
        self.random = random.Random(seed)
        self.service = service
        self.strategies: list[Callable[[], tuple[str, str, bytes | None]]] = [
            self.mutated_body,
            self.mutated_body,
            self.mutated_query,
            self.random_path,
            self.damaged_json,
            self.random_bytes,
            self.other_method,
        ]

    def request(self) -> tuple[str, str, bytes | None]:
        """Method, path and body of the next request."""
        return self.random.choice(self.strategies)()

    def mutated_body(self) -> tuple[str, str, bytes | None]:
        method, path, body = self.random.choice([valid for valid in self.service.valid if valid[2]])
        mutated = json.loads(json.dumps(body))
        for _ in range(self.random.randint(1, 3)):
            self.mutate(mutated)
        return method, path, json.dumps(mutated).encode()

    def mutate(self, node: Any) -> None:
        """Change one thing somewhere in a JSON value."""
        while isinstance(node, dict | list) and node:
            key = self.random.choice(list(node)) if isinstance(node, dict) else self.random.randrange(len(node))
            if isinstance(node[key], dict | list) and node[key] and self.random.random() < 0.7:
                node = node[key]
                continue
            change = self.random.random()
            if change < 0.6:
                node[key] = copy.deepcopy(self.random.choice(STRANGE))
            elif change < 0.8 and isinstance(node, dict):
                node[self.random.choice(["", "unknown", "Name", key.upper(), "x" * 500, "\x00"])] = node.pop(key)
            else:
                del node[key]
            return

    def mutated_query(self) -> tuple[str, str, bytes | None]:
        method, path, _ = self.random.choice([valid for valid in self.service.valid if valid[2] is None])
        path, _, query = path.partition("?")
        names = [item.partition("=")[0] for item in query.split("&") if item] + [
            "unknown",
            "nextToken",
            "createdAtAfter",
            "createdAfter",
        ]
        items = [f"{self.random.choice(names)}={self.random.choice(TEXTS)}" for _ in range(self.random.randint(1, 4))]
        return method, f"{path}?{'&'.join(items)}", None

    def random_path(self) -> tuple[str, str, bytes | None]:
        parts = [*TEXTS, *self.service.segments, self.service.valid[0][1]]
        segments = [self.random.choice(parts) for _ in range(self.random.randint(1, 7))]
        # POST /applications/…: whatever the other segments are, there is no such application.
        return self.random.choice(METHODS), f"{self.service.owner}/{'/'.join(segments)}", b"{}"

    def damaged_json(self) -> tuple[str, str, bytes | None]:
        method, path, body = self.random.choice([valid for valid in self.service.valid if valid[2]])
        data = bytearray(json.dumps(body).encode())
        for _ in range(self.random.randint(1, 8)):
            place = self.random.randrange(len(data))
            if self.random.random() < 0.5:
                data[place] = self.random.randrange(256)
            else:
                del data[place : place + self.random.randint(1, 20)]
            if not data:
                break
        return method, path, bytes(data)

    def random_bytes(self) -> tuple[str, str, bytes | None]:
        method, path, _ = self.random.choice([valid for valid in self.service.valid if valid[2]])
        return method, path, self.random.randbytes(self.random.randint(1, 2000))

    def other_method(self) -> tuple[str, str, bytes | None]:
        _, path, body = self.random.choice(self.service.valid)
        return self.random.choice(METHODS), path, None if body is None else json.dumps(body).encode()


class Connection:
    """A connection that is kept, as clients keep theirs."""

    def __init__(self, url: str, service: str = SERVERLESS.name) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
        self._headers = {"authorization": signed(service)}

    def send(self, method: str, path: str, body: bytes | None) -> Answer:
        """Send one request as it is, and read the whole response."""
        self._connection.request(method, path, body, self._headers)
        response = self._connection.getresponse()
        content = response.read()
        return Answer(
            response.status,
            response.headers["x-amzn-errortype"],
            response.headers["x-amzn-requestid"],
            json.loads(content) if content else None,
        )


@pytest.mark.fuzz
@pytest.mark.parametrize("service", [SERVERLESS, CONTAINERS], ids=lambda service: service.name)
def test_malformed_requests_are_refused(service: Service, emr: LocalEmr) -> None:
    fuzzer, connection, statuses = Fuzzer(SEED, service), Connection(emr.url, service.name), Counter[int]()
    for number in range(REQUESTS):
        method, path, body = fuzzer.request()
        answer = connection.send(method, path, body)
        shown = f"request {number} of seed {SEED}: {method} {path[:300]} {(body or b'')[:1000]!r} -> {answer}"
        # A mutation may be harmless; then nothing is there that it could be done to.
        assert 400 <= answer.status < 500, shown
        assert answer.code, shown
        assert answer.request_id, shown
        assert answer.body["message"], shown
        statuses[answer.status] += 1
    assert set(statuses) >= {400, 404, 405}, statuses
    assert statuses[400] > REQUESTS / 3, statuses
    assert emr.applications() == emr.job_runs() == emr.virtual_clusters() == emr.eks_job_runs() == []
    assert emr.client("emr-containers").list_job_templates()["templates"] == []
    client = emr.client("emr-serverless")
    created = client.create_application(releaseLabel="emr-7.5.0", type="SPARK")
    assert client.get_application(applicationId=created["applicationId"])["application"]["releaseLabel"] == "emr-7.5.0"


@pytest.mark.fuzz
def test_requests_that_may_be_valid_never_break_the_service(emr: LocalEmr) -> None:
    """The same mutations of requests for an application that is there: accepted or refused, never a server error."""
    client = emr.client("emr-serverless")
    application_id = client.create_application(releaseLabel="emr-7.5.0", type="SPARK")["applicationId"]
    patch = {name: value for name, value in APPLICATION.items() if name != "type"}
    send_mutated(
        emr,
        SERVERLESS,
        [
            ("POST", f"/applications/{application_id}/jobruns", JOB_RUN),
            ("POST", "/applications", APPLICATION),
            ("PATCH", f"/applications/{application_id}", {**patch, "releaseLabel": "emr-7.6.0"}),
        ],
    )
    # Whatever was accepted can be shown, in the form of the model.
    assert len(client.list_job_runs(applicationId=application_id, maxResults=50)["jobRuns"]) == 50
    for application in emr.applications()[:200]:
        client.get_application(applicationId=application["applicationId"])
    for run in emr.job_runs():
        client.get_job_run(applicationId=application_id, jobRunId=run["jobRunId"])


@pytest.mark.fuzz
def test_requests_that_may_be_valid_never_break_emr_on_eks(emr: LocalEmr) -> None:
    client = emr.client("emr-containers")
    cluster_id = client.create_virtual_cluster(name="mine", containerProvider=CLUSTER["containerProvider"])["id"]
    template_id = client.create_job_template(name="mine", jobTemplateData=TEMPLATE["jobTemplateData"])["id"]
    from_template = {"clientToken": "token", "jobTemplateId": template_id, "jobTemplateParameters": {"role": ROLE}}
    send_mutated(
        emr,
        CONTAINERS,
        [
            ("POST", f"/virtualclusters/{cluster_id}/jobruns", EKS_JOB_RUN),
            ("POST", f"/virtualclusters/{cluster_id}/jobruns", from_template),
            ("POST", f"/virtualclusters/{cluster_id}/endpoints", ENDPOINT),
            ("POST", "/virtualclusters", CLUSTER),
            ("POST", "/jobtemplates", TEMPLATE),
        ],
    )
    of_cluster = {"virtualClusterId": cluster_id}
    assert len(client.list_job_runs(**of_cluster, maxResults=50)["jobRuns"]) == 50
    for run in emr.eks_job_runs():
        client.describe_job_run(**of_cluster, id=run["id"])
    for endpoint in emr.managed_endpoints():
        client.describe_managed_endpoint(**of_cluster, id=endpoint["id"])
    assert len(client.list_job_templates(maxResults=50)["templates"]) == 50
    for cluster in emr.virtual_clusters():
        client.describe_virtual_cluster(id=cluster["id"])


def send_mutated(emr: LocalEmr, service: Service, requests: Sequence[tuple[str, str, dict[str, Any]]]) -> None:
    """Send mutations of valid requests; some of them are accepted, some refused, and none breaks anything."""
    fuzzer, connection, rng = Fuzzer(SEED, service), Connection(emr.url, service.name), random.Random(SEED)
    statuses = Counter[int]()
    for number in range(2000):
        method, path, body = rng.choice(requests)
        mutated = json.loads(json.dumps(body))
        mutated["clientToken"] = f"token-{number}"
        for _ in range(rng.randint(0, 3)):
            fuzzer.mutate(mutated)
        answer = connection.send(method, path, json.dumps(mutated).encode())
        assert answer.status < 500, f"request {number} of seed {SEED}: {method} {mutated} -> {answer}"
        statuses[answer.status] += 1
    assert statuses[200] > 100, statuses
    assert statuses[400] > 100, statuses


@pytest.mark.fuzz
def test_what_is_not_http_is_refused(emr: LocalEmr) -> None:
    host, port = urlsplit(emr.url).hostname, urlsplit(emr.url).port
    rng = random.Random(SEED)
    lines = [
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET  /applications  HTTP/1.1\r\n\r\n",
        b"GET /applications HTTP/1.1\r\nno colon here\r\n\r\n",
        b"GET /applications HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        b"POST /applications HTTP/1.1\r\nhost: localhost\r\ncontent-length: many\r\n\r\n",
        b"POST /applications HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
        *(rng.randbytes(rng.randint(1, 400)) + b"\r\n\r\n" for _ in range(300)),
    ]
    for line in lines:
        with socket.create_connection((host, port), timeout=30) as raw:
            raw.sendall(line)
            raw.shutdown(socket.SHUT_WR)
            received = raw.recv(65536)
        # A connection may also be closed without a word, when not even a request was begun.
        assert not received or received.split()[1].startswith(b"4"), (line[:200], received[:200])
    assert send(emr.url, "GET", "/_emrs/health", authorization=None).status == 200


@pytest.mark.fuzz
def test_the_admin_api_refuses_what_it_cannot_use(emr: LocalEmr) -> None:
    rng = random.Random(SEED)
    valid: list[tuple[str, str, dict[str, Any]]] = [
        ("PATCH", "config", {"seconds_per_minute": 1.0}),
        ("POST", "scripts", {"name": "*", "attempts": [{"ends_after": 1.0, "succeeded": True, "details": "d"}]}),
        ("POST", "finish", {"jobRunId": "00def", "succeeded": True, "details": "", "after": 1.0}),
        ("POST", "faults", {"operation": "GetJobRun", "fault": "delay", "times": 1, "seconds": 0.0, "status": 500}),
    ]
    for _ in range(1000):
        method, path, body = rng.choice(valid)
        mutated = json.loads(json.dumps(body))
        Fuzzer(rng.randrange(1 << 30)).mutate(mutated)
        answer = send(emr.url, method, f"/_emrs/{path}", json.dumps(mutated), authorization=None)
        assert answer.status == 200 or (400 <= answer.status < 500 and answer.message), (method, path, mutated, answer)
    emr.reset()
    assert send(emr.url, "GET", "/_emrs/faults", authorization=None).body == {"faults": []}
