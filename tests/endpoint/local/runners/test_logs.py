"""Delivery of logs, to the S3 and the CloudWatch Logs of a real endpoint."""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from airflow_emrs_ext.local.base.aws import AwsTarget
from airflow_emrs_ext.local.runners.logs import LogDelivery
from airflow_emrs_ext.local.services.emr_serverless.monitoring import log_destinations
from airflow_emrs_ext.local.testing import LocalEmr
from tests.endpoint.local.runners.spark.specs import spark_submit, spec
from tests.polling import eventually

CLOUDWATCH = {"cloudWatchLoggingConfiguration": {"enabled": True}}
S3 = {"s3MonitoringConfiguration": {"logUri": "s3://log-bucket/some/prefix/"}}


class Place:
    """An attempt's log files and where they are delivered to."""

    def __init__(self, emr: LocalEmr, directory: Path) -> None:
        self.target = AwsTarget(emr.url)
        self.s3, self.logs = self.target.client("s3"), self.target.client("logs")
        self.s3.create_bucket(Bucket="log-bucket")
        self.directory = directory
        self.stdout, self.stderr, self.executor = directory / "out", directory / "err", directory / "executor"

    def delivery(
        self,
        monitoring: dict[str, Any],
        refresh_seconds: float = 0.05,
        part_bytes: int | None = None,
        event_log: Callable[[], Path | None] = lambda: None,
        **changes: Any,
    ) -> LogDelivery:
        logs = log_destinations(monitoring, "SPARK_DRIVER")
        if part_bytes:
            logs = replace(logs, part_bytes=part_bytes)
        attempt = spec(self.directory, spark_submit(), logs=logs, **changes)
        files = {
            ("SPARK_DRIVER", "STDOUT"): self.stdout,
            ("SPARK_DRIVER", "STDERR"): self.stderr,
            ("SPARK_EXECUTOR/1", "STDERR"): self.executor,
        }
        return LogDelivery(attempt, files, self.target, lambda: refresh_seconds, event_log)

    def object(self, key: str) -> str | None:
        try:
            return gzip.decompress(self.s3.get_object(Bucket="log-bucket", Key=key)["Body"].read()).decode()
        except self.s3.exceptions.NoSuchKey:
            return None

    def events(self, stream: str, group: str = "/aws/emr-serverless") -> list[str]:
        try:
            answer = self.logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)
        except ClientError:
            return []
        return [event["message"] for event in answer["events"]]

    def streams(self, group: str = "/aws/emr-serverless") -> list[str]:
        return [stream["logStreamName"] for stream in self.logs.describe_log_streams(logGroupName=group)["logStreams"]]


@pytest.fixture
def place(emr: LocalEmr, tmp_path: Path) -> Place:
    return Place(emr, tmp_path)


async def test_s3_gets_both_files_again_and_again_and_at_the_end(place: Place) -> None:
    key = "some/prefix/applications/00app/jobs/00job/SPARK_DRIVER/"
    place.stdout.write_text("one\n")
    place.stderr.write_text("warning\n")
    delivery = place.delivery(S3)
    running = asyncio.create_task(delivery.run())
    await asyncio.to_thread(eventually, lambda: place.object(f"{key}stdout.gz") == "one\n")

    place.stdout.write_text("one\ntwo\n")
    await asyncio.to_thread(eventually, lambda: place.object(f"{key}stdout.gz") == "one\ntwo\n")
    running.cancel()
    place.stdout.write_text("one\ntwo\nthree")
    await delivery.finish()
    await delivery.finish()

    assert await asyncio.to_thread(place.object, f"{key}stdout.gz") == "one\ntwo\nthree"
    assert await asyncio.to_thread(place.object, f"{key}stderr.gz") == "warning\n"


async def test_a_long_log_is_in_parts_on_s3_and_whole_in_cloudwatch(place: Place) -> None:
    folder = "some/prefix/applications/00app/jobs/00job/SPARK_DRIVER"

    async def objects() -> dict[str, str | None]:
        listed = await asyncio.to_thread(place.s3.list_objects_v2, Bucket="log-bucket", Prefix=f"{folder}/")
        keys = [item["Key"] for item in listed["Contents"]]
        return {key.removeprefix(f"{folder}/"): await asyncio.to_thread(place.object, key) for key in keys}

    place.stdout.write_text("one\ntwo")
    delivery = place.delivery({**S3, **CLOUDWATCH}, part_bytes=6)
    await delivery.finish()
    assert await objects() == {"stdout.gz": "one\ntwo"}
    with place.stdout.open("a") as file:
        file.write(" and more\nfifth\nthe last\n")
    await delivery.finish()
    await delivery.finish()
    expected = {
        "archived/stdout_1.gz": "one\ntwo and more\n",
        "archived/stdout_2.gz": "fifth\n",
        "archived/stdout_3.gz": "the last\n",
        "stdout.gz": "",
    }
    assert await objects() == expected
    with place.stdout.open("a") as file:
        file.write("new")
    await delivery.finish()
    assert await objects() == {**expected, "stdout.gz": "new"}

    lines = await asyncio.to_thread(place.events, "/applications/00app/jobs/00job/SPARK_DRIVER/stdout")
    assert "".join(lines) == "onetwo and morefifththe lastnew"


async def test_the_event_log_is_beside_the_logs(place: Place, tmp_path: Path) -> None:
    written, ended = tmp_path / "app-1.inprogress", tmp_path / "app-1"
    delivery = place.delivery(S3, event_log=lambda: next((path for path in (ended, written) if path.exists()), None))
    folder = "some/prefix/applications/00app/jobs/00job/sparklogs/"

    async def objects() -> dict[str, str]:
        listed = await asyncio.to_thread(place.s3.list_objects_v2, Bucket="log-bucket", Prefix=folder)
        keys = [item["Key"] for item in listed.get("Contents", ())]
        bodies = [place.s3.get_object(Bucket="log-bucket", Key=key)["Body"].read().decode() for key in keys]
        return dict(zip((key.removeprefix(folder) for key in keys), bodies, strict=True))

    await delivery.finish()
    assert await objects() == {}
    written.write_text("{}\n")
    await delivery.finish()
    assert await objects() == {
        "eventlog_v2_app-1/events_1_app-1": "{}\n",
        "eventlog_v2_app-1/appstatus_app-1.inprogress": "",
    }
    written.rename(ended)
    await delivery.finish()
    assert await objects() == {"eventlog_v2_app-1/events_1_app-1": "{}\n", "eventlog_v2_app-1/appstatus_app-1": ""}


@pytest.mark.parametrize(("driver_name", "part_bytes"), [("SPARK_DRIVER", 128 * 1024 * 1024), ("HIVE_DRIVER", None)])
def test_logs_of_spark_are_rotated_and_have_an_event_log(driver_name: str, part_bytes: int | None) -> None:
    logs = log_destinations(S3, driver_name)
    assert (logs.part_bytes, logs.event_logs) == (part_bytes, part_bytes is not None)


async def test_attempts_have_their_own_place(place: Place) -> None:
    place.stdout.write_text("x")

    await place.delivery(S3, log_path="applications/00app/jobs/00job/attempts/2").finish()

    key = "some/prefix/applications/00app/jobs/00job/attempts/2/SPARK_DRIVER/stdout.gz"
    assert await asyncio.to_thread(place.object, key) == "x"


async def test_cloudwatch_gets_every_line_once(place: Place) -> None:
    stream = "/applications/00app/jobs/00job/SPARK_DRIVER/stdout"
    place.stdout.write_text("one\n\ntwo\nhal")
    delivery = place.delivery(CLOUDWATCH)
    running = asyncio.create_task(delivery.run())
    await asyncio.to_thread(eventually, lambda: place.events(stream) == ["one", " ", "two"])

    with place.stdout.open("a") as file:
        file.write("f\nlast")
    running.cancel()
    await delivery.finish()
    await delivery.finish()

    assert await asyncio.to_thread(place.events, stream) == ["one", " ", "two", "half", "last"]


async def test_cloudwatch_takes_long_lines_and_many(place: Place) -> None:
    place.stdout.write_text("x" * 600_000 + "\n" + "short\n" * 12_000)
    await place.delivery(CLOUDWATCH).finish()

    pages = place.logs.get_paginator("filter_log_events").paginate(
        logGroupName="/aws/emr-serverless",
        logStreamNames=["/applications/00app/jobs/00job/SPARK_DRIVER/stdout"],
    )
    messages = [event["message"] for page in pages for event in page["events"]]

    assert "".join(messages[:3]) == "x" * 600_000
    assert messages[3:] == ["short"] * 12_000


async def test_group_prefix_and_types_are_honoured(place: Place) -> None:
    place.stdout.write_text("out\n")
    place.stderr.write_text("err\n")
    configuration = {
        "enabled": True,
        "logGroupName": "my-group",
        "logStreamNamePrefix": "mine",
        "logTypes": {"SPARK_DRIVER": ["stderr"]},
    }

    await place.delivery({"cloudWatchLoggingConfiguration": configuration}).finish()

    stream = "mine/applications/00app/jobs/00job/SPARK_DRIVER/stderr"
    assert await asyncio.to_thread(place.streams, "my-group") == [stream]
    assert await asyncio.to_thread(place.events, stream, "my-group") == ["err"]


async def test_log_types_choose_the_workers(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    for path in (place.stdout, place.stderr, place.executor):
        path.write_text(f"{path.name}\n")
    log_types = {"SPARK_EXECUTOR": ["stderr", "stdout"]}

    with caplog.at_level(logging.WARNING):
        await place.delivery(
            {"cloudWatchLoggingConfiguration": {"enabled": True, "logTypes": log_types}, **S3}
        ).finish()

    stream = "/applications/00app/jobs/00job/SPARK_EXECUTOR/1/stderr"
    assert await asyncio.to_thread(place.streams) == [stream]
    assert await asyncio.to_thread(place.events, stream) == ["executor"]
    key = "some/prefix/applications/00app/jobs/00job/SPARK_EXECUTOR/1/stderr.gz"
    assert await asyncio.to_thread(place.object, key) == "executor\n"
    assert caplog.messages == [
        "applications/00app/jobs/00job: logTypes asks for STDOUT of SPARK_EXECUTOR, which nothing writes here"
    ]


async def test_without_log_types_cloudwatch_has_the_drivers_logs(place: Place) -> None:
    for path in (place.stdout, place.stderr, place.executor):
        path.write_text("x\n")
    await place.delivery(CLOUDWATCH).finish()
    assert [stream.rpartition("jobs/00job/")[2] for stream in await asyncio.to_thread(place.streams)] == [
        "SPARK_DRIVER/stderr",
        "SPARK_DRIVER/stdout",
    ]


@pytest.mark.parametrize("monitoring", [{}, {"cloudWatchLoggingConfiguration": {"enabled": False}}])
async def test_nothing_is_delivered_unasked(place: Place, monitoring: dict[str, Any]) -> None:
    place.stdout.write_text("x")
    delivery = place.delivery(monitoring)

    await asyncio.wait_for(delivery.run(), 5)
    await delivery.finish()

    assert "Contents" not in place.s3.list_objects_v2(Bucket="log-bucket")
    assert place.logs.describe_log_groups()["logGroups"] == []


async def test_what_cannot_be_delivered_is_reported_once_and_hurts_nothing_else(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.stdout.write_text("x\n")
    delivery = place.delivery({"s3MonitoringConfiguration": {"logUri": "s3://no-such-bucket/x"}, **CLOUDWATCH})

    with caplog.at_level(logging.WARNING):
        await delivery.finish()
        await delivery.finish()

    assert await asyncio.to_thread(place.events, "/applications/00app/jobs/00job/SPARK_DRIVER/stdout") == ["x"]
    assert len(caplog.records) == 1
    assert "s3://no-such-bucket/x/applications/00app/jobs/00job/SPARK_DRIVER/stdout.gz" in caplog.text
    assert "NoSuchBucket" in caplog.text
