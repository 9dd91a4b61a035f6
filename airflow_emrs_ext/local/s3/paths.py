"""Paths and errors of the file system on S3, and the directories that S3 cannot know of."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

_MISSING_CODES = {"404", "NoSuchKey", "NoSuchBucket", "NotFound"}
_DENIED_CODES = {"403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"}


class FileSystemError(Exception):
    """An answer of the file system that is a Java exception to the client.

    :param java_class: the exception's class
    :param message: what it says
    :param status: HTTP status that WebHDFS gives it
    """

    def __init__(self, java_class: str, message: str, status: int) -> None:
        super().__init__(message)
        self.java_class = java_class
        self.message = message
        self.status = status


def not_found(message: str) -> FileSystemError:
    """Java's FileNotFoundException."""
    return FileSystemError("java.io.FileNotFoundException", message, 404)


class NoBucket(FileSystemError):
    """The bucket of a path does not exist."""

    def __init__(self, path: S3Path) -> None:
        super().__init__("java.io.FileNotFoundException", f"The bucket {path.bucket} does not exist ({path})", 404)


def already_exists(message: str) -> FileSystemError:
    """Hadoop's FileAlreadyExistsException."""
    return FileSystemError("org.apache.hadoop.fs.FileAlreadyExistsException", message, 403)


@dataclass(frozen=True)
class FileStatus:
    """A file or directory.

    :param name: last part of its path
    :param is_directory: it is a directory
    :param length: bytes
    :param modified_ms: milliseconds since the epoch; 0 for a directory
    """

    name: str
    is_directory: bool
    length: int = 0
    modified_ms: int = 0


@dataclass(frozen=True)
class S3Path:
    """A bucket and a key without slashes at its ends; no key is the bucket itself."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, path: str) -> S3Path:
        """Read ``/bucket/key``."""
        bucket, _, key = path.strip("/").partition("/")
        return cls(bucket, key.strip("/"))

    @property
    def prefix(self) -> str:
        """What the keys of all objects below begin with."""
        return f"{self.key}/" if self.key else ""

    @property
    def name(self) -> str:
        """Last part of the path."""
        return self.key.rpartition("/")[2]

    @property
    def parent(self) -> S3Path:
        """The directory that it is in."""
        return S3Path(self.bucket, self.key.rpartition("/")[0])

    def child(self, name: str) -> S3Path:
        """What is called ``name`` in this directory."""
        return S3Path(self.bucket, self.prefix + name)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@contextlib.contextmanager
def translated(path: S3Path) -> Iterator[None]:
    """Turn S3's errors into those of a file system."""
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "NoSuchBucket":
            raise NoBucket(path) from None
        if code in _MISSING_CODES:
            raise not_found(f"{path} does not exist") from None
        if code in _DENIED_CODES:
            raise FileSystemError(
                "org.apache.hadoop.security.AccessControlException", f"S3 access is denied: {path}: {error}", 403
            ) from None
        raise FileSystemError("java.io.IOException", f"{path}: {error}", 500) from error
    except BotoCoreError as error:
        raise FileSystemError("java.io.IOException", f"{path}: {error}", 500) from error


class EmptyDirectories:
    """The directories that exist although no object lies below them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: set[tuple[str, str]] = set()

    def add(self, path: S3Path) -> None:
        """Let the directory at ``path`` exist."""
        if path.key:
            with self._lock:
                self._known.add((path.bucket, path.key))

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._known.clear()

    def forget_above(self, path: S3Path) -> None:
        """An object at ``path`` now makes the directories above it exist."""
        with self._lock:
            while path.key:
                self._known.discard((path.bucket, path.key))
                path = path.parent

    def below(self, path: S3Path) -> list[str]:
        """Keys of those at and below ``path``."""
        with self._lock:
            return [
                key
                for bucket, key in self._known
                if bucket == path.bucket and (key == path.key or key.startswith(path.prefix))
            ]

    def forget_below(self, path: S3Path) -> list[str]:
        """Let none exist at and below ``path``, and return the keys of those that did."""
        keys = self.below(path)
        with self._lock:
            self._known.difference_update((path.bucket, key) for key in keys)
        return keys


def file_status(name: str, length: int, modified: Any) -> FileStatus:
    """The status of an object."""
    return FileStatus(name, is_directory=False, length=length, modified_ms=int(modified.timestamp() * 1000))
