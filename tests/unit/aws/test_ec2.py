"""What is EMR on EC2's own in requests, tokens, tags and access, without a service."""

from __future__ import annotations

from base64 import b64decode
from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_emrs_ext.aws import ec2
from airflow_emrs_ext.aws.connect_access import Access, access_to, spark_connect_kind
from airflow_emrs_ext.aws.ownership_tags import found_by, token
from airflow_emrs_ext.aws.retry import token_member
from airflow_emrs_ext.core.effects import Call, Effects, RunContext, WaitPolicy
from airflow_emrs_ext.core.lineage import with_properties
from airflow_emrs_ext.exceptions import ServiceUnavailable
from airflow_emrs_ext.operators._base.parameters import request_of
from airflow_emrs_ext.resources import CLUSTER_SESSION, EKS_JOB_RUN, MANAGED_ENDPOINT, SESSION

IDS = {"cluster_id": "j-1", "session_id": "s-1"}
MOMENT = datetime(2026, 5, 1, tzinfo=timezone.utc)
ENDPOINT = {"Endpoint": "https://proxy", "AuthToken": "secret", "AuthTokenExpirationTime": MOMENT}
LOGIN = {"Credentials": {"UsernamePassword": {"Username": "me", "Password": "word"}}}


def answered(effects: Effects[Any], answers: dict[str, Any], calls: list[Call] | None = None) -> Any:
    """What a generator returns whose calls are answered by their operations."""
    sent: Any = None
    try:
        while True:
            effect = effects.send(sent)
            sent = 0.0
            if isinstance(effect, Call):
                if calls is not None:
                    calls.append(effect)
                sent = answers[effect.operation]
    except StopIteration as end:
        return end.value


def context() -> RunContext:
    return RunContext(wait_policy=WaitPolicy())


def test_members_begin_with_capitals() -> None:
    calls: list[Call] = []
    given = {"engine_configurations": [{"Classification": "a", "Properties": {"b": 1}}], "tags": {"k": "v"}}
    effects = ec2.start_session(context(), cluster_id="j-1", client_request_token="t", **given)  # type: ignore[arg-type]
    assert answered(effects, {"start_session": {"Id": "s-1"}}, calls) == {"ClusterId": "j-1", "Id": "s-1"}
    assert calls[0].parameters == {
        "ClusterId": "j-1",
        "ClientRequestToken": "t",
        "EngineConfigurations": [{"Classification": "a", "Properties": {"b": "1"}}],
        "Tags": [{"Key": "k", "Value": "v"}],
    }


def test_every_page_is_read_and_times_are_compared_here() -> None:
    pages = iter(
        [
            {"Sessions": [{"ClusterId": "j-1", "Id": "b", "CreatedAt": MOMENT}], "NextToken": "more"},
            {"Sessions": [{"ClusterId": "j-1", "Id": "a", "CreatedAt": MOMENT.replace(year=2025)}]},
        ]
    )

    class Pages(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            return next(pages)

    calls: list[Call] = []
    listed = answered(ec2.list_sessions(context(), "j-1", created_at_after=MOMENT), Pages(), calls)
    assert [one["Id"] for one in listed] == ["b"]
    assert [call.parameters.get("NextToken") for call in calls] == [None, "more"]


def test_tokens_are_as_long_as_the_api_takes_and_differ_all_the_same() -> None:
    longest = CLUSTER_SESSION.api.longest_token
    assert longest == 36
    tokens = {token(f"{seed}", generation, longest) for seed in range(100) for generation in range(100)}
    assert len(tokens) == 10_000
    assert {len(one) for one in tokens} == {36}
    assert len(token("seed", 0)) == 64
    assert token_member("emr") == "ClientRequestToken"
    assert token_member("emr-serverless") == token_member("emr-containers") == "clientToken"
    assert token_member("s3") is None


def test_a_request_has_tags_as_names_and_values() -> None:
    config = {"Tags": [{"Key": "a", "Value": "b"}, {"Key": "c"}], "ClientRequestToken": "mine"}
    assert request_of("emr", "start_session", config, cluster_id="j-1") == {
        "cluster_id": "j-1",
        "tags": {"a": "b", "c": ""},
    }
    assert request_of("emr", "start_session", config, tags={"d": 1})["tags"] == {"d": "1"}
    assert found_by({"cluster_id": "j-1", "name": "n", "tags": {}})["cluster_id"] == "j-1"


def test_each_kind_is_tagged_in_its_own_way() -> None:
    assert CLUSTER_SESSION.tag(IDS, "arn", {"k": "v"}) == Call(
        "add_tags",
        {"ClusterId": "j-1", "ResourceId": "s-1", "Tags": [{"Key": "k", "Value": "v"}]},
        service="emr",
    )
    assert EKS_JOB_RUN.tag({}, "arn", {"k": "v"}).parameters == {"resourceArn": "arn", "tags": {"k": "v"}}


def test_facts_are_read_from_both_answers() -> None:
    session = {"ClusterId": "j-1", "Id": "s-1", "Arn": "arn", "State": "IDLE", "CreatedAt": MOMENT}
    snapshot = CLUSTER_SESSION.observe(IDS, {"Session": {**session, "Tags": [{"Key": "k", "Value": "v"}]}})
    assert (snapshot.state, snapshot.facts["tags"]) == ("IDLE", {"k": "v"})
    assert CLUSTER_SESSION.ids_of(session) == IDS
    with pytest.raises(ValueError, match="it tells of"):
        CLUSTER_SESSION.observe({**IDS, "session_id": "s-2"}, {"Session": session})
    new = CLUSTER_SESSION.read(IDS, {"Session": {**session, "State": "PAUSED"}})
    assert not new.state.is_known
    assert new.state.is_active


def test_properties_are_added_where_each_service_has_them() -> None:
    given = {
        "cluster_id": "j-1",
        "engine_configurations": [{"Classification": "spark-defaults", "Properties": {"a": "1"}}],
    }
    assert with_properties(given, {"b": "2"})["engine_configurations"] == [
        {"Classification": "spark-defaults", "Properties": {"a": "1", "b": "2"}}
    ]
    assert with_properties({"cluster_id": "j-1"}, {"b": "2"})["engine_configurations"] == [
        {"Classification": "spark-defaults", "Properties": {"b": "2"}}
    ]


def test_a_reference_says_which_kind_it_is() -> None:
    assert spark_connect_kind(IDS) is CLUSTER_SESSION
    assert spark_connect_kind({"application_id": "a", "session_id": "s"}) is SESSION
    assert spark_connect_kind({"virtual_cluster_id": "v", "endpoint_id": "e"}) is MANAGED_ENDPOINT


def test_the_proxy_is_the_way_in_unless_told_otherwise() -> None:
    access = answered(access_to(context(), IDS), {"get_session_endpoint": {**ENDPOINT, **LOGIN}})
    assert access == Access("https://proxy", "secret", MOMENT)
    assert access.header == "x-aws-proxy-auth"
    assert "secret" not in repr(access)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("sc://node:15002", "https://node:15002"),
        ("node:15002", "https://node:15002"),
        ("http://node:1", "http://node:1"),
    ],
)
def test_the_direct_way_takes_the_servers_own_address(url: str, address: str) -> None:
    answers = {"get_session_endpoint": {**ENDPOINT, **LOGIN}, "get_session": {"Session": {"ServerUrl": url}}}
    access = answered(access_to(context(), {**IDS, "direct": True}), answers)
    scheme, _, secret = access.token.partition(" ")
    assert (access.endpoint, access.header, scheme) == (address, "authorization", "Basic")
    assert b64decode(secret) == b"me:word"


@pytest.mark.parametrize("direct", [False, True])
def test_a_way_that_the_service_does_not_give_is_said(direct: bool) -> None:
    answers = {"get_session_endpoint": {"Endpoint": "https://proxy"}, "get_session": {"Session": {}}}
    with pytest.raises(ServiceUnavailable, match="Session s-1 of cluster j-1"):
        answered(access_to(context(), {**IDS, "direct": direct}), answers)
