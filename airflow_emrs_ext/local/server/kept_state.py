"""What ``--state-dir`` keeps: applications, job runs, sessions, and all that moto's services hold."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from airflow_emrs_ext import __version__

_log = logging.getLogger(__name__)

_FORMAT = 1
_VERSIONS = "versions.json"
_SECONDS = 1.0
# A state that takes long to write is written less often.
_SHARE_OF_TIME = 0.2


class Part(Protocol):
    """What is kept as one file.

    :param changes: counts what may have changed it
    """

    changes: int

    async def dump(self) -> bytes:
        """Its state."""

    async def restore(self, data: bytes) -> None:
        """Go on with what :meth:`dump` returned in another process, before the first request."""


class StateError(Exception):
    """The directory cannot be used; the message says why, and what to do."""


@contextlib.contextmanager
def claimed(directory: Path) -> Iterator[None]:
    """Have a state directory for oneself.

    :param directory: the directory
    :raises StateError: another endpoint uses it, or other users may write to it
    """
    check_own(directory)
    with (directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StateError(f"{directory}: another emrs-local uses it; end that one, or name another folder") from None
        yield


def check_own(path: Path) -> None:
    """Refuse a file or directory that somebody else may have written.

    :param path: one that is there
    :raises StateError: it is a link, or another user's, or another user may write to it
    """
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise StateError(
            f"{path}: must be no link, belong to you, and nobody else may write to it, as what it holds is run;"
            " if nobody else has, chmod go-w it"
        )


class KeptState:
    """Parts of the endpoint's state in files, each written anew after it has changed.

    :param directory: where the files are
    :param versions: package to version, of those whose objects are kept
    :param parts: the parts by name, in the order in which they are restored
    """

    def __init__(self, directory: Path, versions: dict[str, str], parts: Mapping[str, Part]) -> None:
        self._directory = directory / "state"
        self._versions = {"format": str(_FORMAT), "airflow-emrs-ext": __version__, **versions}
        self._parts = parts
        # The count of changes at which each was written last.
        self._written: dict[str, int] = {}
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Restore what was kept, and keep it from now on.

        :raises StateError: it was written by other versions, or cannot be read
        """
        for name, data in (await asyncio.to_thread(self._read)).items():
            try:
                await self._parts[name].restore(data)
            except Exception as error:
                raise self._unreadable(name, error) from error
        await asyncio.to_thread(replace_file, self._directory / _VERSIONS, json.dumps(self._versions).encode())
        self._task = asyncio.create_task(self._keep_writing())

    async def close(self) -> None:
        """Write for the last time, when no request can change anything any more."""
        if self._task is not None:
            self._closing.set()
            await self._task
            await self._write_all()

    def _read(self) -> dict[str, bytes]:
        """What was written of each part, in the order in which they are restored."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        check_own(self._directory)
        path = self._directory / _VERSIONS
        if not path.exists():
            return {}
        check_own(path)
        try:
            written = json.loads(path.read_text())
        except ValueError as error:
            raise self._unreadable(_VERSIONS, error) from error
        if written != self._versions:
            raise StateError(
                f"{self._directory}: was written by {_listed(written)}, and this is {_listed(self._versions)}:"
                f" use those versions, or remove {self._directory} to begin anew"
            )
        paths = [self._directory / name for name in self._parts]
        there = [path for path in paths if path.exists()]
        for path in there:
            check_own(path)
        return {path.name: path.read_bytes() for path in there}

    def _unreadable(self, name: str, error: Exception) -> StateError:
        return StateError(
            f"{self._directory / name}: cannot be read ({type(error).__name__}: {error}):"
            f" remove {self._directory} to begin anew"
        )

    async def _keep_writing(self) -> None:
        pause = _SECONDS
        while not self._closing.is_set():
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._closing.wait(), pause)
            began = time.monotonic()
            await self._write_all()
            pause = max(_SECONDS, (time.monotonic() - began) / _SHARE_OF_TIME)

    async def _write_all(self) -> None:
        for name, part in self._parts.items():
            changes = part.changes
            if self._written.get(name) == changes:
                continue
            try:
                await asyncio.to_thread(replace_file, self._directory / name, await part.dump())
                self._written[name] = changes
            except Exception:
                _log.exception("--state-dir: the state of %s could not be written", name)


def replace_file(path: Path, data: bytes) -> None:
    """Write a file that is the user's alone, and is there as a whole or not at all.

    :param path: the file
    :param data: all of it
    """
    new = path.with_name(f"{path.name}.new")
    with open(new, "wb", opener=_private) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())
