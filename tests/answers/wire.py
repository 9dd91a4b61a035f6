"""HTTP/1.1 as it is on the wire: requests and answers, read whole and written as they are wanted."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Ends = Literal["kept", "closed", "reset"]
"""What becomes of a connection after an answer."""


@dataclass(frozen=True)
class Request:
    """What a client has asked.

    :param headers: in lower case
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def operation(self) -> str:
        """The operation of the API, in the API's spelling."""
        if target := self.headers.get("x-amz-target"):
            return target.rpartition(".")[2]
        path, _, query = self.target.partition("?")
        for method, pattern, operation in _OPERATIONS:
            if method == self.method and re.fullmatch(pattern, path):
                return operation
        if self.method == "POST" and (action := re.search(rb"(?:^|&)Action=(\w+)", self.body)):
            return action[1].decode()
        if self.method == "GET" and path.count("/") > 1 and "list-type" not in query:
            return "GetObject"
        return f"{self.method} {path}"


_OPERATIONS = [
    ("POST", r"/applications/[^/]+/jobruns", "StartJobRun"),
    ("GET", r"/applications/[^/]+/jobruns", "ListJobRuns"),
    ("GET", r"/applications/[^/]+/jobruns/[^/]+", "GetJobRun"),
    ("DELETE", r"/applications/[^/]+/jobruns/[^/]+", "CancelJobRun"),
    ("GET", r"/applications/[^/]+/jobruns/[^/]+/attempts", "ListJobRunAttempts"),
    ("GET", r"/applications/[^/]+/jobruns/[^/]+/dashboard", "GetDashboardForJobRun"),
    ("POST", r"/applications/[^/]+/sessions", "StartSession"),
    ("GET", r"/applications/[^/]+/sessions", "ListSessions"),
    ("GET", r"/applications/[^/]+/sessions/[^/]+", "GetSession"),
    ("DELETE", r"/applications/[^/]+/sessions/[^/]+", "TerminateSession"),
    ("GET", r"/applications/[^/]+", "GetApplication"),
    ("POST", r"/applications/[^/]+/start", "StartApplication"),
    ("POST", r"/virtualclusters/[^/]+/jobruns", "StartJobRun"),
    ("GET", r"/virtualclusters/[^/]+/jobruns", "ListJobRuns"),
    ("GET", r"/virtualclusters/[^/]+/jobruns/[^/]+", "DescribeJobRun"),
    ("DELETE", r"/virtualclusters/[^/]+/jobruns/[^/]+", "CancelJobRun"),
    ("GET", r"/virtualclusters/[^/]+", "DescribeVirtualCluster"),
]


@dataclass(frozen=True)
class Answer:
    """What a client is answered.

    :param body: as its headers describe it: packed or in chunks, if they say so
    :param length: what its ``Content-Length`` says; default: its length
    :param before: bytes before it
    :param until: how many of its bytes are sent; default: all
    :param ends: what becomes of the connection then
    """

    status: int
    reason: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    length: int | None = None
    before: bytes = b""
    until: int | None = None
    ends: Ends = "kept"

    def but(self, **changes: Any) -> Answer:
        """The same, but for some fields."""
        return replace(self, **changes)

    def without(self, *names: str) -> Answer:
        """The same without some headers."""
        return replace(self, headers={name: value for name, value in self.headers.items() if name not in names})

    def with_headers(self, **headers: str) -> Answer:
        """The same with other headers; ``_`` is ``-``."""
        return replace(
            self, headers={**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        )

    @property
    def head(self) -> bytes:
        """Its first line and its headers."""
        headers = dict(self.headers)
        if "transfer-encoding" not in headers:
            headers["content-length"] = str(len(self.body) if self.length is None else self.length)
        lines = [f"HTTP/1.1 {self.status} {self.reason}", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    @property
    def sent(self) -> bytes:
        """What is sent of it."""
        return self.before + (self.head + self.body)[: self.until]


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request of a connection; ``None``: there is none any more."""
    try:
        lines = await _head(reader)
    except asyncio.IncompleteReadError:
        return None
    method, target, _ = lines[0].split(" ", 2)
    headers = _headers(lines[1:])
    return Request(method, target, headers, await _body(reader, headers))


async def read_answer(reader: asyncio.StreamReader, method: str) -> Answer:
    """The answer on a connection that is closed after it."""
    lines = await _head(reader)
    _, status, reason = (lines[0] + " ").split(" ", 2)
    headers = _headers(lines[1:])
    bodiless = method == "HEAD" or status in ("204", "304")
    body = b"" if bodiless else await _body(reader, headers)
    kept = {name: headers[name] for name in headers if name not in ("connection", "transfer-encoding")}
    return Answer(int(status), reason.strip(), kept, body)


async def _head(reader: asyncio.StreamReader) -> list[str]:
    return (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]


def _headers(lines: list[str]) -> dict[str, str]:
    pairs = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    pieces = []
    while size := int((await reader.readline()).split(b";")[0], 16):
        pieces.append(await reader.readexactly(size))
        await reader.readline()
    while (await reader.readline()).strip():
        pass
    return b"".join(pieces)
