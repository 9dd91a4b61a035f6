"""Sessions of clusters on the simulated runner: states, filters, tokens, and what ends them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_emrs_ext.local.testing import ScriptedSession
from tests.endpoint.local.services.emr_on_ec2.lab import ROLE, Ec2, refused
from tests.polling import eventually

DEFAULTS = "spark-defaults"


def test_from_its_start_to_its_end(ec2: Ec2, cluster_id: str) -> None:
    started = ec2.client.start_session(
        ClusterId=cluster_id,
        Name="mine",
        ExecutionRoleArn=ROLE,
        SessionIdleTimeoutInMinutes=5,
        Tags=[{"Key": "team", "Value": "data"}],
        EngineConfigurations=[{"Classification": DEFAULTS, "Properties": {"spark.executor.instances": "1"}}],
        MonitoringConfiguration={"ManagedLoggingConfiguration": {"Enabled": True}},
    )
    assert (started["ClusterId"], started["AccountId"]) == (cluster_id, "123456789012")
    assert started["State"] == "SUBMITTED"
    ids = {"ClusterId": cluster_id, "SessionId": started["Id"]}
    session = ec2.reached(ids, "IDLE")
    assert (session["Name"], session["ExecutionRoleArn"], session["Arn"]) == ("mine", ROLE, started["Arn"])
    assert (session["ReleaseLabel"], session["SessionIdleTimeoutInMinutes"]) == ("emr-spark-8.0.0", 5)
    assert session["Tags"] == [{"Key": "team", "Value": "data"}]
    assert session["EngineConfigurations"][0]["Properties"] == {"spark.executor.instances": "1"}
    assert session["MonitoringConfiguration"] == {"ManagedLoggingConfiguration": {"Enabled": True}}
    assert session["CreatedAt"] < session["StartedAt"] <= session["IdleSince"]
    assert "EndedAt" not in session
    assert "ServerUrl" not in session
    answer = ec2.client.terminate_session(**ids)
    assert answer == {**ids, "State": "TERMINATING", "ResponseMetadata": answer["ResponseMetadata"]}
    session = ec2.reached(ids, "TERMINATED")
    assert "TerminateSession" in session["StateChangeReason"]
    assert session["EndedAt"] > session["StartedAt"]
    assert ec2.path(ids) == ["SUBMITTED", "STARTING", "STARTED", "IDLE", "TERMINATING", "TERMINATED"]
    with refused(match="is TERMINATED"):
        ec2.client.terminate_session(**ids)


def test_busy_and_idle(ec2: Ec2, cluster_id: str) -> None:
    ids = ec2.started(cluster_id)
    ec2.emr.hold_session_busy(ids["SessionId"])
    assert "IdleSince" not in ec2.reached(ids, "BUSY")
    ec2.emr.hold_session_busy(ids["SessionId"], False)
    ec2.reached(ids, "IDLE")


def test_the_idle_timeout_ends_it_and_calls_put_it_off(ec2: Ec2, cluster_id: str) -> None:
    idle, busy = (ec2.started(cluster_id, SessionIdleTimeoutInMinutes=1) for _ in range(2))
    ec2.emr.hold_session_busy(busy["SessionId"])
    ec2.emr.configure(seconds_per_minute=0.01)
    session = ec2.reached(idle, "TERMINATED")
    assert session["StateChangeReason"] == (
        "Session terminated: it was idle for 1 minutes (SessionIdleTimeoutInMinutes)."
    )
    assert ec2.get(busy)["State"] == "BUSY"
    ec2.emr.hold_session_busy(busy["SessionId"], False)
    ec2.reached(busy, "TERMINATED")


def test_a_driver_that_dies_or_never_comes_up(ec2: Ec2, cluster_id: str) -> None:
    ec2.emr.script(session=ScriptedSession(ready_after=1, ends_after=0.01, details="no such class"), name="doomed")
    doomed, fine = ec2.start(cluster_id, Name="doomed"), ec2.started(cluster_id)
    ec2.emr.end_session(fine["SessionId"], "out of memory")
    for ids, details in ((doomed, "no such class"), (fine, "out of memory")):
        assert ec2.reached(ids, "FAILED")["StateChangeReason"] == details
    assert ec2.path(doomed) == ["SUBMITTED", "STARTING", "FAILED"]


def test_the_end_of_the_cluster_is_that_of_its_sessions_first(ec2: Ec2, cluster_id: str) -> None:
    ready, other = ec2.started(cluster_id), ec2.started(ec2.cluster())
    ec2.emr.configure(session_start_seconds=60)
    starting = ec2.start(cluster_id)
    ec2.client.terminate_job_flows(JobFlowIds=[cluster_id])
    cluster = ec2.cluster_reached(cluster_id, "TERMINATED")
    for ids in (ready, starting):
        session = ec2.get(ids)
        assert session["State"] == "TERMINATED"
        assert f"cluster {cluster_id} is being terminated" in session["StateChangeReason"]
        assert session["EndedAt"] <= cluster["Status"]["Timeline"]["EndDateTime"]
    assert ec2.get(other)["State"] == "IDLE"


def test_clusters_that_take_no_sessions(ec2: Ec2) -> None:
    older, without = ec2.cluster(ReleaseLabel="emr-7.13.0"), ec2.cluster(SessionEnabled=None)
    ended = ec2.cluster()
    ec2.client.terminate_job_flows(JobFlowIds=[ended])
    ec2.cluster_reached(ended, "TERMINATED")
    ec2.emr.configure(application_start_seconds=60)
    starting = ec2.make()
    for cluster_id, expected in (
        (older, "emr-7.13.0; sessions are supported from emr-spark-8.0.0"),
        (without, "Sessions are not enabled"),
        (ended, "is TERMINATED"),
        (starting, "is STARTING"),
        ("j-NOTHERE", "Cluster j-NOTHERE does not exist"),
    ):
        with refused(match=expected):
            ec2.start(cluster_id)
    assert ec2.emr.cluster_sessions() == []


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"SessionIdleTimeoutInMinutes": 0}, "SessionIdleTimeoutInMinutes: must be at least 1"),
        ({"Tags": [{"Value": "no key"}]}, "Tags"),
        ({"Tags": [{"Key": "aws:mine", "Value": "1"}]}, "aws:mine"),
        ({"EngineConfigurations": [{"Properties": {"a": "b"}}]}, "Classification"),
        (
            {"EngineConfigurations": [{"Classification": DEFAULTS, "Properties": {"spark.executor.memory": "much"}}]},
            "spark.executor.memory",
        ),
        ({"MonitoringConfiguration": {"S3LoggingConfiguration": {"Enabled": True}}}, "LogUri: is required"),
        ({"MonitoringConfiguration": {"S3LoggingConfiguration": {"LogUri": "here"}}}, "LogUri"),
    ],
)
def test_refused_requests(params: dict[str, Any], expected: str, ec2: Ec2, cluster_id: str) -> None:
    with refused(match=expected):
        ec2.start(cluster_id, **params)
    assert ec2.emr.cluster_sessions() == []


def test_unknown_ones(ec2: Ec2, cluster_id: str) -> None:
    ids = ec2.start(cluster_id)
    for wrong in ({**ids, "SessionId": "nothere"}, {**ids, "ClusterId": "j-NOTHERE"}, {**ids, "ClusterId": ec2.make()}):
        for call in (ec2.client.get_session, ec2.client.terminate_session, ec2.client.get_session_endpoint):
            with refused(match="does not exist"):
                call(**wrong)
    with refused(match="does not exist"):
        ec2.client.list_sessions(ClusterId="j-NOTHERE")


def test_the_same_token_twice(ec2: Ec2, cluster_id: str) -> None:
    once = {"ClientRequestToken": "t" * 36}
    assert ec2.start(cluster_id, **once) == ec2.start(cluster_id, **once)
    with refused(match="ClientRequestToken: t+ was used"):
        ec2.start(cluster_id, Name="other", **once)
    assert ec2.start(cluster_id) != ec2.start(cluster_id)
    assert len(ec2.emr.cluster_sessions(cluster_id)) == 3
    assert ec2.emr.cluster_sessions()[0]["clientToken"] == "t" * 36
    with refused("ValidationException", "ClientRequestToken"):
        ec2.start(cluster_id, ClientRequestToken="t" * 37)


def test_listing(ec2: Ec2, cluster_id: str) -> None:
    made = [ec2.started(cluster_id) for _ in range(3)]
    ec2.start(ec2.cluster())
    ec2.client.terminate_session(**made[0])
    ec2.reached(made[0], "TERMINATED")
    newest_first = [ids["SessionId"] for ids in reversed(made)]

    def listed(**filters: Any) -> dict[str, Any]:
        answer: dict[str, Any] = ec2.client.list_sessions(ClusterId=cluster_id, **filters)
        return {"ids": [one["Id"] for one in answer["Sessions"]], "token": answer.get("NextToken")}

    assert listed() == {"ids": newest_first, "token": None}
    assert listed(SessionStates=["IDLE", "BUSY"])["ids"] == newest_first[:2]
    first = listed(MaxResults=2)
    assert first["ids"] == newest_first[:2]
    assert listed(MaxResults=2, NextToken=first["token"]) == {"ids": newest_first[2:], "token": None}
    with refused(match="NextToken"):
        listed(SessionStates=["IDLE"], NextToken=first["token"])
    with refused("ValidationException", "MaxResults"):
        listed(MaxResults=101)


def test_the_endpoint_of_a_session(ec2: Ec2, cluster_id: str) -> None:
    ids = ec2.started(cluster_id)
    answers = [ec2.client.get_session_endpoint(**ids) for _ in range(2)]
    assert len({answer["AuthToken"] for answer in answers}) == 2
    assert answers[0]["Endpoint"].startswith("http://127.0.0.1:")
    assert "Credentials" not in answers[0]
    left = answers[0]["AuthTokenExpirationTime"] - datetime.now(timezone.utc)
    assert timedelta(minutes=59) < left <= timedelta(hours=1)
    record = ec2.record(ids)
    assert record["tokensMinted"] == 2
    assert answers[0]["AuthToken"] not in json.dumps(record)


def test_there_is_no_endpoint_before_and_after(ec2: Ec2, cluster_id: str) -> None:
    ec2.emr.configure(session_start_seconds=60)
    ids = ec2.start(cluster_id)
    ec2.reached(ids, "STARTING")
    with refused(match="is STARTING and has no endpoint"):
        ec2.client.get_session_endpoint(**ids)
    ec2.client.terminate_session(**ids)
    ec2.reached(ids, "TERMINATED")
    with refused(match="is TERMINATED and has no endpoint"):
        ec2.client.get_session_endpoint(**ids)


def test_what_a_grpc_client_is_told(
    ec2: Ec2, cluster_id: str, grpc_call: Callable[[str, str], tuple[str, str]]
) -> None:
    ids = ec2.started(cluster_id)
    answer = ec2.client.get_session_endpoint(**ids)
    url, token = answer["Endpoint"], answer["AuthToken"]
    code, details = grpc_call(url, token)
    assert (code, "is simulated" in details) == ("FAILED_PRECONDITION", True)
    ec2.emr.configure(session_token_seconds=0)
    code, details = grpc_call(url, ec2.client.get_session_endpoint(**ids)["AuthToken"])
    assert (code, "call GetSessionEndpoint" in details) == ("UNAUTHENTICATED", True)
    ec2.client.terminate_session(**ids)
    ec2.reached(ids, "TERMINATED")
    code, details = grpc_call(url, token)
    assert (code, "by request (TerminateSession)" in details) == ("FAILED_PRECONDITION", True)


def test_classifications_of_cluster_and_session(ec2: Ec2) -> None:
    def configured(classification: str, **properties: str) -> dict[str, Any]:
        return {"Classification": classification, "Properties": properties, "Configurations": []}

    cluster_id = ec2.cluster(
        Configurations=[configured(DEFAULTS, a="cluster", b="cluster"), configured("other", c="1")]
    )
    ids = ec2.start(cluster_id, EngineConfigurations=[configured(DEFAULTS, b="session")])
    assert ec2.record(ids)["classifications"] == {DEFAULTS: {"a": "cluster", "b": "session"}, "other": {"c": "1"}}


def test_logs(ec2: Ec2) -> None:
    s3 = ec2.emr.client("s3")
    s3.create_bucket(Bucket="logs")
    ec2.emr.script(session=ScriptedSession(stdout="hello\n"))
    cluster_id = ec2.cluster(LogUri="s3n://logs/emr/")
    s3_of = {"S3LoggingConfiguration": {"Enabled": True, "LogUri": "s3://logs/own"}}
    off = {"S3LoggingConfiguration": {"Enabled": False}}
    of_cluster, own, none = (
        ec2.started(cluster_id, **params)
        for params in ({}, {"MonitoringConfiguration": s3_of}, {"MonitoringConfiguration": off})
    )
    for ids in (of_cluster, own, none):
        ec2.client.terminate_session(**ids)
        ec2.reached(ids, "TERMINATED")

    def keys() -> set[str]:
        return {one["Key"] for one in s3.list_objects_v2(Bucket="logs").get("Contents", ())}

    expected = {
        f"{prefix}/{cluster_id}/sessions/{ids['SessionId']}/SPARK_DRIVER/stdout.gz"
        for prefix, ids in (("emr", of_cluster), ("own", own))
    }
    eventually(lambda: expected <= keys())
    assert not [key for key in keys() if none["SessionId"] in key]


def test_tags(ec2: Ec2, cluster_id: str) -> None:
    ids = ec2.started(cluster_id)
    scope = {"ResourceId": ids["SessionId"], "ClusterId": cluster_id}
    ec2.client.add_tags(**scope, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    ec2.client.remove_tags(**scope, TagKeys=["a"])
    assert ec2.get(ids)["Tags"] == [{"Key": "b", "Value": "2"}]
    assert ec2.cluster_view(cluster_id)["Tags"] == []
