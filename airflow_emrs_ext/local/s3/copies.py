"""Local copies of large objects, for an S3 to which every range of an object is as expensive as all of it.

moto reads a whole object for each request, and Spark reads a Parquet file in hundreds of small ranges: measured with
330 MB of Parquet, 31 seconds without copies.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow_emrs_ext.local.s3.paths import S3Path, translated

COPY_FROM_BYTES = 8 << 20
"""Objects of at least this size are copied."""

_CAPACITY_BYTES = 2 << 30
_CHUNK_BYTES = 4 << 20


@dataclass
class _Copy:
    file: Path
    etag: str = ""
    size: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class LocalCopies:
    """The most recently used large objects, as files of at most 2 GB together, and each as S3 has it now."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._copies: OrderedDict[S3Path, _Copy] = OrderedDict()
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._count = 0

    def __contains__(self, path: S3Path) -> bool:
        with self._lock:
            return path in self._copies

    def takes(self, size: int) -> bool:
        """Whether an object of this size is copied."""
        return COPY_FROM_BYTES <= size <= _CAPACITY_BYTES // 2

    def open(self, s3: Any, path: S3Path, etag: str, size: int, offset: int, length: int | None) -> LocalDownload:
        """Begin to read a part of an object, after copying it unless there is a copy of this version.

        :param s3: the client
        :param path: the object
        :param etag: its version
        :param size: its length in bytes
        :param offset: first byte
        :param length: bytes; ``None``: to the end
        :raises FileSystemError: it was replaced or deleted meanwhile
        """
        copy = self._entry(path)
        with copy.lock:
            if copy.etag != etag or not copy.file.exists():
                with translated(path):
                    answer = s3.get_object(Bucket=path.bucket, Key=path.key, IfMatch=etag)
                    # Whoever still reads the former version does so from the file that is unlinked here.
                    copy.file.unlink(missing_ok=True)
                    with copy.file.open("wb") as file:
                        shutil.copyfileobj(answer["Body"], file, _CHUNK_BYTES)
                copy.etag, copy.size = etag, size
            download = LocalDownload(copy.file, size, offset, length)
        self._evict()
        return download

    def clear(self) -> None:
        """Remove all copies."""
        with self._lock:
            self._copies.clear()
            if self._directory is not None:
                self._directory.cleanup()
                self._directory = None

    def _entry(self, path: S3Path) -> _Copy:
        with self._lock:
            if path not in self._copies:
                if self._directory is None:
                    self._directory = tempfile.TemporaryDirectory(prefix="emrs-local-s3-", ignore_cleanup_errors=True)
                self._count += 1
                self._copies[path] = _Copy(Path(self._directory.name) / str(self._count))
            self._copies.move_to_end(path)
            return self._copies[path]

    def _evict(self) -> None:
        with self._lock:
            while sum(copy.size for copy in self._copies.values()) > _CAPACITY_BYTES:
                self._copies.popitem(last=False)[1].file.unlink(missing_ok=True)


class LocalDownload:
    """A part of a copy that is being read."""

    def __init__(self, file: Path, size: int, offset: int, length: int | None) -> None:
        end = size if length is None else min(size, offset + length)
        self.length: int = max(0, end - offset)
        self._rest = self.length
        self._file = file.open("rb")
        self._file.seek(offset)

    def read(self, size: int) -> bytes:
        """The next bytes, at most ``size``; none at the end."""
        data = self._file.read(min(size, self._rest))
        self._rest -= len(data)
        return data

    def close(self) -> None:
        """Give up the rest."""
        self._file.close()
