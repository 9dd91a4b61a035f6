"""Clusters: their states, what ends them, and which operations are about them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.endpoint.local.services.emr_on_ec2.lab import INVALID, Ec2, refused

VALIDATION = "ValidationException"


def test_from_its_creation_to_its_end(ec2: Ec2) -> None:
    made = ec2.client.run_job_flow(
        Name="mine",
        ReleaseLabel="emr-spark-8.0.0",
        SessionEnabled=True,
        LogUri="s3://logs/emr",
        Instances={"KeepJobFlowAliveWhenNoSteps": True, "Ec2SubnetId": "subnet-1"},
        Applications=[{"Name": "Spark"}],
        Tags=[{"Key": "team", "Value": "data"}, {"Key": "empty"}],
        JobFlowRole="instances",
        ServiceRole="service",
    )
    cluster_id = made["JobFlowId"]
    assert made["ClusterArn"] == f"arn:aws:elasticmapreduce:us-east-1:123456789012:cluster/{cluster_id}"
    cluster = ec2.cluster_reached(cluster_id, "WAITING")
    assert (cluster["Name"], cluster["ReleaseLabel"], cluster["SessionEnabled"]) == ("mine", "emr-spark-8.0.0", True)
    assert (cluster["LogUri"], cluster["ServiceRole"], cluster["AutoTerminate"]) == ("s3://logs/emr", "service", False)
    assert cluster["Ec2InstanceAttributes"] == {"Ec2SubnetId": "subnet-1", "IamInstanceProfile": "instances"}
    assert cluster["Tags"] == [{"Key": "team", "Value": "data"}, {"Key": "empty", "Value": ""}]
    timeline = cluster["Status"]["Timeline"]
    assert timeline["CreationDateTime"] < timeline["ReadyDateTime"]
    for _ in range(2):
        ec2.client.terminate_job_flows(JobFlowIds=[cluster_id])
    status = ec2.cluster_reached(cluster_id, "TERMINATED")["Status"]
    assert status["StateChangeReason"]["Code"] == "USER_REQUEST"
    assert status["Timeline"]["EndDateTime"] > timeline["ReadyDateTime"]
    ec2.client.terminate_job_flows(JobFlowIds=[cluster_id])
    walked = ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING", "TERMINATING", "TERMINATED"]
    assert ec2.cluster_path(cluster_id) == walked


def test_terminated_while_it_starts(ec2: Ec2) -> None:
    ec2.emr.configure(application_start_seconds=0.3)
    cluster_id = ec2.make()
    ec2.client.terminate_job_flows(JobFlowIds=[cluster_id])
    ec2.cluster_reached(cluster_id, "TERMINATED")
    assert ec2.cluster_path(cluster_id) == ["STARTING", "TERMINATING", "TERMINATED"]


def test_one_that_is_not_kept_alive(ec2: Ec2) -> None:
    cluster_id = ec2.make(Instances={})
    status = ec2.cluster_reached(cluster_id, "TERMINATED")["Status"]
    assert status["StateChangeReason"]["Code"] == "ALL_STEPS_COMPLETED"
    assert "WAITING" not in ec2.cluster_path(cluster_id)


def test_termination_protection(ec2: Ec2) -> None:
    held, other = ec2.cluster(), ec2.cluster()
    ec2.client.set_termination_protection(JobFlowIds=[held], TerminationProtected=True)
    assert ec2.cluster_view(held)["TerminationProtected"] is True
    with refused(VALIDATION, f"{held}: termination protection is on"):
        ec2.client.terminate_job_flows(JobFlowIds=[other, held])
    assert ec2.cluster_view(other)["Status"]["State"] == "WAITING"
    ec2.client.set_termination_protection(JobFlowIds=[held], TerminationProtected=False)
    ec2.client.terminate_job_flows(JobFlowIds=[other, held])
    for cluster_id in (held, other):
        ec2.cluster_reached(cluster_id, "TERMINATED")


def test_an_idle_cluster_terminates_by_its_policy_and_sessions_put_it_off(ec2: Ec2) -> None:
    idle, busy = (ec2.cluster(AutoTerminationPolicy={"IdleTimeout": 60}) for _ in range(2))
    session = ec2.started(busy)
    ec2.client.put_auto_termination_policy(ClusterId=idle, AutoTerminationPolicy={"IdleTimeout": 120})
    policy = ec2.client.get_auto_termination_policy(ClusterId=idle)["AutoTerminationPolicy"]
    assert policy == {"IdleTimeout": 120}
    ec2.emr.hold_session_busy(session["SessionId"])
    ec2.emr.configure(seconds_per_minute=0.05)
    status = ec2.cluster_reached(idle, "TERMINATED")["Status"]
    assert "120 seconds" in status["StateChangeReason"]["Message"]
    assert ec2.cluster_view(busy)["Status"]["State"] == "WAITING"
    ec2.client.terminate_session(**session)
    ec2.cluster_reached(busy, "TERMINATED")


def test_without_a_policy_it_stays(ec2: Ec2) -> None:
    cluster_id = ec2.cluster(AutoTerminationPolicy={"IdleTimeout": 60})
    ec2.client.remove_auto_termination_policy(ClusterId=cluster_id)
    assert "AutoTerminationPolicy" not in ec2.client.get_auto_termination_policy(ClusterId=cluster_id)
    ec2.emr.configure(seconds_per_minute=0.001)
    assert ec2.cluster_view(cluster_id)["Status"]["State"] == "WAITING"


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"ReleaseLabel": None}, "ReleaseLabel: is required"),
        ({"ReleaseLabel": "emr-8.0.0"}, "there may be emr-spark-8.0.0"),
        ({"LogUri": "/logs"}, "LogUri"),
        ({"Tags": [{"Value": "a"}]}, "Tags"),
        ({"AutoTerminationPolicy": {"IdleTimeout": 59}}, "IdleTimeout"),
        ({"Configurations": [{"Properties": {"a": "b"}}]}, "Configurations.1.Classification"),
    ],
)
def test_refused_requests(params: dict[str, Any], expected: str, ec2: Ec2) -> None:
    with refused(VALIDATION, expected):
        ec2.make(**params)
    assert ec2.emr.clusters() == []


def test_unknown_ones(ec2: Ec2) -> None:
    for call, params in (
        (ec2.client.describe_cluster, {"ClusterId": "j-NOTHERE"}),
        (ec2.client.add_tags, {"ResourceId": "j-NOTHERE", "Tags": [{"Key": "a", "Value": "b"}]}),
        (ec2.client.remove_tags, {"ResourceId": "j-NOTHERE", "TagKeys": ["a"]}),
        (ec2.client.start_session, {"ClusterId": "j-NOTHERE"}),
    ):
        with refused(INVALID, "Cluster j-NOTHERE does not exist"):
            call(**params)
    with refused(VALIDATION, "j-NOTHERE"):
        ec2.client.terminate_job_flows(JobFlowIds=["j-NOTHERE"])


def test_listing(ec2: Ec2) -> None:
    made = [ec2.cluster() for _ in range(3)]
    ec2.client.terminate_job_flows(JobFlowIds=made[:1])
    ec2.cluster_reached(made[0], "TERMINATED")

    def listed(**filters: Any) -> list[str]:
        return [one["Id"] for one in ec2.client.list_clusters(**filters)["Clusters"]]

    assert listed() == made[::-1]
    assert listed(ClusterStates=["RUNNING", "WAITING"]) == made[:0:-1]
    now, hour = datetime.now(timezone.utc), timedelta(hours=1)
    assert listed(CreatedAfter=now - hour, CreatedBefore=now + hour) == made[::-1]
    assert listed(CreatedAfter=now + hour) == listed(CreatedBefore=now - hour) == []
    with refused(INVALID, "Marker"):
        listed(Marker="nothing")


def test_a_listing_of_many(ec2: Ec2) -> None:
    made = [ec2.make() for _ in range(51)]
    pages = ec2.client.get_paginator("list_clusters").paginate()
    assert [[one["Id"] for one in page["Clusters"]] for page in pages] == [made[:0:-1], made[:1]]


def test_tags(ec2: Ec2, cluster_id: str) -> None:
    ec2.client.add_tags(ResourceId=cluster_id, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    ec2.client.remove_tags(ResourceId=cluster_id, TagKeys=["a", "none"])
    assert ec2.cluster_view(cluster_id)["Tags"] == [{"Key": "b", "Value": "2"}]
    with refused(INVALID, "at most 10 tags"):
        ec2.client.add_tags(ResourceId=cluster_id, Tags=[{"Key": f"k{n}", "Value": "1"} for n in range(10)])


def test_another_region_does_not_see_it(ec2: Ec2, cluster_id: str) -> None:
    elsewhere = ec2.emr.client("emr", region_name="eu-west-1")
    assert elsewhere.list_clusters()["Clusters"] == []
    with refused(INVALID, "there is one in us-east-1"):
        elsewhere.describe_cluster(ClusterId=cluster_id)


def test_what_is_about_clusters_is_answered_here_or_refused(ec2: Ec2, cluster_id: str) -> None:
    for call, params in (
        (ec2.client.list_instance_groups, {"ClusterId": cluster_id}),
        (ec2.client.describe_job_flows, {"JobFlowIds": [cluster_id]}),
        (ec2.client.list_bootstrap_actions, {"ClusterId": cluster_id}),
    ):
        with refused("UnknownOperationException", "does not offer"):
            call(**params)


def test_what_is_not_about_clusters_is_motos(ec2: Ec2) -> None:
    ec2.client.create_security_configuration(Name="mine", SecurityConfiguration="{}")
    assert ec2.client.describe_security_configuration(Name="mine")["SecurityConfiguration"] == "{}"
    assert ec2.emr.calls(service="emr") == []


def test_calls_and_faults_are_of_a_cluster(ec2: Ec2) -> None:
    one, other = ec2.cluster(), ec2.cluster()
    ec2.emr.inject("TerminateJobFlows", "error", application_id=one, service="emr")
    ec2.client.terminate_job_flows(JobFlowIds=[other])
    with refused("InternalServerException", "Injected fault"):
        ec2.client.terminate_job_flows(JobFlowIds=[one])
    calls = ec2.emr.calls("TerminateJobFlows", application_id=one)
    assert [(call["status"], call["error"]) for call in calls] == [(500, "InternalServerException")]
    described = ec2.emr.calls("DescribeCluster", application_id=other)[-1]
    assert (described["owner"], described["parameters"]) == (other, {"ClusterId": other})


def test_everything_is_forgotten(ec2: Ec2, cluster_id: str) -> None:
    ec2.started(cluster_id)
    ec2.emr.reset()
    assert (ec2.emr.clusters(), ec2.emr.cluster_sessions()) == ([], [])
