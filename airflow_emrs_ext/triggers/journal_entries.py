"""The files of the journal: private, each whole or not there, and each in the hands of one process at a time.

Processes on several machines may share the folder. What they lock are files, which the kernel unlocks when a process
ends, however it ends; where a file system knows no locks, two may do the same thing, which is harmless.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from airflow_emrs_ext.core.formats import is_newer

ID = ("dag_id", "run_id", "task_id", "map_index")
"""What an entry says of its task."""

_MEMBERS = ("task", "wait_policy", "hook", "arguments", "on_kill_arguments")
_HAND, _DRAFT = ".alive", ".draft"


class NotAnEntry(ValueError):
    """A file of the journal that holds no entry."""


def read(path: Path) -> dict[str, Any]:
    """An entry, of whatever format.

    :raises NotAnEntry: the file holds none
    :raises OSError: it cannot be read, or is gone
    """
    with os.fdopen(_open(path, os.O_RDONLY), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise NotAnEntry("it is no file")
        content = file.read()
    try:
        entry = json.loads(content)
    except ValueError as error:
        raise NotAnEntry(str(error)) from error
    if not isinstance(entry, dict):
        raise NotAnEntry("it is no JSON object")
    if is_newer(entry):
        return entry
    for name in _MEMBERS:
        # What is done at a kill may be nothing.
        if not isinstance({} if name == "on_kill_arguments" and entry.get(name) is None else entry.get(name), dict):
            raise NotAnEntry(f"its `{name}` is no JSON object")
    if not set(ID) <= set(entry["task"]):
        raise NotAnEntry("its task has no ids")
    return entry


def written(path: Path) -> float:
    """When an entry was written, in seconds since the epoch; 0 if it is gone."""
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0


def save(path: Path, entry: Mapping[str, Any]) -> None:
    """Write an entry as a whole, for this user alone.

    :raises OSError: it cannot be written
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A name that nobody foresees, made with O_EXCL and 0600: no link is followed.
    number, draft = tempfile.mkstemp(prefix=".", suffix=_DRAFT, dir=path.parent)
    try:
        with os.fdopen(number, "w") as file:
            json.dump(entry, file)
        Path(draft).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(draft).unlink()
        raise


def hand(folder: Path) -> str | None:
    """What entries name that are in the hands of this process, until it ends; ``None``: locks are not to be had."""
    return _hand_of(folder, os.getpid())


@cache
def _hand_of(folder: Path, process: int) -> str | None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(prefix=f"{process}-", suffix=_HAND, dir=folder)
    except OSError:
        return None
    # It stays open, and so locked, as long as the process lives. Whoever tidies up may have been faster.
    if _lock(number) and Path(name).exists():
        return Path(name).name
    os.close(number)
    return None


def is_in_hand(folder: Path, name: Any) -> bool:
    """Whether a process lives that an entry names."""
    if not isinstance(name, str) or not name.endswith(_HAND) or Path(name).name != name:
        return False
    try:
        number = _open(folder / name, os.O_RDWR)
    except OSError:
        return False
    try:
        return not _lock(number)
    finally:
        os.close(number)


@contextmanager
def alone(folder: Path) -> Iterator[bool]:
    """Whether no other process is in such a block for the same folder."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = _open(folder / "lock", os.O_RDWR | os.O_CREAT)
    except OSError:
        # There is nothing to be read either.
        yield False
        return
    try:
        yield _lock(number)
    finally:
        os.close(number)


def tidy(folder: Path, *, before: float) -> None:
    """Remove what processes have left that are no more.

    :param before: drafts from before this moment, in seconds since the epoch
    """
    for path in folder.iterdir():
        with suppress(OSError):
            is_old = path.name.endswith(_DRAFT) and path.lstat().st_mtime < before
            if is_old or (path.name.endswith(_HAND) and not is_in_hand(folder, path.name)):
                path.unlink()


def _open(path: Path, flags: int) -> int:
    # A pipe would let the reader wait for a writer.
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)


def _lock(number: int) -> bool:
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # The file system has no locks.
        return True
    return True
