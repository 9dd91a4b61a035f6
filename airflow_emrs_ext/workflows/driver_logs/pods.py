"""The logs of drivers that are pods."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from typing_extensions import override

from airflow_emrs_ext.aws.retry import patiently
from airflow_emrs_ext.core.effects import Call, Effects, RunContext
from airflow_emrs_ext.exceptions import EmrError, ResourceNotFound
from airflow_emrs_ext.workflows.driver_logs.sources import (
    STREAMS,
    CloudWatchLogs,
    Piece,
    S3Logs,
    Source,
    absent,
)

# Each executor is a pod with logs, too.
_MOST_PAGES = 40


class PodLogs(Source):
    """The logs of a driver that is a pod, in folders that only pods name: looked for, then read as any other.

    Each attempt has a pod; they are told apart by when they wrote first. Where there are fewer than attempts, the
    newest is the last attempt's.

    :param attempt: number of the attempt
    :param pod: what the name of a driver's pod begins with
    """

    def __init__(self, attempt: int, pod: str) -> None:
        self._attempt, self._pod = attempt, pod
        self._found: Source | None = None

    @override
    def read(
        self, ctx: RunContext, stream: str, mark: Mapping[str, Any] | None = None, *, is_last: bool = False
    ) -> Effects[Piece]:
        if self._found is None:
            self._found = self._source((yield from self.folder(ctx, strictly=mark is not None)))
        return (yield from self._found.read(ctx, stream, mark, is_last=is_last))

    def folder(self, ctx: RunContext, /, *, strictly: bool) -> Effects[str]:
        """Where the logs of the attempt are, as ``log_locations`` name such places.

        :param strictly: an attempt has the logs of its own pod or none
        :raises ResourceNotFound: there are none, or not yet
        :raises EmrError: the places cannot be listed; the message says why, and what to do
        """
        pods = yield from self._pods(ctx)
        if not pods or (strictly and len(pods) < self._attempt):
            raise ResourceNotFound(f"{self.place(STREAMS[0])} is not there")
        return self._location(pods[min(self._attempt, len(pods)) - 1])

    @abstractmethod
    def _pods(self, ctx: RunContext) -> Effects[list[str]]:
        """The folders of the drivers' pods, in the order of the attempts."""

    @abstractmethod
    def _location(self, folder: str) -> str:
        """The folder of a pod, as ``log_locations`` name such places."""

    @abstractmethod
    def _source(self, location: str) -> Source:
        """What reads the logs of a pod."""

    def _in_order(self, written: Iterable[tuple[str, Any]]) -> list[str]:
        """The folders among names of logs, each with the time of something that was written, by the first of these."""
        first: dict[str, Any] = {}
        for name, moment in written:
            folder, _, _ = name.rpartition("/")
            if folder.rpartition("/")[2].startswith(self._pod):
                first[folder] = min(moment, first.get(folder, moment))
        return sorted(first, key=lambda folder: (first[folder], folder))


class S3PodLogs(PodLogs):
    """Such logs on S3 (ListObjectsV2, GetObject).

    :param folder: URI of the folder of all pods of the job run
    """

    name = "s3"

    def __init__(self, folder: str, attempt: int, pod: str) -> None:
        super().__init__(attempt, pod)
        self._folder = folder

    @override
    def place(self, stream: str) -> str:
        return self._found.place(stream) if self._found else f"{self._folder}…/{self._pod}/{stream}.gz"

    def _pods(self, ctx: RunContext) -> Effects[list[str]]:
        bucket, _, prefix = self._folder.partition("://")[2].partition("/")
        call = Call("list_objects_v2", {"Bucket": bucket, "Prefix": prefix}, service="s3")
        return self._in_order(
            (
                yield from _pages(
                    ctx, call, "Contents", ("Key", "LastModified"), "NextContinuationToken", "ContinuationToken"
                )
            )
        )

    def _location(self, folder: str) -> str:
        scheme, _, rest = self._folder.partition("://")
        return f"{scheme}://{rest.partition('/')[0]}/{folder}/"

    def _source(self, location: str) -> Source:
        return S3Logs(location)


class CloudWatchPodLogs(PodLogs):
    """Such logs in CloudWatch Logs (DescribeLogStreams, GetLogEvents).

    :param group: the log group
    :param prefix: name of the streams of all pods of the job run, up to where they differ
    """

    name = "cloudwatch"

    def __init__(self, group: str, prefix: str, attempt: int, pod: str) -> None:
        super().__init__(attempt, pod)
        self._group, self._prefix = group, prefix

    @override
    def place(self, stream: str) -> str:
        if self._found:
            return self._found.place(stream)
        return f"log group {self._group}, stream {self._prefix}/…/{self._pod}/{stream}"

    def _pods(self, ctx: RunContext) -> Effects[list[str]]:
        found: list[tuple[str, Any]] = []
        # Without a prefix of the user's own a name may begin with the slash all the same.
        for prefix in (f"{self._prefix}/", f"/{self._prefix}/"):
            parameters = {"logGroupName": self._group, "logStreamNamePrefix": prefix}
            call = Call("describe_log_streams", parameters, service="logs")
            try:
                members = ("logStreamName", "creationTime")
                found = yield from _pages(ctx, call, "logStreams", members, "nextToken", "nextToken")
            except EmrError as error:
                raise absent(error, self.place(STREAMS[0])) from error
            if found:
                break
        return self._in_order(found)

    def _location(self, folder: str) -> str:
        return folder

    def _source(self, location: str) -> Source:
        return CloudWatchLogs(self._group, location)


def _pages(
    ctx: RunContext, call: Call, key: str, members: tuple[str, str], answered: str, asked: str
) -> Effects[list[tuple[str, Any]]]:
    """Name and time of each entry of a listing of another service.

    :param key: the member that holds them
    :param members: the members of an entry that are its name and its time
    :param answered: the member that holds the next page's token
    :param asked: the member of the request that takes it
    """
    entries: list[tuple[str, Any]] = []
    parameters = call.parameters

    def read(response: dict[str, Any]) -> tuple[list[tuple[str, Any]], str | None]:
        name, time = members
        return [(str(one[name]), one[time]) for one in response.get(key, [])], response.get(answered)

    for _ in range(_MOST_PAGES):
        page, token = yield from patiently(Call(call.operation, parameters, service=call.service), ctx, read)
        entries += page
        if not token:
            break
        parameters = {**call.parameters, asked: token}
    return entries
