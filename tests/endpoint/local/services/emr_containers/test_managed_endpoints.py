"""Managed endpoints on the simulated runner: states, filters, credentials, and what ends them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_emrs_ext.local.testing import ScriptedSession
from tests.endpoint.local.services.emr_containers.lab import ROLE, Eks, needs, refused
from tests.polling import eventually

needs_idle_timeout = needs("SessionIdleTimeoutInMinutes")


class Endpoints:
    """The managed endpoints of one virtual cluster, and short ways to use them."""

    def __init__(self, eks: Eks, cluster_id: str) -> None:
        self.eks, self.cluster_id = eks, cluster_id
        eks.emr.configure(session_quiet_seconds=0.01, session_start_seconds=0.01)

    def create(self, **params: Any) -> dict[str, str]:
        """Create one; :return: its ids, as the other operations take them."""
        given = {
            "virtualClusterId": self.cluster_id,
            "name": "mine",
            "type": "SPARK_CONNECT",
            "releaseLabel": "emr-7.14.0-latest",
            "executionRoleArn": ROLE,
            **params,
        }
        return {"virtualClusterId": self.cluster_id, "id": self.eks.client.create_managed_endpoint(**given)["id"]}

    def created(self, **params: Any) -> dict[str, str]:
        """One that is ACTIVE."""
        ids = self.create(**params)
        self.reached(ids, "ACTIVE")
        return ids

    def get(self, ids: dict[str, str]) -> dict[str, Any]:
        endpoint: dict[str, Any] = self.eks.client.describe_managed_endpoint(**ids)["endpoint"]
        return endpoint

    def reached(self, ids: dict[str, str], state: str) -> dict[str, Any]:
        return eventually(lambda: endpoint if (endpoint := self.get(ids))["state"] == state else None)

    def credentials(self, ids: dict[str, str], **params: Any) -> dict[str, Any]:
        given = {
            "virtualClusterIdentifier": ids["virtualClusterId"],
            "endpointIdentifier": ids["id"],
            "executionRoleArn": ROLE,
            "credentialType": "TOKEN",
            **params,
        }
        answer: dict[str, Any] = self.eks.client.get_managed_endpoint_session_credentials(**given)
        return answer

    def record(self, ids: dict[str, str]) -> dict[str, Any]:
        return {record["id"]: record for record in self.eks.emr.managed_endpoints(self.cluster_id)}[ids["id"]]

    def path(self, ids: dict[str, str]) -> list[str]:
        """The states that one went through."""
        return [change["state"] for change in self.record(ids)["stateHistory"]]


@pytest.fixture
def endpoints(eks: Eks, cluster_id: str) -> Endpoints:
    return Endpoints(eks, cluster_id)


def test_from_its_creation_to_its_end(endpoints: Endpoints) -> None:
    client = endpoints.eks.client
    ids = endpoints.create(tags={"a": "b"})
    arn = endpoints.get(ids)["arn"]
    assert arn.endswith(f":/virtualclusters/{ids['virtualClusterId']}/endpoints/{ids['id']}")
    with refused(match="1 active managed endpoints"):
        client.delete_virtual_cluster(id=endpoints.cluster_id)
    endpoint = endpoints.reached(ids, "ACTIVE")
    assert (endpoint["name"], endpoint["type"], endpoint["tags"]) == ("mine", "SPARK_CONNECT", {"a": "b"})
    assert endpoints.record(ids)["authProxyUrl"].startswith("http://127.0.0.1:")
    client.tag_resource(resourceArn=arn, tags={"c": "d"})
    assert endpoints.get(ids)["tags"] == {"a": "b", "c": "d"}
    for _ in range(2):
        assert client.delete_managed_endpoint(**ids)["id"] == ids["id"]
    endpoint = endpoints.reached(ids, "TERMINATED")
    assert "failureReason" not in endpoint
    assert endpoints.path(ids) == ["CREATING", "ACTIVE", "TERMINATING", "TERMINATED"]
    client.delete_virtual_cluster(id=endpoints.cluster_id)


def test_a_driver_that_dies_or_never_comes_up(endpoints: Endpoints) -> None:
    emr = endpoints.eks.emr
    emr.script(session=ScriptedSession(ready_after=1, ends_after=0.01, details="no such class"), name="doomed")
    doomed, fine = endpoints.create(name="doomed"), endpoints.created()
    emr.end_session(fine["id"], "out of memory")
    for ids, details in ((doomed, "no such class"), (fine, "out of memory")):
        endpoint = endpoints.reached(ids, "TERMINATED_WITH_ERRORS")
        assert (endpoint["stateDetails"], endpoint["failureReason"]) == (details, "USER_ERROR")
    assert endpoints.path(doomed) == ["CREATING", "TERMINATED_WITH_ERRORS"]


def test_deleted_while_it_is_created(endpoints: Endpoints) -> None:
    endpoints.eks.emr.configure(session_start_seconds=60)
    ids = endpoints.create()
    endpoints.eks.client.delete_managed_endpoint(**ids)
    endpoints.reached(ids, "TERMINATED")
    assert "authProxyUrl" not in endpoints.record(ids)
    assert endpoints.path(ids) == ["CREATING", "TERMINATING", "TERMINATED"]


def test_credentials(endpoints: Endpoints) -> None:
    ids = endpoints.created()
    client = endpoints.eks.client
    first = endpoints.credentials(ids)
    cluster_arn = client.describe_virtual_cluster(id=endpoints.cluster_id)["virtualCluster"]["arn"]
    second = endpoints.credentials(
        ids,
        virtualClusterIdentifier=cluster_arn,
        endpointIdentifier=endpoints.get(ids)["arn"],
        durationInSeconds=43200,
    )
    assert first["credentials"]["token"] != second["credentials"]["token"]
    for answer, seconds in ((first, 900), (second, 43200)):
        left = answer["expiresAt"] - datetime.now(timezone.utc)
        assert timedelta(seconds=seconds - 30) < left <= timedelta(seconds=seconds)
    record = endpoints.record(ids)
    assert record["tokensMinted"] == 2
    assert first["credentials"]["token"] not in str(record)
    # The setting for sessions shortens these tokens in the same proportion.
    endpoints.eks.emr.configure(session_token_seconds=36)
    left = endpoints.credentials(ids)["expiresAt"] - datetime.now(timezone.utc)
    assert left <= timedelta(seconds=9)


def test_refused_credentials(endpoints: Endpoints) -> None:
    ids = endpoints.created()
    for params, expected in (
        ({"credentialType": "PASSWORD"}, "credentialType: must be TOKEN"),
        ({"durationInSeconds": 43201}, "durationInSeconds: must be from 1 to 43200"),
        ({"durationInSeconds": 0}, "durationInSeconds"),
        ({"executionRoleArn": "arn:aws:iam::123456789012:role/other"}, "executionRoleArn"),
    ):
        with refused(match=expected):
            endpoints.credentials(ids, **params)
    endpoints.eks.client.delete_managed_endpoint(**ids)
    with refused(match="Endpoint is in invalid state"):
        endpoints.credentials(ids)
    with refused("ResourceNotFoundException"):
        endpoints.credentials(ids, endpointIdentifier="nothere")


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"type": "JUPYTER_ENTERPRISE_GATEWAY"}, "type: .*none of the type JUPYTER_ENTERPRISE_GATEWAY"),
        ({"releaseLabel": "emr-7.13.0-latest"}, "releaseLabel: .*emr-7.14.0"),
        ({"releaseLabel": "mine"}, "releaseLabel"),
        ({"tags": {"aws:mine": "1"}}, "tags.aws:mine"),
        pytest.param({"sessionIdleTimeoutInMinutes": 0}, "sessionIdleTimeoutInMinutes", marks=needs_idle_timeout),
        (
            {
                "configurationOverrides": {
                    "applicationConfiguration": [
                        {"classification": "spark-defaults", "properties": {"spark.executor.memory": "much"}}
                    ]
                }
            },
            "spark.executor.memory",
        ),
    ],
)
def test_refused_requests(params: dict[str, Any], expected: str, endpoints: Endpoints) -> None:
    with refused(match=expected):
        endpoints.create(**params)
    assert endpoints.eks.emr.managed_endpoints() == []


def test_unknown_ones(endpoints: Endpoints) -> None:
    ids, client = endpoints.created(), endpoints.eks.client
    elsewhere = {**ids, "virtualClusterId": endpoints.eks.cluster("other")}
    for wrong in ({**ids, "id": "nothere"}, {**ids, "virtualClusterId": "nothere"}, elsewhere):
        with refused("ResourceNotFoundException", "does not exist"):
            client.describe_managed_endpoint(**wrong)
        with refused("ValidationException", "does not exist"):
            client.delete_managed_endpoint(**wrong)
    with refused("ValidationException", "does not exist"):
        client.list_managed_endpoints(virtualClusterId="nothere")


def test_the_same_token_twice(endpoints: Endpoints) -> None:
    assert endpoints.create(clientToken="once") == endpoints.create(clientToken="once")
    with refused(match="clientToken: once"):
        endpoints.create(clientToken="once", name="other")
    assert len(endpoints.eks.emr.managed_endpoints()) == 1


def test_listing(endpoints: Endpoints) -> None:
    client = endpoints.eks.client
    made = [endpoints.created(name=f"number-{number}") for number in range(3)]
    client.delete_managed_endpoint(**made[0])
    endpoints.reached(made[0], "TERMINATED")
    newest_first = [ids["id"] for ids in reversed(made)]

    def listed(**filters: Any) -> list[str]:
        found = client.list_managed_endpoints(virtualClusterId=endpoints.cluster_id, **filters)["endpoints"]
        return [endpoint["id"] for endpoint in found]

    assert listed() == newest_first
    assert listed(states=["ACTIVE"]) == newest_first[:2]
    assert listed(types=["SPARK_CONNECT"]) == newest_first
    assert listed(types=["JUPYTER_ENTERPRISE_GATEWAY"]) == []
    middle = endpoints.get(made[1])["createdAt"]
    assert made[2]["id"] in listed(createdAfter=middle)
    assert made[0]["id"] in listed(createdBefore=middle)
    assert made[0]["id"] not in listed(createdAfter=middle)
    pages = client.get_paginator("list_managed_endpoints").paginate(
        virtualClusterId=endpoints.cluster_id, PaginationConfig={"PageSize": 2}
    )
    assert [[endpoint["id"] for endpoint in page["endpoints"]] for page in pages] == [
        newest_first[:2],
        newest_first[2:],
    ]


@needs_idle_timeout
def test_the_idle_timeout_ends_it_and_calls_put_it_off(endpoints: Endpoints) -> None:
    emr = endpoints.eks.emr
    idle, busy = endpoints.created(sessionIdleTimeoutInMinutes=1), endpoints.created(sessionIdleTimeoutInMinutes=1)
    emr.hold_session_busy(busy["id"])
    emr.configure(seconds_per_minute=0.01)
    endpoint = endpoints.reached(idle, "TERMINATED")
    assert endpoint["stateDetails"] == (
        "Managed endpoint terminated: it was idle for 1 minutes (sessionIdleTimeoutInMinutes)."
    )
    assert endpoints.get(busy)["state"] == "ACTIVE"
    emr.hold_session_busy(busy["id"], False)
    endpoints.reached(busy, "TERMINATED")


def test_what_a_grpc_client_is_told(endpoints: Endpoints, grpc_call: Callable[[str, str], tuple[str, str]]) -> None:
    ids = endpoints.created()
    url = endpoints.record(ids)["authProxyUrl"]
    token = endpoints.credentials(ids)["credentials"]["token"]
    code, details = grpc_call(url, token)
    assert (code, "is simulated" in details) == ("FAILED_PRECONDITION", True)
    endpoints.eks.emr.configure(session_token_seconds=0)
    code, details = grpc_call(url, endpoints.credentials(ids)["credentials"]["token"])
    assert (code, "call GetManagedEndpointSessionCredentials" in details) == ("UNAUTHENTICATED", True)
    endpoints.eks.client.delete_managed_endpoint(**ids)
    endpoints.reached(ids, "TERMINATED")
    code, details = grpc_call(url, token)
    assert (code, "by request (DeleteManagedEndpoint)" in details) == ("FAILED_PRECONDITION", True)


def test_everything_is_forgotten(endpoints: Endpoints, grpc_call: Callable[[str, str], tuple[str, str]]) -> None:
    ids = endpoints.created()
    url, token = endpoints.record(ids)["authProxyUrl"], endpoints.credentials(ids)["credentials"]["token"]
    endpoints.eks.emr.reset()
    assert endpoints.eks.emr.managed_endpoints() == []
    assert grpc_call(url, token)[0] == "UNAUTHENTICATED"
