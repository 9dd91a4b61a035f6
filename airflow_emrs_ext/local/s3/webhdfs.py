"""The protocol of WebHDFS: requests, responses and the JSON in them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, unquote_to_bytes

from airflow_emrs_ext.local.base.asgi import Receive, Scope, Send
from airflow_emrs_ext.local.s3.paths import FileStatus, FileSystemError

PREFIX = "/webhdfs/v1"
"""Where Hadoop's WebHDFS client expects its server."""

BLOCK_BYTES = 128 << 20
"""The size that files are split by."""


class ClientGone(Exception):
    """The client closed the connection."""


class WebHdfsRequest:
    """One HTTP request and its response."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.method: str = scope["method"]
        raw_path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        raw_query = scope.get("query_string", b"").decode("latin-1")
        headers = dict(scope["headers"])
        self.authority: str = headers.get(b"host", b"").decode("latin-1")
        self.url: str = f"http://{self.authority}{raw_path}?{raw_query}"
        # The undecoded path: an escaped percent sign in a key must be decoded once, and once only.
        self.path: str = unquote_to_bytes(raw_path.partition(PREFIX)[2]).decode(errors="replace").rstrip("/")
        self.query: Mapping[str, str] = {
            unquote(name).lower(): value for name, value in parse_qsl(raw_query, keep_blank_values=True)
        }
        self.operation: str = self.query.get("op", "").upper()
        self.has_started: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.operation} {self.path}"

    def number(self, name: str, default: Any) -> Any:
        """A query parameter that is a number."""
        text = self.query.get(name)
        if text is None or text == "null":
            return default
        try:
            return int(text)
        except ValueError:
            raise FileSystemError(
                "java.lang.IllegalArgumentException", f"{name} must be a number, not {text}", 400
            ) from None

    async def body(self) -> AsyncIterator[bytes]:
        """The parts of the request's content as they arrive."""
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            yield message.get("body", b"")
            if not message.get("more_body", False):
                return

    async def until_client_gone(self) -> None:
        """Return when the client has closed the connection."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def start(
        self, status: int, length: int, headers: Mapping[str, str] | None = None, content_type: str | None = None
    ) -> None:
        """Send the head of the response."""
        fields = {
            "content-type": content_type or "application/octet-stream",
            "content-length": str(length),
            **(headers or {}),
        }
        self.has_started = True
        await self._send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(name.encode(), value.encode("latin-1")) for name, value in fields.items()],
            }
        )

    async def send_body(self, data: bytes, *, more: bool = False) -> None:
        """Send a part of the response's content."""
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def reply(self, data: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Send a whole response."""
        await self.start(status, len(data), headers)
        await self.send_body(data)

    async def reply_json(self, answer: Mapping[str, Any], status: int = 200) -> None:
        """Send a whole response in JSON."""
        data = json.dumps(answer).encode()
        await self.start(status, len(data), content_type="application/json")
        await self.send_body(data)


def listing(statuses: list[FileStatus]) -> dict[str, Any]:
    """The content of a directory as WebHDFS writes it."""
    return {"FileStatuses": {"FileStatus": [as_json(status, status.name) for status in statuses]}}


def whole_batch(statuses: list[FileStatus]) -> dict[str, Any]:
    """The content of a directory as WebHDFS writes it to who asks for it in batches: one is enough."""
    return {"DirectoryListing": {"partialListing": listing(statuses), "remainingEntries": 0}}


def as_json(status: FileStatus, name: str) -> dict[str, Any]:
    """The status as WebHDFS writes it; ``name`` is empty where the client knows it."""
    return {
        "accessTime": 0,
        "blockSize": 0 if status.is_directory else BLOCK_BYTES,
        "childrenNum": 0,
        "fileId": 0,
        "group": "hadoop",
        "length": status.length,
        "modificationTime": status.modified_ms,
        "owner": "hadoop",
        "pathSuffix": name,
        # Hive asks for a scratch directory that everybody may write to.
        "permission": "777" if status.is_directory else "644",
        "replication": 0 if status.is_directory else 1,
        "storagePolicy": 0,
        "type": "DIRECTORY" if status.is_directory else "FILE",
    }
