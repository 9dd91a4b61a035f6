"""Where a driver's logs can be read: Amazon S3, CloudWatch Logs, managed storage; as steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from airflow_emrs_ext.driver_logs.inflating import KEPT_BYTES, GzipTail
from airflow_emrs_ext.exceptions import EmrError, ResourceNotFound
from airflow_emrs_ext.steps import Call, Steps, Terms
from airflow_emrs_ext.waiting import patiently

STREAMS = ("stdout", "stderr")

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
        """As text; what is no UTF-8 is marked."""
        return self.data.decode(errors="replace")


class Source(ABC):
    """A place that keeps the logs of a driver."""

    name: ClassVar[str]
    can_follow: ClassVar[bool] = True

    @abstractmethod
    def place(self, stream: str) -> str:
        """How people find the log there."""

    @abstractmethod
    def read(self, terms: Terms, stream: str, mark: Mapping[str, Any] | None = None) -> Steps[Piece]:
        """Read a log.

        :param stream: ``stdout`` or ``stderr``
        :param mark: where to begin: that of an earlier piece, or empty: at the beginning; default: its end
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

    def place(self, stream: str) -> str:
        return f"{self._folder}{stream}.gz"

    def read(self, terms: Terms, stream: str, mark: Mapping[str, Any] | None = None) -> Steps[Piece]:
        mark = mark or {}
        position = mark.get("position", 0)
        parameters = {"Bucket": self._bucket, "Key": f"{self._prefix}{stream}.gz"}
        if "etag" in mark:
            parameters["IfNoneMatch"] = mark["etag"]
        try:
            response = yield from self._get(terms, parameters, position)
        except EmrError as error:
            if error.facts.get("code") in _UNCHANGED:
                return Piece(b"", dict(mark), is_new=False)
            raise _absent(error, self.place(stream)) from error
        tail: GzipTail = response["Body"]
        if tail.size < position:
            # The service has begun another file and put the old one into its archive.
            response = yield from self._get(terms, parameters, position := 0)
            tail = response["Body"]
        return Piece(
            tail.end,
            {"etag": response["ETag"], "position": tail.size},
            omitted=tail.omitted,
            written_at=response["LastModified"],
        )

    def _get(self, terms: Terms, parameters: Mapping[str, Any], position: int) -> Steps[dict[str, Any]]:
        call = Call("get_object", parameters, service="s3", sink=partial(GzipTail, position))
        return (yield from patiently(call, terms))


class CloudWatchLogs(Source):
    """The streams of a log group in CloudWatch Logs (GetLogEvents), which grow line by line.

    :param group: the log group
    :param prefix: name of the streams up to their last part
    """

    name = "cloudwatch"

    def __init__(self, group: str, prefix: str) -> None:
        self._group, self._prefix = group, prefix

    def place(self, stream: str) -> str:
        return f"log group {self._group}, stream {self._prefix}/{stream}"

    def read(self, terms: Terms, stream: str, mark: Mapping[str, Any] | None = None) -> Steps[Piece]:
        lines: list[str] = []
        token: str | None = (mark or {}).get("token")
        for _ in range(_PAGES if mark is not None else 1):
            parameters: dict[str, Any] = {
                "logGroupName": self._group,
                "logStreamName": f"{self._prefix}/{stream}",
                "startFromHead": mark is not None,
                **({"nextToken": token} if token else {}),
            }
            try:
                page = yield from patiently(Call("get_log_events", parameters, service="logs"), terms)
            except EmrError as error:
                raise _absent(error, self.place(stream)) from error
            lines += [event["message"] for event in page["events"]]
            before, token = token, page["nextForwardToken"]
            if token == before:
                break
        data = "".join(f"{line}\n" for line in lines).encode()
        return Piece(data[-KEPT_BYTES:], {"token": token}, max(0, len(data) - KEPT_BYTES), is_new=bool(lines))


def sources(locations: Mapping[str, Any]) -> list[Source]:
    """Where the logs of an attempt can be read, the most complete first.

    :param locations: as :func:`~airflow_emrs_ext.models.log_locations` makes them
    """
    found: list[Source] = []
    if locations["s3_uri"]:
        found.append(S3Logs(locations["s3_uri"]))
    if locations["cloudwatch_log_group"]:
        found.append(CloudWatchLogs(locations["cloudwatch_log_group"], locations["cloudwatch_log_stream_prefix"]))
    return found


def to_follow(locations: Mapping[str, Any]) -> Sequence[Source]:
    """Where the logs of an attempt can be followed, the most current first: CloudWatch Logs gets each line at once."""
    found = [source for source in sources(locations) if source.can_follow]
    return sorted(found, key=lambda source: not isinstance(source, CloudWatchLogs))


def _absent(error: EmrError, place: str) -> EmrError:
    return ResourceNotFound(f"{place} is not there", error.facts) if error.facts.get("code") in _ABSENT else error
