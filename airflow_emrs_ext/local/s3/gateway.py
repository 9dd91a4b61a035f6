"""WebHDFS in front of S3: how Spark reaches ``s3://`` and ``s3a://`` with nothing but the classes that it ships."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from xml.sax.saxutils import escape

from airflow_emrs_ext.local.base.asgi import Receive, Scope, Send
from airflow_emrs_ext.local.base.aws import AwsTarget
from airflow_emrs_ext.local.runners.spark.filesystem import MOUNTS_PATH, mount_property, mount_target
from airflow_emrs_ext.local.s3.files import S3Files
from airflow_emrs_ext.local.s3.paths import FileStatus, FileSystemError, S3Path, not_found
from airflow_emrs_ext.local.s3.webhdfs import BLOCK_BYTES, ClientGone, WebHdfsRequest, as_json, listing, whole_batch

log: logging.Logger = logging.getLogger(__name__)

T = TypeVar("T")

_THREADS = 32
_CHUNK_BYTES = 1 << 20
_MOUNT_FILE = "mount-table.1.xml"

_NO_OPERATION = {"SETPERMISSION", "SETOWNER", "SETTIMES", "CHECKACCESS"}


class S3Gateway:
    """An ASGI application that serves WebHDFS from S3 under ``/webhdfs/v1``.

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
        request = WebHdfsRequest(scope, receive, send)
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
        except ClientGone:
            log.debug("client closed the connection during %s", request)

    async def _answer(self, request: WebHdfsRequest) -> None:
        if request.path == MOUNTS_PATH or request.path.startswith(f"{MOUNTS_PATH}/"):
            await self._answer_mounts(request)
            return
        path = S3Path.parse(request.path)
        if request.operation == "GETHOMEDIRECTORY":
            await request.reply_json({"Path": "/user/hadoop"})
            return
        if not path.bucket:
            raise not_found("The path names no bucket")
        handler = _HANDLERS.get((request.method, request.operation))
        if handler is not None:
            await handler(self, request, path)
        elif request.operation in _NO_OPERATION:
            await request.reply(b"")
        else:
            raise FileSystemError(
                "java.lang.UnsupportedOperationException", f"{request.operation} is not possible on S3", 400
            )

    async def _run(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: function(*arguments))

    async def _status(self, request: WebHdfsRequest, path: S3Path) -> None:
        status = await self._run(self._files.status, path)
        await request.reply_json({"FileStatus": as_json(status, name="")})

    async def _list(self, request: WebHdfsRequest, path: S3Path) -> None:
        await request.reply_json(listing(await self._run(self._files.children, path)))

    async def _list_batch(self, request: WebHdfsRequest, path: S3Path) -> None:
        await request.reply_json(whole_batch(await self._run(self._files.children, path)))

    async def _summary(self, request: WebHdfsRequest, path: S3Path) -> None:
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

    async def _block_locations(self, request: WebHdfsRequest, path: S3Path) -> None:
        block = {
            "cachedHosts": [],
            "corrupt": False,
            "hosts": ["localhost"],
            "length": request.number("length", BLOCK_BYTES),
            "names": ["localhost:0"],
            "offset": request.number("offset", 0),
            "storageTypes": ["DISK"],
            "topologyPaths": ["/default-rack/localhost:0"],
        }
        await request.reply_json({"BlockLocations": {"BlockLocation": [block]}})

    async def _located_blocks(self, request: WebHdfsRequest, path: S3Path) -> None:
        """As :meth:`_block_locations`, for the clients of Hadoop 3.3, which Spark 3.5 has."""
        length, offset = request.number("length", BLOCK_BYTES), request.number("offset", 0)
        host = {
            "ipAddr": "127.0.0.1",
            "hostName": "localhost",
            "storageID": "local",
            "networkLocation": "/default-rack",
            "adminState": "NORMAL",
            **dict.fromkeys(("xferPort", "infoPort", "infoSecurePort", "ipcPort"), 0),
            **dict.fromkeys(("capacity", "dfsUsed", "remaining", "blockPoolUsed", "cacheCapacity", "cacheUsed"), 0),
            **dict.fromkeys(("lastUpdate", "lastUpdateMonotonic", "xceiverCount"), 0),
        }
        block = {
            "block": {"blockPoolId": "local", "blockId": 1, "numBytes": length, "generationStamp": 1},
            "blockToken": {"urlString": "AAAAAA"},
            "cachedLocations": [],
            "isCorrupt": False,
            "locations": [host],
            "startOffset": offset,
            "storageTypes": ["DISK"],
        }
        blocks = {
            "fileLength": offset + length,
            "isLastBlockComplete": True,
            "isUnderConstruction": False,
            "lastLocatedBlock": block,
            "locatedBlocks": [block],
        }
        await request.reply_json({"LocatedBlocks": blocks})

    async def _server_defaults(self, request: WebHdfsRequest, path: S3Path) -> None:
        await request.reply_json(
            {
                "FsServerDefaults": {
                    "blockSize": BLOCK_BYTES,
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

    async def _open(self, request: WebHdfsRequest, path: S3Path) -> None:
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

    async def _create(self, request: WebHdfsRequest, path: S3Path) -> None:
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
        except (FileSystemError, ClientGone, asyncio.CancelledError):
            if writing is not None:
                with contextlib.suppress(FileSystemError):
                    await writing
            await self._run(upload.abort)
            raise
        await request.reply(b"", 201)

    async def _make_directories(self, request: WebHdfsRequest, path: S3Path) -> None:
        await self._run(self._files.make_directories, path)
        await request.reply_json({"boolean": True})

    async def _rename(self, request: WebHdfsRequest, path: S3Path) -> None:
        destination = S3Path.parse(request.query.get("destination", ""))
        overwrite = "OVERWRITE" in request.query.get("renameoptions", "").upper()
        renamed = await self._run(lambda: self._files.rename(path, destination, overwrite=overwrite))
        if "renameoptions" not in request.query:
            await request.reply_json({"boolean": renamed})
        elif renamed:
            await request.reply(b"")
        else:
            raise FileSystemError("java.io.IOException", f"{path} cannot be renamed to {destination}", 403)

    async def _set_replication(self, request: WebHdfsRequest, path: S3Path) -> None:
        await request.reply_json({"boolean": True})

    async def _delete(self, request: WebHdfsRequest, path: S3Path) -> None:
        recursive = request.query.get("recursive") == "true"
        deleted = await self._run(lambda: self._files.delete(path, recursive=recursive))
        await request.reply_json({"boolean": deleted})

    async def _answer_mounts(self, request: WebHdfsRequest) -> None:
        """A directory with one file: Hadoop's mount table for the buckets that exist at this moment."""
        table = await self._run(self._mount_table, request.authority)
        is_file = request.path != MOUNTS_PATH
        status = FileStatus(_MOUNT_FILE, is_directory=False, length=len(table), modified_ms=1)
        if request.operation == "OPEN" and is_file:
            await request.reply(table[request.number("offset", 0) :])
        elif request.operation == "GETFILESTATUS":
            found = status if is_file else FileStatus("", is_directory=True)
            await request.reply_json({"FileStatus": as_json(found, name="")})
        elif request.operation == "LISTSTATUS":
            await request.reply_json(listing([status]))
        elif request.operation == "LISTSTATUS_BATCH":
            await request.reply_json(whole_batch([status]))
        elif request.operation == "GETFILEBLOCKLOCATIONS":
            await self._block_locations(request, S3Path("", ""))
        elif request.operation == "GET_BLOCK_LOCATIONS":
            await self._located_blocks(request, S3Path("", ""))
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


_HANDLERS: Mapping[tuple[str, str], Callable[[S3Gateway, WebHdfsRequest, S3Path], Awaitable[None]]] = {
    ("GET", "GETFILESTATUS"): S3Gateway._status,
    ("GET", "LISTSTATUS"): S3Gateway._list,
    ("GET", "LISTSTATUS_BATCH"): S3Gateway._list_batch,
    ("GET", "GETCONTENTSUMMARY"): S3Gateway._summary,
    ("GET", "GETFILEBLOCKLOCATIONS"): S3Gateway._block_locations,
    ("GET", "GET_BLOCK_LOCATIONS"): S3Gateway._located_blocks,
    ("GET", "GETSERVERDEFAULTS"): S3Gateway._server_defaults,
    ("GET", "OPEN"): S3Gateway._open,
    ("PUT", "CREATE"): S3Gateway._create,
    ("PUT", "MKDIRS"): S3Gateway._make_directories,
    ("PUT", "RENAME"): S3Gateway._rename,
    ("PUT", "SETREPLICATION"): S3Gateway._set_replication,
    ("DELETE", "DELETE"): S3Gateway._delete,
}
