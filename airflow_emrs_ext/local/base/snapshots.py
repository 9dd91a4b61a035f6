"""Objects as bytes, so that another process goes on with them."""

from __future__ import annotations

import asyncio
import io
import pickle
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_LOCKS = (type(threading.Lock()), type(threading.RLock()))
_OF_THIS_PROCESS = (asyncio.Future, asyncio.TimerHandle)


def dump(value: Any, anchors: Mapping[str, object], root: Path | None = None) -> bytes:
    """Turn objects into bytes.

    Tasks, futures and timers are left out, locks and events are made anew.

    :param value: the objects
    :param anchors: objects by a name, that are there in the other process, too: they are referred to, not kept
    :param root: a directory that may be elsewhere then: paths below it go with it; ``None``: there is none
    :return: for :func:`load`
    """
    buffer = io.BytesIO()
    _Pickler(buffer, anchors, root).dump(value)
    return buffer.getvalue()


def load(data: bytes, anchors: Mapping[str, object], root: Path | None = None) -> Any:
    """The objects that :func:`dump` was given; only for bytes of this user's own, as they may run code.

    :param data: what it returned
    :param anchors: what the names refer to now
    :param root: where the directory is now
    """
    return _Unpickler(io.BytesIO(data), anchors, root).load()


class _Pickler(pickle.Pickler):
    def __init__(self, buffer: io.BytesIO, anchors: Mapping[str, object], root: Path | None) -> None:
        super().__init__(buffer, pickle.HIGHEST_PROTOCOL)
        self._names = {id(anchor): name for name, anchor in anchors.items()}
        self._root = root

    def persistent_id(self, obj: Any) -> tuple[str, str] | None:
        if self._root is not None and isinstance(obj, Path) and obj.is_relative_to(self._root):
            return "path", str(obj.relative_to(self._root))
        name = self._names.get(id(obj))
        return None if name is None else ("anchor", name)

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, _OF_THIS_PROCESS):
            return _nothing, ()
        if isinstance(obj, _LOCKS):
            return (threading.Lock if isinstance(obj, _LOCKS[0]) else threading.RLock), ()
        if isinstance(obj, asyncio.Event):
            return _event, (obj.is_set(),)
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def __init__(self, buffer: io.BytesIO, anchors: Mapping[str, object], root: Path | None) -> None:
        super().__init__(buffer)
        self._anchors = anchors
        self._root = root

    def persistent_load(self, pid: tuple[str, str]) -> Any:
        kind, name = pid
        return self._anchors[name] if self._root is None or kind == "anchor" else self._root / name


def _nothing() -> None:
    return None


def _event(is_set: bool) -> asyncio.Event:
    event = asyncio.Event()
    if is_set:
        event.set()
    return event
