"""Virtual clusters: one for a namespace, there until it is deleted."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.endpoint.local.services.emr_containers.lab import HOLD, Eks, needs_scheduler, refused
from tests.polling import eventually


def test_what_is_asked_for_is_shown(eks: Eks) -> None:
    provider = {"type": "EKS", "id": "one", "info": {"eksInfo": {"namespace": "etl"}}}
    answer = eks.client.create_virtual_cluster(name="etl", containerProvider=provider, tags={"team": "data"})
    cluster_id = answer["id"]
    assert len(cluster_id) == 25
    assert answer["arn"] == f"arn:aws:emr-containers:us-east-1:123456789012:/virtualclusters/{cluster_id}"
    view = eks.cluster_view(cluster_id)
    assert {name: view[name] for name in ("id", "name", "arn", "state", "containerProvider", "tags")} == {
        "id": cluster_id,
        "name": "etl",
        "arn": answer["arn"],
        "state": "RUNNING",
        "containerProvider": provider,
        "tags": {"team": "data"},
    }
    assert eks.emr.virtual_clusters()[0]["stateHistory"][0]["state"] == "RUNNING"


def test_a_namespace_has_one_active_virtual_cluster(eks: Eks) -> None:
    first = eks.cluster("jobs", "one")
    eks.cluster("jobs", "two")
    eks.cluster("others", "one")
    with refused(match=f"namespace jobs of EKS cluster one has the virtual cluster {first}"):
        eks.cluster("jobs", "one")
    eks.client.delete_virtual_cluster(id=first)
    eventually(lambda: eks.cluster_view(first)["state"] == "TERMINATED")
    assert eks.cluster("jobs", "one") != first


def test_deleting_goes_through_terminating_and_is_harmless_twice(eks: Eks, cluster_id: str) -> None:
    assert eks.client.delete_virtual_cluster(id=cluster_id)["id"] == cluster_id
    eks.client.delete_virtual_cluster(id=cluster_id)
    eventually(lambda: eks.cluster_view(cluster_id)["state"] == "TERMINATED")
    states = [change["state"] for change in eks.emr.virtual_clusters()[0]["stateHistory"]]
    assert states == ["RUNNING", "TERMINATING", "TERMINATED"]
    eks.client.delete_virtual_cluster(id=cluster_id)
    with refused(match="is TERMINATED and takes no work"):
        eks.submit(cluster_id)


@needs_scheduler
def test_updating_changes_the_limits(eks: Eks) -> None:
    limits = {"maxConcurrentJobRuns": 3, "maxInQueueJobRuns": 200}
    cluster_id = eks.cluster(schedulerConfiguration=limits)
    view = eks.cluster_view(cluster_id)
    assert view["schedulerConfiguration"] == limits
    assert view["schedulerStatus"] == {"currentInQueueJobRuns": 0, "currentConcurrentJobRuns": 0}
    token = {"clientToken": "once", "schedulerConfiguration": {"maxConcurrentJobRuns": 1}}
    for _ in range(2):
        updated = eks.client.update_virtual_cluster(id=cluster_id, **token)["virtualCluster"]
        assert updated["schedulerConfiguration"] == {"maxConcurrentJobRuns": 1}
    with refused(match="clientToken: once was used"):
        eks.client.update_virtual_cluster(id=cluster_id, clientToken="once")
    eks.client.delete_virtual_cluster(id=cluster_id)
    with refused(match="and cannot be updated"):
        eks.client.update_virtual_cluster(id=cluster_id, schedulerConfiguration=limits)


@needs_scheduler
@pytest.mark.parametrize("limit", ["maxConcurrentJobRuns", "maxInQueueJobRuns"])
def test_a_limit_is_a_thousand_at_most(eks: Eks, cluster_id: str, limit: str) -> None:
    with refused(match=f"schedulerConfiguration.{limit}: must be from 1 to 1000, not 1001"):
        eks.cluster(schedulerConfiguration={limit: 1001})
    with refused(match=f"schedulerConfiguration.{limit}: must be from 1 to 1000, not 1001"):
        eks.client.update_virtual_cluster(id=cluster_id, schedulerConfiguration={limit: 1001})


def test_one_with_active_job_runs_is_not_deleted(eks: Eks, cluster_id: str) -> None:
    eks.emr.script([HOLD])
    run_id = eks.submit(cluster_id)
    with refused(match="has 1 active job runs"):
        eks.client.delete_virtual_cluster(id=cluster_id)
    eks.client.cancel_job_run(virtualClusterId=cluster_id, id=run_id)
    eks.reached(cluster_id, run_id)
    eks.client.delete_virtual_cluster(id=cluster_id)


def test_listing_is_newest_first_and_filtered(eks: Eks) -> None:
    ids = [eks.cluster("a", "one"), eks.cluster("b", "one"), eks.cluster("c", "two")]
    eks.client.delete_virtual_cluster(id=ids[1])
    eventually(lambda: eks.cluster_view(ids[1])["state"] == "TERMINATED")

    def listed(**filters: object) -> list[str]:
        return [one["id"] for one in eks.client.list_virtual_clusters(**filters)["virtualClusters"]]

    assert listed() == ids[::-1]
    assert listed(states=["RUNNING"]) == [ids[2], ids[0]]
    assert listed(containerProviderId="one", containerProviderType="EKS") == [ids[1], ids[0]]
    created = eks.cluster_view(ids[1])["createdAt"]
    assert listed(createdAfter=created + timedelta(hours=1)) == []
    assert listed(createdBefore=created + timedelta(hours=1)) == ids[::-1]
    page = eks.client.list_virtual_clusters(maxResults=2)
    assert [one["id"] for one in page["virtualClusters"]] == [ids[2], ids[1]]
    assert listed(maxResults=2, nextToken=page["nextToken"]) == [ids[0]]
    with refused(match="nextToken"):
        listed(states=["RUNNING"], nextToken=page["nextToken"])


def test_unknown_ones(eks: Eks) -> None:
    with refused("ResourceNotFoundException", "Virtual cluster nothere does not exist"):
        eks.cluster_view("nothere")
    # The operation declares no ResourceNotFoundException.
    with refused("ValidationException", "Virtual cluster nothere does not exist"):
        eks.client.delete_virtual_cluster(id="nothere")


def test_a_client_token_is_good_for_one_request(eks: Eks) -> None:
    first = eks.cluster("a", clientToken="once")
    assert eks.cluster("a", clientToken="once") == first
    with refused(match="clientToken: once was used"):
        eks.cluster("b", clientToken="once")
    assert len(eks.emr.virtual_clusters()) == 1


@pytest.mark.parametrize("kind", ["cluster", "run"])
def test_tags(eks: Eks, kind: str) -> None:
    cluster_id = eks.cluster()
    view = eks.cluster_view(cluster_id)
    if kind == "run":
        view = eks.run(cluster_id, eks.submit(cluster_id))
    arn = view["arn"]
    eks.client.tag_resource(resourceArn=arn, tags={"a": "1", "b": "2"})
    eks.client.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert eks.client.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2"}
    with refused(match="reserved"):
        eks.client.tag_resource(resourceArn=arn, tags={"aws:x": "1"})
    with refused(match="at most 50"):
        eks.client.tag_resource(resourceArn=arn, tags={f"k{n}": "x" for n in range(50)})
    with refused("ResourceNotFoundException"):
        eks.client.list_tags_for_resource(resourceArn=arn + "0")


def test_what_is_not_offered_says_so(eks: Eks) -> None:
    with refused("UnknownOperationException", "does not offer ListSecurityConfigurations"):
        eks.client.list_security_configurations()
