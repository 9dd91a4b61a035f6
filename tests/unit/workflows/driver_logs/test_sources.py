"""What is asked of S3 and CloudWatch Logs, and what is made of their answers and refusals."""

from __future__ import annotations

import gzip
from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_emrs_ext.exceptions import EmrError, RequestRejected, ResourceNotFound
from airflow_emrs_ext.workflows.driver_logs.inflating import GzipTail
from airflow_emrs_ext.workflows.driver_logs.places import sources, to_follow
from airflow_emrs_ext.workflows.driver_logs.reports import excerpt
from airflow_emrs_ext.workflows.driver_logs.sources import CloudWatchLogs, Piece, S3Logs
from tests.unit.stepping import Stepper, client_error

S3 = S3Logs("s3://bucket/logs/SPARK_DRIVER/")
CLOUD_WATCH = CloudWatchLogs("/group", "/apps/SPARK_DRIVER")
RUN = {
    "application_id": "00fapp",
    "job_run_id": "00frun",
    "attempt": 1,
    "type": "SPARK",
    "log_locations": {
        "s3_uri": "s3://bucket/logs/SPARK_DRIVER/",
        "cloudwatch_log_group": "/group",
        "cloudwatch_log_stream_prefix": "/apps/SPARK_DRIVER",
        "managed_storage": True,
    },
}


class Objects:
    """S3 with one object, whose body is fed to the sink of each call."""

    def __init__(self, *texts: bytes) -> None:
        self.stepper = Stepper(self._answers(texts))

    def _answers(self, texts: tuple[bytes, ...]) -> Any:
        for number, text in enumerate(texts):
            # The call is there when the answer is asked for.
            call = self.stepper.calls[-1]
            assert call.sink is not None
            sink = call.sink()
            assert isinstance(sink, GzipTail)
            sink.feed(gzip.compress(text))
            moment = datetime(2026, 5, 1, 12, number, tzinfo=timezone.utc)
            yield {"Body": sink, "ETag": f'"{number}"', "LastModified": moment}

    def read(self, mark: Any = None, **more: Any) -> Piece:
        return self.stepper.run(lambda ctx: S3.read(ctx, "stdout", mark, **more))


def test_what_has_not_changed_is_not_read_again() -> None:
    mark = {"etag": '"1"', "position": 4, "held": 0}
    stepper = Stepper([client_error("304", "Not Modified", 304, "GetObject")])
    piece = stepper.run(lambda ctx: S3.read(ctx, "stdout", mark))
    assert (piece.data, piece.mark, piece.is_new) == (b"", mark, False)
    assert stepper.calls[0].service == "s3"
    assert stepper.calls[0].parameters == {
        "Bucket": "bucket",
        "Key": "logs/SPARK_DRIVER/stdout.gz",
        "IfNoneMatch": '"1"',
    }


def test_only_what_is_new_is_kept() -> None:
    objects = Objects(b"one\ntwo\nthr")
    piece = objects.read({"etag": '"x"', "position": 4, "held": 0})
    assert piece.data == b"two\n"
    assert piece.mark == {"etag": '"0"', "position": 8, "held": 3}


def test_the_line_that_was_held_back_is_read_at_the_end() -> None:
    objects = Objects(b"one\ntwo\nthr")
    piece = objects.read({"etag": '"0"', "position": 8, "held": 3}, is_last=True)
    assert piece.data == b"thr"
    assert "IfNoneMatch" not in objects.stepper.calls[0].parameters


def test_another_file_is_read_from_its_beginning() -> None:
    objects = Objects(b"new\n", b"new\n")
    piece = objects.read({"etag": '"x"', "position": 4000, "held": 0})
    assert (piece.data, piece.mark["position"]) == (b"new\n", 4)
    assert len(objects.stepper.calls) == 2


def test_of_a_long_log_whole_lines_are_left() -> None:
    text = b"".join(b"line %d\n" % number for number in range(200_000))
    piece = Objects(text).read({})
    assert piece.data.startswith(b"line ")
    assert text.endswith(piece.data)
    assert (piece.omitted + len(piece.data), piece.mark["position"]) == (len(text), len(text))
    assert 1_000_000 < len(piece.data) <= 1 << 20


def test_the_end_is_read_without_a_mark() -> None:
    piece = Objects(b"one\ntwo").read()
    assert piece.data == b"one\ntwo"
    assert piece.written_at == datetime(2026, 5, 1, 12, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("source", "error", "error_class", "said"),
    [
        (S3, client_error("NoSuchKey", "", 404), ResourceNotFound, "s3://bucket/logs/SPARK_DRIVER/stdout.gz is not"),
        (S3, client_error("AccessDenied", "Access Denied", 403), RequestRejected, "`s3:GetObject`"),
        (S3, client_error("NoSuchBucket", "", 404), RequestRejected, "Create the bucket of the log URI"),
        (CLOUD_WATCH, client_error("ResourceNotFoundException", "", 400), ResourceNotFound, "log group /group, stream"),
        (CLOUD_WATCH, client_error("AccessDeniedException", "no", 400), RequestRejected, "`logs:GetLogEvents`"),
    ],
)
def test_a_refusal_says_what_to_do(source: Any, error: Exception, error_class: type[EmrError], said: str) -> None:
    with pytest.raises(error_class) as caught:
        Stepper([error]).run(lambda ctx: source.read(ctx, "stdout"))
    assert said in caught.value.message


def page(*lines: str, token: str) -> dict[str, Any]:
    return {"events": [{"message": line, "timestamp": 1000} for line in lines], "nextForwardToken": token}


def test_cloud_watch_is_read_page_by_page_up_to_its_end() -> None:
    stepper = Stepper([page("one", token="a"), page("two", token="b"), page(token="b")])
    piece = stepper.run(lambda ctx: CLOUD_WATCH.read(ctx, "stdout", {}))
    assert (piece.data, piece.mark) == (b"one\ntwo\n", {"token": "b"})
    assert [call.parameters.get("nextToken") for call in stepper.calls] == [None, "a", "b"]
    assert all(call.parameters["startFromHead"] and call.service == "logs" for call in stepper.calls)


def test_the_end_of_a_stream_in_cloud_watch_is_one_page() -> None:
    stepper = Stepper([page("last", token="a")])
    assert stepper.run(lambda ctx: CLOUD_WATCH.read(ctx, "stdout")).text == "last\n"
    assert stepper.calls[0].parameters["startFromHead"] is False


def test_the_places_in_their_order() -> None:
    assert [source.name for source in sources(RUN)] == ["s3", "cloudwatch"]
    assert [source.name for source in to_follow(RUN)] == ["cloudwatch", "s3"]
    none = {**RUN, "log_locations": {**RUN["log_locations"], "s3_uri": None}}  # type: ignore[dict-item]
    assert [source.name for source in sources(none)] == ["cloudwatch", "managed"]
    assert [source.name for source in to_follow(none)] == ["cloudwatch"]


def test_logs_that_have_begun_are_waited_for() -> None:
    page = {"events": [], "nextForwardToken": "f/0"}
    line = {"message": "ValueError: three", "timestamp": 1_000_000}
    stepper = Stepper([page, page, {**page, "events": [line]}, page])
    run = {**RUN, "updated_at": datetime.fromtimestamp(1000, timezone.utc).isoformat()}
    run["log_locations"] = {**RUN["log_locations"], "s3_uri": None, "managed_storage": False}
    found = stepper.run(lambda ctx: excerpt(ctx, run, failed=False, waits=True), driver_log_interval=30.0)
    assert found.lines == ("[stdout] ValueError: three",)
    assert 0 < sum(stepper.sleeps) < 30
