"""Objects of any size, read and written in parts of a few megabytes."""

from __future__ import annotations

import contextlib
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from airflow_emrs_ext.local.s3.paths import EmptyDirectories, S3Path, translated

_PART_BYTES = 8 << 20
# S3 takes 10,000 parts: they grow, so that one object may have hundreds of gigabytes.
_PARTS_PER_SIZE = 1000
_FIRST_WINDOW_BYTES = 8 << 20
_LAST_WINDOW_BYTES = 64 << 20


class Download:
    """A part of an object that is being read.

    Hadoop asks for everything from an offset on and closes the connection when it has what it wanted, so S3 is asked
    for a window at a time, which grows while the client goes on reading.

    :param s3: the client
    :param path: the object
    :param offset: first byte
    :param length: bytes; ``None``: to the end
    :raises FileSystemError: it does not exist or is a directory
    """

    def __init__(self, s3: Any, path: S3Path, offset: int, length: int | None) -> None:
        self._s3 = s3
        self._path = path
        self._position = offset
        self._window = _FIRST_WINDOW_BYTES
        self.etag: str = ""
        self.object_bytes: int = 0
        self._body: Any = None
        # Until the first answer says how long the object is.
        self._end = offset + (length if length is not None else _FIRST_WINDOW_BYTES)
        if self._end == offset or not self._ask():
            self._end = offset
        elif length is None or offset + length > self.object_bytes:
            self._end = self.object_bytes
        self.length: int = self._end - offset

    def read(self, size: int) -> bytes:
        """The next bytes, at most ``size``; none at the end.

        :raises FileSystemError: the object was replaced or deleted meanwhile
        """
        if self._position >= self._end:
            return b""
        with translated(self._path):
            data = bytes(self._body.read(min(size, self._end - self._position)))
            if not data:
                self._window = min(2 * self._window, _LAST_WINDOW_BYTES)
                self._ask()
                data = bytes(self._body.read(min(size, self._end - self._position)))
        self._position += len(data)
        return data

    def close(self) -> None:
        """Give up the rest."""
        if self._body is not None:
            self._body.close()

    def _ask(self) -> bool:
        """Ask for the next window; ``False`` when there is nothing at this offset."""
        last = min(self._end, self._position + self._window) - 1
        same = {"IfMatch": self.etag} if self.etag else {}
        self.close()
        with translated(self._path):
            try:
                answer = self._s3.get_object(
                    Bucket=self._path.bucket, Key=self._path.key, Range=f"bytes={self._position}-{last}", **same
                )
            except ClientError as error:
                # Also how an empty object answers a request for its bytes from the first one on.
                if error.response["Error"]["Code"] in ("InvalidRange", "416"):
                    return False
                raise
        self._body = answer["Body"]
        self.etag = str(answer["ETag"])
        self.object_bytes = int(answer["ContentRange"].rpartition("/")[2])
        return True


class Upload:
    """An object that is being written; it is there, whole, after :meth:`finish`, and not before.

    :param s3: the client
    :param path: where it will be
    :param empty: the directories to forget once it is there
    """

    def __init__(self, s3: Any, path: S3Path, empty: EmptyDirectories) -> None:
        self._s3 = s3
        self._path = path
        self._place = {"Bucket": path.bucket, "Key": path.key}
        self._empty = empty
        self._upload_id: str | None = None
        self._parts: list[dict[str, Any]] = []

    @property
    def part_bytes(self) -> int:
        """How many bytes :meth:`write` wants next."""
        return _PART_BYTES * (1 + len(self._parts) // _PARTS_PER_SIZE)

    def write(self, data: bytes) -> None:
        """Send a part; all but the last have at least :attr:`part_bytes`."""
        with translated(self._path):
            if self._upload_id is None:
                self._upload_id = self._s3.create_multipart_upload(**self._place)["UploadId"]
            number = len(self._parts) + 1
            answer = self._s3.upload_part(**self._place, UploadId=self._upload_id, PartNumber=number, Body=data)
            self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})

    def finish(self, rest: bytes) -> None:
        """Send what is left and make the object."""
        if self._upload_id is None:
            with translated(self._path):
                self._s3.put_object(**self._place, Body=rest)
        else:
            if rest:
                self.write(rest)
            with translated(self._path):
                self._s3.complete_multipart_upload(
                    **self._place, UploadId=self._upload_id, MultipartUpload={"Parts": self._parts}
                )
        self._empty.forget_above(self._path)

    def abort(self) -> None:
        """Leave nothing behind."""
        if self._upload_id is not None:
            with contextlib.suppress(ClientError, BotoCoreError):
                self._s3.abort_multipart_upload(**self._place, UploadId=self._upload_id)
