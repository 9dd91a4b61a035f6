"""The two services of one endpoint: quotas, faults and the record of calls."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_emrs_ext.local.testing import LocalEmr, LocalEmrError
from tests.contract.wire import send
from tests.endpoint.local.services.emr_containers.lab import Eks, refused

NEW: dict[str, Any] = {"releaseLabel": "emr-7.5.0", "type": "SPARK"}


def test_a_throttled_call_has_the_services_own_error(eks: Eks, cluster_id: str) -> None:
    eks.emr.inject("DescribeVirtualCluster", "throttle")
    with refused("EKSRequestThrottledException", "Rate exceeded"):
        eks.cluster_view(cluster_id)
    assert eks.emr.calls("DescribeVirtualCluster")[0]["status"] == 429
    eks.emr.inject("DescribeVirtualCluster", "error", status=429)
    with refused("EKSRequestThrottledException"):
        eks.cluster_view(cluster_id)
    eks.emr.configure(quota_scale=0.04)
    eks.client.list_virtual_clusters()
    with refused("EKSRequestThrottledException"):
        eks.client.list_virtual_clusters()


def test_a_fault_may_be_for_one_service(eks: Eks, cluster_id: str) -> None:
    serverless = eks.emr.client("emr-serverless")
    application_id = serverless.create_application(**NEW)["applicationId"]
    eks.emr.inject("ListJobRuns", "error", service="emr-containers", times=None)
    assert serverless.list_job_runs(applicationId=application_id)["jobRuns"] == []
    with refused("InternalServerException"):
        eks.client.list_job_runs(virtualClusterId=cluster_id)
    eks.emr.clear_faults()
    eks.emr.inject("*", "error", times=None)
    for call in (eks.client.list_virtual_clusters, eks.client.list_job_templates):
        with refused("InternalServerException"):
            call()


def test_a_fault_may_be_for_one_virtual_cluster(eks: Eks, cluster_id: str) -> None:
    other = eks.cluster("other")
    eks.emr.inject("*", "error", application_id=cluster_id)
    eks.cluster_view(other)
    with refused("InternalServerException"):
        eks.cluster_view(cluster_id)
    assert [call["error"] for call in eks.emr.calls(application_id=cluster_id)] == ["InternalServerException"]


def test_calls_name_their_service(eks: Eks, cluster_id: str) -> None:
    eks.emr.client("emr-serverless").create_application(**NEW)
    eks.client.list_job_runs(virtualClusterId=cluster_id)
    assert [(call["service"], call["operation"]) for call in eks.emr.calls()] == [
        ("emr-containers", "CreateVirtualCluster"),
        ("emr-serverless", "CreateApplication"),
        ("emr-containers", "ListJobRuns"),
    ]
    assert len(eks.emr.calls(service="emr-serverless")) == 1
    assert len(eks.emr.calls("ListJobRuns", application_id=cluster_id)) == 1


def test_unknown_services_and_operations_are_named(emr: LocalEmr) -> None:
    with pytest.raises(LocalEmrError, match=r"service: must be one of emr-serverless, emr-containers, .*not 's3'"):
        emr.inject("*", "reset", service="s3")
    with pytest.raises(LocalEmrError, match="operation: must be \\* or one of"):
        emr.inject("CreateApplication", "reset", service="emr-containers")
    with pytest.raises(LocalEmrError, match="operation: must be one of"):
        emr.calls("CreateApplication", service="emr-containers")
    with pytest.raises(LocalEmrError, match="service: must be one of"):
        emr.calls(service="s3")


@pytest.mark.parametrize("path", ["/virtualclusters", "/jobtemplates", "/tags/arn:aws:emr-containers:us-east-1:1:/x"])
def test_a_request_without_a_signature_is_refused_by_the_service(emr: LocalEmr, path: str) -> None:
    answer = send(emr.url, "GET", path, authorization=None)
    assert (answer.status, answer.code) == (403, "MissingAuthenticationTokenException")
    assert emr.calls()[-1]["service"] == "emr-containers"
