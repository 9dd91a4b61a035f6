"""The persistent application UI of a job run, as Amazon EMR's own API answers for it."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.endpoint.local.services.emr_containers.lab import FAIL, HOLD, Eks, needs, refused

pytestmark = needs("CreatePersistentAppUIInput", service="emr")

INVALID = "InvalidRequestException"


@pytest.fixture
def emr_client(eks: Eks) -> Any:
    return eks.emr.client("emr")


def created(emr_client: Any, eks: Eks, cluster_id: str, job_run_id: str, **params: Any) -> str:
    """Create the UI of a job run; :return: its id."""
    arn = eks.cluster_view(cluster_id)["arn"]
    config = {"JobRunId": job_run_id}
    made = emr_client.create_persistent_app_ui(TargetResourceArn=arn, EMRContainersConfig=config, **params)
    return str(made["PersistentAppUIId"])


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as page:
        return str(page.read().decode())


def test_it_leads_to_the_last_attempt_once(eks: Eks, cluster_id: str, emr_client: Any) -> None:
    eks.emr.script([FAIL, HOLD])
    eks.emr.configure(eks_retry_seconds=0.01)
    job_run_id = eks.submit(cluster_id, retryPolicyConfiguration={"maxAttempts": 2})
    ui_id = created(emr_client, eks, cluster_id, job_run_id, Tags=[{"Key": "a", "Value": "b"}])
    assert ui_id == created(emr_client, eks, cluster_id, job_run_id)
    shown = emr_client.describe_persistent_app_ui(PersistentAppUIId=ui_id)["PersistentAppUI"]
    assert (shown["PersistentAppUIId"], shown["PersistentAppUITypeList"]) == (ui_id, ["SHS"])
    assert shown["Tags"] == [{"Key": "a", "Value": "b"}]
    eks.attempt_reached(job_run_id, 2, "RUNNING")
    answer = emr_client.get_persistent_app_ui_presigned_url(PersistentAppUIId=ui_id, PersistentAppUIType="SHS")
    assert answer["PresignedURLReady"] is True
    last = eks.record(job_run_id)["attempts"][-1]["logPath"].split("/")[-1]
    assert last in read(answer["PresignedURL"])
    with pytest.raises(urllib.error.HTTPError, match="403"):
        read(answer["PresignedURL"])
    eks.emr.finish(job_run_id)
    eks.reached(cluster_id, job_run_id)
    again = emr_client.get_persistent_app_ui_presigned_url(PersistentAppUIId=ui_id)
    assert last in read(again["PresignedURL"])
    assert [call["operation"] for call in eks.emr.calls(service="emr")][:2] == ["CreatePersistentAppUI"] * 2


def test_it_is_not_ready_before_the_driver_runs(eks: Eks, cluster_id: str, emr_client: Any) -> None:
    eks.emr.configure(scheduling_seconds=60)
    ui_id = created(emr_client, eks, cluster_id, eks.submit(cluster_id))
    answer = emr_client.get_persistent_app_ui_presigned_url(PersistentAppUIId=ui_id)
    assert answer["PresignedURLReady"] is False
    assert "PresignedURL" not in answer


def test_a_job_run_without_one(eks: Eks, cluster_id: str, emr_client: Any) -> None:
    without = {"monitoringConfiguration": {"persistentAppUI": "DISABLED"}}
    job_run_id = eks.submit(cluster_id, configurationOverrides=without)
    with refused(INVALID, "persistentAppUI is DISABLED"):
        created(emr_client, eks, cluster_id, job_run_id)


def test_refused(eks: Eks, cluster_id: str, emr_client: Any) -> None:
    job_run_id = eks.submit(cluster_id)
    ui_id = created(emr_client, eks, cluster_id, job_run_id)
    arn = eks.cluster_view(cluster_id)["arn"]
    create, describe = emr_client.create_persistent_app_ui, emr_client.describe_persistent_app_ui
    for call, params, expected in (
        (create, {"TargetResourceArn": arn}, "JobRunId"),
        (create, {"TargetResourceArn": arn, "EMRContainersConfig": {"JobRunId": "nothere"}}, "does not exist"),
        (create, {"TargetResourceArn": "arn:aws:elasticmapreduce:us-east-1:1:cluster/j-1"}, "TargetResourceArn"),
        (
            create,
            {"TargetResourceArn": arn, "EMRContainersConfig": {"JobRunId": job_run_id}, "ProfilerType": "TEZUI"},
            "ProfilerType",
        ),
        (describe, {"PersistentAppUIId": "p-NOTHERE"}, "does not exist"),
        (
            emr_client.get_persistent_app_ui_presigned_url,
            {"PersistentAppUIId": ui_id, "PersistentAppUIType": "TEZ"},
            "PersistentAppUIType",
        ),
    ):
        with refused(INVALID, expected):
            call(**params)
    with refused("ValidationException", "TargetResourceArn.*length"):
        create(TargetResourceArn="x" * 3000)
