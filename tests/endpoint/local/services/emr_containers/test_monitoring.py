"""Where the logs of job runs are delivered, and how much of them."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_emrs_ext.local.services.emr_containers.monitoring import log_destinations
from airflow_emrs_ext.local.testing import ScriptedAttempt
from tests.endpoint.local.services.emr_containers.lab import Eks, refused

S3 = {"s3MonitoringConfiguration": {"logUri": "s3://logs/some/prefix/"}}


@pytest.fixture
def bucket(eks: Eks) -> str:
    eks.emr.client("s3").create_bucket(Bucket="logs")
    return "logs"


def monitored(configuration: dict[str, Any]) -> dict[str, Any]:
    return {"configurationOverrides": {"monitoringConfiguration": configuration}}


def test_a_folder_on_s3_is_named_after_the_job_run(eks: Eks, cluster_id: str, bucket: str) -> None:
    eks.emr.script([ScriptedAttempt(stdout="one", stderr="e")])
    run_id = eks.submit(cluster_id, retryPolicyConfiguration={"maxAttempts": 1}, **monitored(S3))
    eks.reached(cluster_id, run_id)
    driver = f"some/prefix/{cluster_id}/jobs/{run_id}/containers/spark-{run_id}/spark-{run_id}-driver"
    assert eks.logs(bucket) == {f"{driver}/stdout.gz": "one", f"{driver}/stderr.gz": "e"}


def test_each_attempt_has_a_folder_on_s3(eks: Eks, cluster_id: str, bucket: str) -> None:
    eks.emr.configure(eks_retry_seconds=0.01)
    eks.emr.script([ScriptedAttempt(succeeded=False, stdout="one", stderr="e"), ScriptedAttempt(stdout="two")])
    run_id = eks.submit(cluster_id, retryPolicyConfiguration={"maxAttempts": 2}, **monitored(S3))
    eks.reached(cluster_id, run_id)
    first, second = (attempt["logPath"].rpartition("/")[2] for attempt in eks.record(run_id)["attempts"])
    one, two = (name.removeprefix(f"spark-{run_id}-") for name in (first, second))
    assert int(one, 16) != int(two, 16)
    containers = f"some/prefix/{cluster_id}/jobs/{run_id}/containers"
    assert eks.logs(bucket) == {
        f"{containers}/{first}/spark-{run_id}-driver-{one}/stdout.gz": "one",
        f"{containers}/{first}/spark-{run_id}-driver-{one}/stderr.gz": "e",
        f"{containers}/{second}/spark-{run_id}-driver-{two}/stdout.gz": "two",
        f"{containers}/{second}/spark-{run_id}-driver-{two}/stderr.gz": "",
    }


def test_cloudwatch(eks: Eks, cluster_id: str) -> None:
    eks.emr.script([ScriptedAttempt(stdout="one\ntwo\n")])
    place = {"logGroupName": "/eks/jobs", "logStreamNamePrefix": "mine"}
    run_id = eks.submit(cluster_id, **monitored({"cloudWatchMonitoringConfiguration": place}))
    eks.reached(cluster_id, run_id)
    stream = f"mine/{eks.record(run_id)['attempts'][0]['logPath']}/spark-{run_id}-driver/stdout"
    events = eks.emr.client("logs").get_log_events(logGroupName="/eks/jobs", logStreamName=stream, startFromHead=True)
    assert [event["message"] for event in events["events"]] == ["one", "two"]


def test_rotation_keeps_the_newest(eks: Eks, cluster_id: str, bucket: str) -> None:
    eks.emr.script([ScriptedAttempt(stdout="old" + "x" * 4096 + "new")])
    rotation = {"containerLogRotationConfiguration": {"rotationSize": "2KB", "maxFilesToKeep": 2}}
    eks.reached(cluster_id, eks.submit(cluster_id, **monitored({**S3, **rotation})))
    (text,) = (text for key, text in eks.logs(bucket).items() if key.endswith("stdout.gz"))
    assert text == "x" * 4093 + "new"


@pytest.mark.parametrize(
    ("size", "bytes_kept"), [("2KB", 4096), ("2.5K", 5120), ("1Mb", 2 << 20), ("2GB", 4 << 30), ("0.5G", 1 << 30)]
)
def test_rotation_sizes(size: str, bytes_kept: int) -> None:
    rotation = {"containerLogRotationConfiguration": {"rotationSize": size, "maxFilesToKeep": 2}}
    assert log_destinations(rotation).most_bytes == bytes_kept


@pytest.mark.parametrize(
    ("size", "files", "message"),
    [
        ("1KB", 1, "rotationSize: must be from 2KB to 2GB, not 1KB"),
        ("3GB", 1, "rotationSize: must be from 2KB to 2GB, not 3GB"),
        ("10TB", 1, "rotationSize"),
        ("2KB", 51, "maxFilesToKeep"),
    ],
)
def test_unusable_rotation(eks: Eks, cluster_id: str, size: str, files: int, message: str) -> None:
    rotation = {"containerLogRotationConfiguration": {"rotationSize": size, "maxFilesToKeep": files}}
    with refused(match=message):
        eks.submit(cluster_id, **monitored(rotation))


def test_the_persistent_ui_is_on_unless_it_is_turned_off(eks: Eks, cluster_id: str) -> None:
    on, off = eks.submit(cluster_id), eks.submit(cluster_id, **monitored({"persistentAppUI": "DISABLED"}))
    assert eks.record(on)["monitoring"] == {"persistentAppUI": "ENABLED"}
    assert eks.record(off)["monitoring"] == {"persistentAppUI": "DISABLED"}


def test_logs_that_cannot_be_delivered_fail_nothing(eks: Eks, cluster_id: str) -> None:
    nowhere = {"s3MonitoringConfiguration": {"logUri": "s3://no-such-bucket/x"}}
    assert eks.reached(cluster_id, eks.submit(cluster_id, **monitored(nowhere)))["state"] == "COMPLETED"
