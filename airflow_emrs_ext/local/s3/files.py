"""A file system on S3 with the semantics that Hadoop's committers rely on; blocking, safe to call from threads.

S3 has objects and no directories. A directory exists here while an object lies below it, or while this process
remembers it: one that was made and is still empty, or that has lost its last object. No marker objects are written,
so S3 tools see the data and nothing else; what is forgotten when the endpoint ends are empty directories.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from airflow_emrs_ext.local.base.aws import AwsTarget
from airflow_emrs_ext.local.s3.copies import LocalCopies, LocalDownload
from airflow_emrs_ext.local.s3.paths import (
    EmptyDirectories,
    FileStatus,
    FileSystemError,
    NoBucket,
    S3Path,
    already_exists,
    file_status,
    not_found,
    translated,
)
from airflow_emrs_ext.local.s3.transfers import Download, Upload

_FOLDER_MARK = "_$folder$"
_DELETE_AT_ONCE = 1000
_COPIES_AT_ONCE = 8
# S3 copies up to 5 GB in one request; less keeps each request short.
_COPY_IN_PARTS_BYTES = 1 << 30


class S3Files:
    """The file system.

    :param target: where S3 is
    """

    def __init__(self, target: AwsTarget) -> None:
        self._target = target
        self._empty = EmptyDirectories()
        # Elsewhere a range costs what it should.
        self._copies = None if target.s3_endpoint else LocalCopies()

    @property
    def _s3(self) -> Any:
        return self._target.client("s3")

    def forget(self) -> None:
        """Forget the directories that are empty, and all copies."""
        self._empty.clear()
        if self._copies is not None:
            self._copies.clear()

    def buckets(self) -> list[str]:
        """Names of all buckets; none when they may not be listed."""
        try:
            return [bucket["Name"] for bucket in self._s3.list_buckets()["Buckets"]]
        except (ClientError, BotoCoreError):
            # Credentials for one bucket seldom allow ListBuckets; that bucket is mounted by its name in the job.
            return []

    def status(self, path: S3Path) -> FileStatus:
        """What is at ``path``.

        :raises FileSystemError: nothing is
        """
        with translated(path):
            found = self._look(path)
        if found is not None:
            return found
        if self._empty.below(path):
            return FileStatus(path.name, is_directory=True)
        raise not_found(f"{path} does not exist")

    def exists(self, path: S3Path) -> FileStatus | None:
        """What is at ``path``, if anything; a missing bucket is an error all the same."""
        try:
            return self.status(path)
        except NoBucket:
            raise
        except FileSystemError as error:
            if error.status == 404:
                return None
            raise

    def children(self, path: S3Path) -> list[FileStatus]:
        """What is in a directory, by name; a file lists itself, without a name.

        :raises FileSystemError: there is no such directory or file
        """
        named: dict[str, FileStatus] = {}
        with translated(path):
            for page in self._pages(path, Delimiter="/"):
                for common in page.get("CommonPrefixes", ()):
                    name = common["Prefix"][len(path.prefix) :].rstrip("/")
                    if name:
                        named[name] = FileStatus(name, is_directory=True)
                for item in page.get("Contents", ()):
                    name = item["Key"][len(path.prefix) :]
                    if name and not name.endswith(_FOLDER_MARK):
                        named[name] = file_status(name, item["Size"], item["LastModified"])
        remembered = self._empty.below(path)
        for key in remembered:
            name = key[len(path.prefix) :].partition("/")[0]
            if name and key != path.key:
                named.setdefault(name, FileStatus(name, is_directory=True))
        if not named and not remembered and path.key:
            status = self.status(path)
            if not status.is_directory:
                return [FileStatus("", is_directory=False, length=status.length, modified_ms=status.modified_ms)]
        return [named[name] for name in sorted(named)]

    def make_directories(self, path: S3Path) -> None:
        """Make a directory and those above it.

        :raises FileSystemError: the bucket does not exist, or a file is in the way
        """
        found = self.exists(path)
        if found is None:
            self._empty.add(path)
        elif not found.is_directory:
            raise already_exists(f"{path} is a file")

    def delete(self, path: S3Path, *, recursive: bool) -> bool:
        """Delete a file or directory; whether there was one. A bucket is not deleted.

        :param recursive: a directory may have content
        :raises FileSystemError: a directory has content and ``recursive`` is not set
        """
        found = self.exists(path) if path.key else None
        if found is None:
            return False
        with translated(path):
            if not found.is_directory:
                self._s3.delete_object(Bucket=path.bucket, Key=path.key)
            else:
                if not recursive and self.children(path):
                    raise FileSystemError(
                        "org.apache.hadoop.fs.PathIsNotEmptyDirectoryException", f"{path} is not empty", 403
                    )
                self._delete_objects(path.bucket, [key for key, _ in self._objects(path)])
                self._empty.forget_below(path)
            self._keep_directory(path.parent)
        return True

    def rename(self, source: S3Path, destination: S3Path, *, overwrite: bool = False) -> bool:
        """Rename a file or directory as HDFS does: into an existing directory, never over an existing file.

        Objects are copied on the side of S3 and then deleted, which is not atomic.

        :param overwrite: a file may be replaced
        :return: whether it was renamed
        """
        found = self.exists(source) if source.key else None
        if found is None or source == destination:
            return found is not None
        in_the_way = self.exists(destination)
        if in_the_way is not None and in_the_way.is_directory:
            destination = destination.child(source.name)
            in_the_way = self.exists(destination)
        if in_the_way is not None and not (overwrite and not in_the_way.is_directory and not found.is_directory):
            return False
        if found.is_directory and f"{destination}/".startswith(f"{source}/"):
            return False
        with translated(source):
            if found.is_directory:
                self._move_directory(source, destination)
            else:
                self._copy(source, source.key, destination.bucket, destination.key, found.length)
                self._s3.delete_object(Bucket=source.bucket, Key=source.key)
                self._empty.forget_above(destination)
            self._keep_directory(source.parent)
        return True

    def open(self, path: S3Path, offset: int, length: int | None) -> Download | LocalDownload:
        """Begin to read a part of a file.

        :param offset: first byte
        :param length: bytes; ``None``: to the end
        :raises FileSystemError: it does not exist or is a directory
        """
        try:
            if self._copies is not None and path in self._copies:
                with translated(path):
                    head = self._s3.head_object(Bucket=path.bucket, Key=path.key)
                if self._copies.takes(head["ContentLength"]):
                    version = (head["ETag"], head["ContentLength"])
                    return self._copies.open(self._s3, path, *version, offset, length)
            download = Download(self._s3, path, offset, length)
            if self._copies is not None and self._copies.takes(download.object_bytes):
                download.close()
                version = (download.etag, download.object_bytes)
                return self._copies.open(self._s3, path, *version, offset, length)
            return download
        except FileSystemError as error:
            if error.status == 404 and self.status(path).is_directory:
                raise not_found(f"{path} is a directory") from None
            raise

    def check_create(self, path: S3Path, *, overwrite: bool) -> None:
        """Whether a file may be written here.

        :param overwrite: it may replace a file
        :raises FileSystemError: the bucket does not exist, or something is in the way
        """
        found = self.exists(path)
        if found is not None and (found.is_directory or not overwrite):
            raise already_exists(f"{path} is a directory" if found.is_directory else f"{path} already exists")

    def upload(self, path: S3Path) -> Upload:
        """Begin to write a file."""
        return Upload(self._s3, path, self._empty)

    def summary(self, path: S3Path) -> tuple[int, int, int]:
        """Number of directories and files at and below ``path``, and bytes of all files."""
        found = self.status(path)
        if not found.is_directory:
            return 0, 1, found.length
        directories = {path.key}
        files = size = 0
        with translated(path):
            for key, length in self._objects(path):
                if not key.endswith("/"):
                    files, size = files + 1, size + length
                directories.add(key.rpartition("/")[0])
        return len(directories), files, size

    def _look(self, path: S3Path) -> FileStatus | None:
        """What objects there are at and below ``path``, in one request nearly always."""
        if not path.key:
            self._s3.head_bucket(Bucket=path.bucket)
            return FileStatus("", is_directory=True)
        first = self._first(path.bucket, path.key)
        if first is None:
            return None
        if first["Key"] == path.key:
            return file_status(path.name, first["Size"], first["LastModified"])
        # A few characters sort before the slash: "key-1" comes before "key/1", and never before "key".
        if first["Key"].startswith(path.prefix) or self._first(path.bucket, path.prefix):
            return FileStatus(path.name, is_directory=True)
        return None

    def _first(self, bucket: str, prefix: str) -> dict[str, Any] | None:
        contents = self._s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("Contents")
        return contents[0] if contents else None

    def _pages(self, path: S3Path, **options: str) -> Iterator[dict[str, Any]]:
        paginator = self._s3.get_paginator("list_objects_v2")
        yield from paginator.paginate(Bucket=path.bucket, Prefix=path.prefix, **options)

    def _objects(self, path: S3Path) -> list[tuple[str, int]]:
        return [(item["Key"], item["Size"]) for page in self._pages(path) for item in page.get("Contents", ())]

    def _keep_directory(self, path: S3Path) -> None:
        """A directory does not vanish because its last file does."""
        if path.key and not self._empty.below(path) and self._first(path.bucket, path.prefix) is None:
            self._empty.add(path)

    def _move_directory(self, source: S3Path, destination: S3Path) -> None:
        objects = self._objects(source)
        moves = [(key, destination.prefix + key[len(source.prefix) :], size) for key, size in objects]
        with ThreadPoolExecutor(_COPIES_AT_ONCE, thread_name_prefix="s3-copy") as copies:
            list(copies.map(lambda move: self._copy(source, move[0], destination.bucket, move[1], move[2]), moves))
        self._delete_objects(source.bucket, [key for key, _ in objects])
        for key in self._empty.forget_below(source):
            self._empty.add(S3Path(destination.bucket, (destination.prefix + key[len(source.prefix) :]).strip("/")))
        if objects:
            self._empty.forget_above(destination)
        else:
            self._empty.add(destination)

    def _copy(self, source: S3Path, key: str, to_bucket: str, to_key: str, size: int) -> None:
        origin = {"Bucket": source.bucket, "Key": key}
        if size < _COPY_IN_PARTS_BYTES:
            self._s3.copy_object(Bucket=to_bucket, Key=to_key, CopySource=origin)
        else:
            self._s3.copy(origin, to_bucket, to_key)

    def _delete_objects(self, bucket: str, keys: list[str]) -> None:
        for start in range(0, len(keys), _DELETE_AT_ONCE):
            batch = [{"Key": key} for key in keys[start : start + _DELETE_AT_ONCE]]
            answer = self._s3.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
            for error in answer.get("Errors", ()):
                raise FileSystemError(
                    "java.io.IOException", f"s3://{bucket}/{error['Key']}: {error['Code']} {error['Message']}", 500
                )
