"""Delivers the logs of a driver to S3 and CloudWatch Logs, in the services' layout."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import io
import logging
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from airflow_emrs_ext.local.base.aws import AwsTarget
from airflow_emrs_ext.local.base.runner import UNFINISHED, CloudWatchLogs, DriverSpec, LogDestinations, S3Logs

log: logging.Logger = logging.getLogger(__name__)

_IN_MEMORY_BYTES = 8 << 20
_CHUNK_BYTES = 1 << 20
# CloudWatch Logs is fed in near real time, unlike S3.
_CLOUDWATCH_SECONDS = 1.0
# What PutLogEvents takes at once, and what it counts for each event beside its text.
_BATCH_BYTES = 1_000_000
_BATCH_EVENTS = 10_000
_EVENT_OVERHEAD_BYTES = 26
_EVENT_BYTES = 250_000


class LogDelivery:
    """Delivers the log files of one driver, again and again while it runs and once more at the end.

    ``<uri>/<log_path>/<folder>/stdout.gz`` on S3, older parts in ``archived/stdout_<n>.gz`` beside it, and the stream
    ``<prefix>/<log_path>/<folder>/stdout`` of the log group in CloudWatch Logs; likewise ``stderr``. What cannot be
    delivered, or is asked for and never written, is reported in the endpoint's log and never fails the driver.

    :param spec: the driver
    :param log_files: (folder, log type) to the file that is being written; the driver's folder is its name
    :param target: where S3 and CloudWatch Logs are
    :param refresh_seconds: how long until the next delivery to S3, asked before each
    :param event_log: finds Spark's event log, named with :data:`~.runner.UNFINISHED` while it is written
    """

    def __init__(
        self,
        spec: DriverSpec,
        log_files: Mapping[tuple[str, str], Path],
        target: AwsTarget,
        refresh_seconds: Callable[[], float],
        event_log: Callable[[], Path | None] = lambda: None,
    ) -> None:
        self._refresh_seconds = refresh_seconds
        self._sinks: list[_Sink] = []
        logs = spec.logs
        if logs.s3 and logs.event_logs:
            self._sinks.append(_EventLogSink(target, logs.s3, f"{spec.log_path}/sparklogs", event_log))
        written = set()
        for (folder, log_type), path in log_files.items():
            name = f"{spec.log_path}/{folder}/{log_type.lower()}"
            worker_type = folder.partition("/")[0]
            written.add((worker_type, log_type))
            if logs.s3:
                self._sinks.append(_S3Sink(target, logs.s3, name, path, logs))
            if logs.cloudwatch and logs.cloudwatch.takes(worker_type, log_type):
                self._sinks.append(_CloudWatchSink(target, logs.cloudwatch, name, path))
        asked = (logs.cloudwatch and logs.cloudwatch.log_types) or {}
        for worker_type, log_types in asked.items():
            for log_type in sorted(log_types):
                if (worker_type, log_type) not in written:
                    log.warning(
                        "%s: logTypes asks for %s of %s, which nothing writes here",
                        spec.log_path,
                        log_type,
                        worker_type,
                    )

    async def run(self) -> None:
        """Deliver what is new, periodically, until cancelled."""
        if not self._sinks:
            return
        now = time.monotonic()
        due = {sink: now + self._wait(sink) for sink in self._sinks}
        while True:
            await asyncio.sleep(max(0.0, min(due.values()) - time.monotonic()))
            now = time.monotonic()
            ready = [sink for sink in self._sinks if due[sink] <= now]
            await asyncio.gather(*(asyncio.to_thread(sink.deliver) for sink in ready))
            for sink in ready:
                due[sink] = time.monotonic() + self._wait(sink)

    async def finish(self) -> None:
        """Deliver what is new since the last time."""
        await asyncio.gather(*(asyncio.to_thread(sink.finish) for sink in self._sinks))

    def _wait(self, sink: _Sink) -> float:
        return sink.wait_seconds(max(0.05, self._refresh_seconds()))


class _Sink:
    """One log file on its way to one place."""

    def __init__(self, find: Callable[[], Path | None], place: str) -> None:
        self._find = find
        self._path = Path()
        self._place = place
        self._failure: str | None = None
        # A delivery goes on in its thread when the task that waits for it is cancelled.
        self._lock = threading.Lock()

    def wait_seconds(self, refresh: float) -> float:
        """How long until the next delivery.

        :param refresh: for logs on S3
        """
        return refresh

    def deliver(self) -> None:
        """Deliver what is new; report a failure once."""
        self._try(self._deliver_new)

    def finish(self) -> None:
        """Deliver what is left."""
        self._try(self._deliver_last)

    def _try(self, deliver: Callable[[], None]) -> None:
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        with self._lock:
            path = self._find()
            if path is None or not path.exists():
                return
            self._path = path
            try:
                deliver()
            except (Boto3Error, BotoCoreError, ClientError, OSError) as error:
                if str(error) != self._failure:
                    self._failure = str(error)
                    log.warning("logs cannot be delivered to %s: %s", self._place, error)

    def _deliver_new(self) -> None:
        raise NotImplementedError

    def _deliver_last(self) -> None:
        self._deliver_new()


class _S3Place(_Sink):
    """What goes to S3, below a key."""

    def __init__(self, target: AwsTarget, place: S3Logs, name: str, find: Callable[[], Path | None]) -> None:
        self._bucket, _, prefix = place.uri.partition("://")[2].partition("/")
        self._name = f"{prefix.rstrip('/')}/{name}".lstrip("/")
        super().__init__(find, f"s3://{self._bucket}/{self._name}")
        self._target = target
        self._arguments: dict[str, str] = {}
        if place.kms_key:
            self._arguments = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": place.kms_key}

    def _put(self, key: str, file: IO[bytes], content_type: str) -> None:
        arguments = {"ContentType": content_type, **self._arguments}
        self._target.client("s3").upload_fileobj(file, self._bucket, key, ExtraArgs=arguments)


class _EventLogSink(_S3Place):
    """Spark's event log, named as one that Spark writes in parts, of which it is the only one."""

    _delivered: tuple[str, int] | None = None

    def wait_seconds(self, refresh: float) -> float:
        return 2 * refresh

    def _deliver_new(self) -> None:
        # It may get its last name just now; the next delivery finds it.
        with contextlib.suppress(FileNotFoundError):
            name, size = self._path.name, self._path.stat().st_size
            if (name, size) == self._delivered:
                return
            spark_id = name.removesuffix(UNFINISHED)
            folder = f"{self._name}/eventlog_v2_{spark_id}"
            with self._path.open("rb") as file:
                self._put(f"{folder}/events_1_{spark_id}", file, "application/json")
            # An empty file says by its name whether the log is complete.
            self._put(f"{folder}/appstatus_{name}", io.BytesIO(), "text/plain")
            if name == spark_id:
                unfinished = f"{folder}/appstatus_{name}{UNFINISHED}"
                self._target.client("s3").delete_object(Bucket=self._bucket, Key=unfinished)
            self._delivered = name, size


class _S3Sink(_S3Place):
    def __init__(self, target: AwsTarget, place: S3Logs, name: str, path: Path, logs: LogDestinations) -> None:
        super().__init__(target, place, name, lambda: path)
        self._place += ".gz"
        self._logs = logs
        self._delivered_bytes = -1
        # Where the part begins that is not archived, and how many are.
        self._begin = 0
        self._parts = 0

    def _deliver_new(self) -> None:
        size = self._path.stat().st_size
        if size == self._delivered_bytes:
            return
        while end := self._end_of_part(size):
            folder, _, log_type = self._name.rpartition("/")
            self._upload(f"{folder}/archived/{log_type}_{self._parts + 1}.gz", self._begin, end)
            self._begin, self._parts = end, self._parts + 1
        most_bytes = self._logs.most_bytes
        self._upload(f"{self._name}.gz", self._begin if most_bytes is None else max(0, size - most_bytes), size)
        self._delivered_bytes = size

    def _end_of_part(self, size: int) -> int | None:
        """Where the part ends that is being written; ``None``: not yet."""
        most = self._logs.part_bytes
        if most is None or size - self._begin < most:
            return None
        with self._path.open("rb") as file:
            file.seek(self._begin + most - 1)
            return file.tell() if file.readline().endswith(b"\n") else None

    def _upload(self, key: str, begin: int, end: int) -> None:
        with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as packed, self._path.open("rb") as file:
            file.seek(begin)
            with gzip.GzipFile(filename="", mode="wb", fileobj=packed, compresslevel=6) as gzipped:
                while chunk := file.read(min(_CHUNK_BYTES, end - file.tell())):
                    gzipped.write(chunk)
            packed.seek(0)
            self._put(key, packed, "application/x-gzip")


class _CloudWatchSink(_Sink):
    def __init__(self, target: AwsTarget, place: CloudWatchLogs, stream: str, path: Path) -> None:
        self._group = place.group
        # Without a prefix the name begins with the slash all the same.
        self._stream = f"{place.prefix.rstrip('/')}/{stream}"
        super().__init__(lambda: path, f"log group {self._group}, stream {self._stream}")
        self._target = target
        self._kms_key = place.kms_key
        self._has_stream = False
        self._position = 0

    def wait_seconds(self, refresh: float) -> float:
        return min(_CLOUDWATCH_SECONDS, refresh)

    def _deliver_new(self) -> None:
        self._deliver(everything=False)

    def _deliver_last(self) -> None:
        self._deliver(everything=True)

    def _deliver(self, *, everything: bool) -> None:
        logs = self._target.client("logs")
        if not self._has_stream:
            self._make_stream(logs)
        for events, end in self._batches(everything=everything):
            logs.put_log_events(logGroupName=self._group, logStreamName=self._stream, logEvents=events)
            self._position = end

    def _make_stream(self, logs: Any) -> None:
        encryption = {"kmsKeyId": self._kms_key} if self._kms_key else {}
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_group(logGroupName=self._group, **encryption)
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_stream(logGroupName=self._group, logStreamName=self._stream)
        self._has_stream = True

    def _batches(self, *, everything: bool) -> Iterator[tuple[list[dict[str, Any]], int]]:
        """Batches of events from the new lines, each with the position in the file after it."""
        events: list[dict[str, Any]] = []
        size = 0
        with self._path.open("rb") as file:
            file.seek(self._position)
            end = self._position
            while line := file.readline(_EVENT_BYTES):
                if not everything and not line.endswith(b"\n") and len(line) < _EVENT_BYTES:
                    break
                if len(events) == _BATCH_EVENTS or size + len(line) + _EVENT_OVERHEAD_BYTES > _BATCH_BYTES:
                    yield events, end
                    events, size = [], 0
                end = file.tell()
                size += len(line) + _EVENT_OVERHEAD_BYTES
                # An event has at least one character.
                text = line.decode(errors="replace").rstrip("\r\n") or " "
                events.append({"timestamp": int(time.time() * 1000), "message": text})
        if events:
            yield events, end
