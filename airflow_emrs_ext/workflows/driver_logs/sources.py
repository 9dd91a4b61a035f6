"""Where a driver's logs can be read: Amazon S3, CloudWatch Logs, managed storage; as effects."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from typing import Any, ClassVar
from urllib.parse import urlsplit, urlunsplit

from botocore.exceptions import BotoCoreError, ClientError
from typing_extensions import override

from airflow_emrs_ext.aws import serverless as api
from airflow_emrs_ext.aws.retry import patiently
from airflow_emrs_ext.core.effects import Call, Effects, Fetch, RunContext
from airflow_emrs_ext.core.redaction import hidden_in
from airflow_emrs_ext.exceptions import EmrError, ResourceNotFound, ServiceUnavailable
from airflow_emrs_ext.workflows.driver_logs.inflating import GzipTail

STREAMS = ("stdout", "stderr")

LOOKS = 5
"""How often a log is looked at between two uploads: a line is shown that much sooner after its upload."""

# How much of a log's end is looked through for a reason, and how much that is new is shown at a time.
_END_BYTES = 256 << 10
_NEW_BYTES = 1 << 20

# Pages of CloudWatch Logs that are read at a time; each has at most 1 MB.
_PAGES = 10
_ABSENT = frozenset({"NoSuchKey", "404", "ResourceNotFoundException"})
_UNCHANGED = frozenset({"304", "NotModified"})


@dataclass(frozen=True)
class Piece:
    """A part of a log.

    :param data: its bytes
    :param mark: where the next part begins, plain JSON
    :param omitted: how many bytes before it were left out
    :param written_at: when the log was written last, if that is known
    :param is_new: whether there is more than at the last look
    """

    data: bytes
    mark: dict[str, Any] = field(default_factory=dict)
    omitted: int = 0
    written_at: datetime | None = None
    is_new: bool = True

    @property
    def text(self) -> str:
        """As text without secrets; what is no UTF-8 is marked."""
        return hidden_in(self.data.decode(errors="replace"))


class Source(ABC):
    """A place that keeps the logs of a driver."""

    name: ClassVar[str]
    can_follow: ClassVar[bool] = True

    @abstractmethod
    def place(self, stream: str) -> str:
        """How people find the log there."""

    @abstractmethod
    def read(
        self, ctx: RunContext, stream: str, mark: Mapping[str, Any] | None = None, *, is_last: bool = False
    ) -> Effects[Piece]:
        """Read a log.

        :param stream: ``stdout`` or ``stderr``
        :param mark: where to begin: that of an earlier piece, or empty: at the beginning; default: its end
        :param is_last: whether a last line without an end is one; not, it is left for the next piece
        :raises ResourceNotFound: there is none, or not yet
        :raises EmrError: it cannot be read; the message says why, and what to do
        """


class S3Logs(Source):
    """The files ``stdout.gz`` and ``stderr.gz`` on S3 (GetObject), which the service replaces as a whole.

    :param folder: their URI
    """

    name = "s3"

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._bucket, _, self._prefix = folder.partition("://")[2].partition("/")

    @override
    def place(self, stream: str) -> str:
        return f"{self._folder}{stream}.gz"

    @override
    def read(
        self, ctx: RunContext, stream: str, mark: Mapping[str, Any] | None = None, *, is_last: bool = False
    ) -> Effects[Piece]:
        most = _END_BYTES if mark is None else _NEW_BYTES
        following, mark = mark is not None, mark or {}
        position = mark.get("position", 0)
        parameters = {"Bucket": self._bucket, "Key": f"{self._prefix}{stream}.gz"}
        if "etag" in mark and not (is_last and mark["held"]):
            parameters["IfNoneMatch"] = mark["etag"]
        try:
            response = yield from self._get(ctx, parameters, position, most)
        except EmrError as error:
            if error.facts.get("code") in _UNCHANGED:
                return Piece(b"", dict(mark), is_new=False)
            raise absent(error, self.place(stream)) from error
        tail: GzipTail = response["Body"]
        if tail.size < position:
            # The service has begun another file and put the old one into its archive.
            response = yield from self._get(ctx, parameters, 0, most)
            tail = response["Body"]
        data, omitted = tail.end, tail.omitted
        if omitted:
            # The first line that is left is none.
            head = data.find(b"\n") + 1
            data, omitted = data[head:], omitted + head
        held = len(data) - data.rfind(b"\n") - 1 if following and not is_last else 0
        return Piece(
            data[: len(data) - held],
            {"etag": response["ETag"], "position": tail.size - held, "held": held},
            omitted=omitted,
            written_at=response["LastModified"],
        )

    def _get(self, ctx: RunContext, parameters: Mapping[str, Any], position: int, most: int) -> Effects[dict[str, Any]]:
        call = Call("get_object", parameters, service="s3", sink=partial(GzipTail, position, most))

        def read(response: dict[str, Any]) -> dict[str, Any]:
            return {name: response[name] for name in ("Body", "ETag", "LastModified")}

        return (yield from patiently(call, ctx, read))


class CloudWatchLogs(Source):
    """The streams of a log group in CloudWatch Logs (GetLogEvents), which grow line by line.

    :param group: the log group
    :param prefix: name of the streams up to their last part
    """

    name = "cloudwatch"

    def __init__(self, group: str, prefix: str) -> None:
        self._group, self._prefix = group, prefix

    @override
    def place(self, stream: str) -> str:
        return f"log group {self._group}, stream {self._prefix}/{stream}"

    @override
    def read(
        self, ctx: RunContext, stream: str, mark: Mapping[str, Any] | None = None, *, is_last: bool = False
    ) -> Effects[Piece]:
        events: list[tuple[str, datetime]] = []
        token: str | None = (mark or {}).get("token")
        for _ in range(_PAGES if mark is not None else 1):
            parameters: dict[str, Any] = {
                "logGroupName": self._group,
                "logStreamName": f"{self._prefix}/{stream}",
                "startFromHead": mark is not None,
                **({"nextToken": token} if token else {}),
            }
            try:
                call = Call("get_log_events", parameters, service="logs")
                page, following = yield from patiently(call, ctx, _events)
            except EmrError as error:
                raise absent(error, self.place(stream)) from error
            events += page
            before, token = token, following
            if token == before:
                break
        most = _END_BYTES if mark is None else _NEW_BYTES
        data = "".join(f"{message}\n" for message, _ in events).encode()
        return Piece(
            data[-most:],
            {"token": token},
            omitted=max(0, len(data) - most),
            written_at=events[-1][1] if events else None,
            is_new=bool(events),
        )


class ManagedLogs(Source):
    """Managed storage, which is reached through the dashboard of an attempt only (GetDashboardForJobRun).

    :param run: facts of the job run, with the number of the attempt
    """

    name = "managed"
    can_follow = False

    def __init__(self, run: Mapping[str, Any]) -> None:
        self._run = run

    @override
    def place(self, stream: str) -> str:
        return f"{stream} in managed storage"

    @override
    def read(
        self, ctx: RunContext, stream: str, mark: Mapping[str, Any] | None = None, *, is_last: bool = False
    ) -> Effects[Piece]:
        run = self._run
        # Each URL is good for one use.
        dashboard = yield from api.get_dashboard_for_job_run(
            ctx, run["application_id"], run["job_run_id"], attempt=run["attempt"]
        )
        if dashboard is None:
            raise ResourceNotFound(f"{self.place(stream)} is not there: the attempt has no dashboard")
        try:
            sink = partial(GzipTail, keep=_END_BYTES)
            answer = yield Fetch(log_url(dashboard, f"{run['type']}_DRIVER", stream), sink)
        except (ClientError, BotoCoreError) as error:
            raise self._unread(stream, str(error)) from error
        if answer["ContentType"] == "text/html":
            raise self._unread(stream, "the dashboard answered with a page")
        tail: GzipTail = answer["Body"]
        return Piece(tail.end, omitted=tail.omitted)

    def _unread(self, stream: str, reason: str) -> EmrError:
        return ServiceUnavailable(
            f"{self.place(stream)} cannot be read without a browser ({reason}): click the task's link Driver {stream}, "
            "or give the job run an S3 log URI or CloudWatch logging"
        )


def _events(page: dict[str, Any]) -> tuple[list[tuple[str, datetime]], str]:
    """Text and time of the events of a page of GetLogEvents, and the token of the next page."""
    events = [
        (str(one["message"]), datetime.fromtimestamp(one["timestamp"] / 1000, timezone.utc)) for one in page["events"]
    ]
    return events, page["nextForwardToken"]


def log_url(dashboard_url: str, worker_type: str, name: str) -> str:
    """The URL of a log in managed storage: that of the dashboard with another path."""
    url = urlsplit(dashboard_url)
    return urlunsplit(url._replace(path=f"{url.path.rstrip('/')}/logs/{worker_type}/{name}.gz"))


def absent(error: EmrError, place: str) -> EmrError:
    """The error of a read, in words for what is not there if it says so."""
    return ResourceNotFound(f"{place} is not there", error.facts) if error.facts.get("code") in _ABSENT else error
