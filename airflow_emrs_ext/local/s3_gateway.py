"""WebHDFS in front of S3: how Spark reaches ``s3://`` and ``s3a://`` with nothing but the classes that it ships."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote, unquote_to_bytes
from xml.sax.saxutils import escape

from airflow_emrs_ext.local.asgi import Receive, Scope, Send
from airflow_emrs_ext.local.aws import AwsTarget
from airflow_emrs_ext.local.s3_files import S3Files
from airflow_emrs_ext.local.s3_paths import FileStatus, FileSystemError, S3Path, not_found
from airflow_emrs_ext.local.spark.filesystem import MOUNTS_PATH, mount_property, mount_target

log = logging.getLogger(__name__)

T = TypeVar("T")

PREFIX = "/webhdfs/v1"
"""Where Hadoop's WebHDFS client expects the gateway."""

_THREADS = 32
_CHUNK_BYTES = 1 << 20
_BLOCK_BYTES = 128 << 20
_MOUNT_FILE = "mount-table.1.xml"

_NO_OPERATION = {"SETPERMISSION", "SETOWNER", "SETTIMES", "CHECKACCESS"}


class _ClientGone(Exception):
    """The client closed the connection."""


class S3Gateway:
    """An ASGI application that serves WebHDFS under :data:`PREFIX` from S3.

    The first part of a path is the bucket. S3 is called in a bounded pool of threads, and objects pass through in
    parts of a few megabytes, whatever their size.

    :param target: where S3 is
    """

    def __init__(self, target: AwsTarget) -> None:
        self._files = S3Files(target)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="s3-gateway")

    def reset(self) -> None:
        """Forget what is known of the content of buckets."""
        self._files.forget()

    def close(self) -> None:
        """End the threads as soon as the calls that are under way are over; nobody waits for them."""
        # Such a call may be to this very process, which could not answer while it waited.
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._files.forget()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        request = _Request(scope, receive, send)
        try:
            await self._answer(request)
        except FileSystemError as error:
            if request.has_started:
                # Too late for an error: the connection is closed before the promised length is reached.
                raise
            await request.reply_json(
                {
                    "RemoteException": {
                        "exception": error.java_class.rpartition(".")[2],
                        "javaClassName": error.java_class,
                        "message": error.message,
                    }
                },
                error.status,
            )
        except _ClientGone:
            log.debug("client closed the connection during %s", request)

    async def _answer(self, request: _Request) -> None:
        if request.path == MOUNTS_PATH or request.path.startswith(f"{MOUNTS_PATH}/"):
            await self._answer_mounts(request)
            return
        path = S3Path.parse(request.path)
        if request.operation == "GETHOMEDIRECTORY":
            await request.reply_json({"Path": "/user/hadoop"})
            return
        if not path.bucket:
            raise not_found("The path names no bucket")
        handler = getattr(self, f"_{request.method.lower()}_{request.operation.lower()}", None)
        if handler is not None:
            await handler(request, path)
        elif request.operation in _NO_OPERATION:
            await request.reply(b"")
        else:
            raise FileSystemError(
                "java.lang.UnsupportedOperationException", f"{request.operation} is not possible on S3", 400
            )

    async def _run(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: function(*arguments))

    async def _get_getfilestatus(self, request: _Request, path: S3Path) -> None:
        status = await self._run(self._files.status, path)
        await request.reply_json({"FileStatus": _as_json(status, name="")})

    async def _get_liststatus(self, request: _Request, path: S3Path) -> None:
        await request.reply_json(_listing(await self._run(self._files.children, path)))

    async def _get_liststatus_batch(self, request: _Request, path: S3Path) -> None:
        listing = _listing(await self._run(self._files.children, path))
        await request.reply_json({"DirectoryListing": {"partialListing": listing, "remainingEntries": 0}})

    async def _get_getcontentsummary(self, request: _Request, path: S3Path) -> None:
        directories, files, size = await self._run(self._files.summary, path)
        await request.reply_json(
            {
                "ContentSummary": {
                    "directoryCount": directories,
                    "fileCount": files,
                    "length": size,
                    "quota": -1,
                    "spaceConsumed": size,
                    "spaceQuota": -1,
                    "typeQuota": {},
                }
            }
        )

    async def _get_getfileblocklocations(self, request: _Request, path: S3Path) -> None:
        block = {
            "cachedHosts": [],
            "corrupt": False,
            "hosts": ["localhost"],
            "length": request.number("length", _BLOCK_BYTES),
            "names": ["localhost:0"],
            "offset": request.number("offset", 0),
            "storageTypes": ["DISK"],
            "topologyPaths": ["/default-rack/localhost:0"],
        }
        await request.reply_json({"BlockLocations": {"BlockLocation": [block]}})

    async def _get_getserverdefaults(self, request: _Request, path: S3Path) -> None:
        await request.reply_json(
            {
                "FsServerDefaults": {
                    "blockSize": _BLOCK_BYTES,
                    "bytesPerChecksum": 512,
                    "checksumType": 2,
                    "defaultStoragePolicyId": 0,
                    "encryptDataTransfer": False,
                    "fileBufferSize": 4096,
                    "keyProviderUri": "",
                    "replication": 1,
                    "trashInterval": 0,
                    "writePacketSize": 65536,
                }
            }
        )

    async def _get_open(self, request: _Request, path: S3Path) -> None:
        length = request.number("length", None)
        download = await self._run(self._files.open, path, request.number("offset", 0), length)
        await request.start(200, download.length)
        client_gone = asyncio.create_task(request.until_client_gone())
        try:
            chunk = await self._run(download.read, _CHUNK_BYTES)
            while chunk and not client_gone.done():
                # Read ahead, so that S3 and the client are both kept busy.
                following = asyncio.ensure_future(self._run(download.read, _CHUNK_BYTES))
                await request.send_body(chunk, more=True)
                chunk = await following
            if not client_gone.done():
                await request.send_body(b"")
        finally:
            client_gone.cancel()
            await self._run(download.close)

    async def _put_create(self, request: _Request, path: S3Path) -> None:
        if "data" not in request.query:
            await self._run(lambda: self._files.check_create(path, overwrite=request.query.get("overwrite") == "true"))
            # The client sends the content only to where it is redirected.
            await request.reply(b"", 307, {"location": f"{request.url}&data=true"})
            return
        upload = self._files.upload(path)
        buffer = bytearray()
        writing: asyncio.Future[None] | None = None
        try:
            async for chunk in request.body():
                buffer += chunk
                if len(buffer) >= upload.part_bytes:
                    if writing is not None:
                        await writing
                    # One part travels to S3 while the next one arrives.
                    writing = asyncio.ensure_future(self._run(upload.write, bytes(buffer)))
                    buffer.clear()
            if writing is not None:
                await writing
            await self._run(upload.finish, bytes(buffer))
        except (FileSystemError, _ClientGone, asyncio.CancelledError):
            if writing is not None:
                with contextlib.suppress(FileSystemError):
                    await writing
            await self._run(upload.abort)
            raise
        await request.reply(b"", 201)

    async def _put_mkdirs(self, request: _Request, path: S3Path) -> None:
        await self._run(self._files.make_directories, path)
        await request.reply_json({"boolean": True})

    async def _put_rename(self, request: _Request, path: S3Path) -> None:
        destination = S3Path.parse(request.query.get("destination", ""))
        overwrite = "OVERWRITE" in request.query.get("renameoptions", "").upper()
        renamed = await self._run(lambda: self._files.rename(path, destination, overwrite=overwrite))
        if "renameoptions" not in request.query:
            await request.reply_json({"boolean": renamed})
        elif renamed:
            await request.reply(b"")
        else:
            raise FileSystemError("java.io.IOException", f"{path} cannot be renamed to {destination}", 403)

    async def _put_setreplication(self, request: _Request, path: S3Path) -> None:
        await request.reply_json({"boolean": True})

    async def _delete_delete(self, request: _Request, path: S3Path) -> None:
        recursive = request.query.get("recursive") == "true"
        deleted = await self._run(lambda: self._files.delete(path, recursive=recursive))
        await request.reply_json({"boolean": deleted})

    async def _answer_mounts(self, request: _Request) -> None:
        """A directory with one file: Hadoop's mount table for the buckets that exist at this moment."""
        table = await self._run(self._mount_table, request.authority)
        is_file = request.path != MOUNTS_PATH
        status = FileStatus(_MOUNT_FILE, is_directory=False, length=len(table), modified_ms=1)
        if request.operation == "OPEN" and is_file:
            await request.reply(table[request.number("offset", 0) :])
        elif request.operation == "GETFILESTATUS":
            found = status if is_file else FileStatus("", is_directory=True)
            await request.reply_json({"FileStatus": _as_json(found, name="")})
        elif request.operation == "LISTSTATUS":
            await request.reply_json(_listing([status]))
        elif request.operation == "LISTSTATUS_BATCH":
            partial = {"partialListing": _listing([status]), "remainingEntries": 0}
            await request.reply_json({"DirectoryListing": partial})
        elif request.operation == "GETFILEBLOCKLOCATIONS":
            await self._get_getfileblocklocations(request, S3Path("", ""))
        else:
            raise FileSystemError(
                "java.lang.UnsupportedOperationException", f"{request.operation} is not possible here", 400
            )

    def _mount_table(self, authority: str) -> bytes:
        mounts = "".join(
            f"<property><name>{escape(mount_property(bucket))}</name>"
            f"<value>{escape(mount_target(authority, bucket))}</value></property>"
            for bucket in self._files.buckets()
        )
        return f"<configuration>{mounts}</configuration>".encode()


class _Request:
    """One HTTP request and its response."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.method: str = scope["method"]
        raw_path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        raw_query = scope.get("query_string", b"").decode("latin-1")
        headers = dict(scope["headers"])
        self.authority = headers.get(b"host", b"").decode("latin-1")
        self.url = f"http://{self.authority}{raw_path}?{raw_query}"
        # The undecoded path: an escaped percent sign in a key must be decoded once, and once only.
        self.path = unquote_to_bytes(raw_path.partition(PREFIX)[2]).decode(errors="replace").rstrip("/")
        self.query: Mapping[str, str] = {
            unquote(name).lower(): value for name, value in parse_qsl(raw_query, keep_blank_values=True)
        }
        self.operation = self.query.get("op", "").upper()
        self.has_started = False

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
                raise _ClientGone
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


def _listing(statuses: list[FileStatus]) -> dict[str, Any]:
    return {"FileStatuses": {"FileStatus": [_as_json(status, status.name) for status in statuses]}}


def _as_json(status: FileStatus, name: str) -> dict[str, Any]:
    return {
        "accessTime": 0,
        "blockSize": 0 if status.is_directory else _BLOCK_BYTES,
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
