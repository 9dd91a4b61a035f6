"""A TCP port in front of another one, which can refuse connections for a while and then accept them again."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any
from urllib.parse import urlsplit


class Forwarder:
    """Forwards connections to an endpoint; between :meth:`close` and :meth:`open` they are refused.

    :param url: of the endpoint
    :param hear: called with what clients send, piece by piece
    """

    def __init__(self, url: str, hear: Callable[[bytes], None] = lambda piece: None) -> None:
        self._hear = hear
        target = urlsplit(url)
        self._target = (target.hostname, target.port)
        self._socket = _bound(0)
        self._port = self._socket.getsockname()[1]
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._port}"
        """Where clients reach the endpoint."""

    def open(self) -> None:
        """Accept connections."""
        self._do(self._open())

    def close(self) -> None:
        """Refuse connections, and break those that there are."""
        self._do(self._close())

    def end(self) -> None:
        """Close for good."""
        self.close()
        self._socket.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(timeout=30)

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._forward, sock=self._socket, backlog=1024)

    async def _close(self) -> None:
        if self._server is None:
            return
        self._server.close()
        self._server = None
        # A socket that is bound and does not listen refuses, and keeps the port: a port that nobody holds may become
        # the local one of a client's own connection.
        self._socket = _bound(self._port)
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        writers = [writer]
        try:
            back, forth = await asyncio.open_connection(*self._target)
            writers.append(forth)
            await asyncio.gather(_pump(reader, forth, self._hear), _pump(back, writer))
        except (OSError, asyncio.CancelledError):
            pass  # broken by one of the ends, or by close()
        finally:
            self._connections.discard(task)
            for one in writers:
                one.transport.abort()


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hear: Callable[[bytes], None] = lambda piece: None
) -> None:
    while received := await reader.read(65536):
        hear(received)
        writer.write(received)
        await writer.drain()
    writer.write_eof()


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound


@contextlib.contextmanager
def forwarded(url: str, hear: Callable[[bytes], None] = lambda piece: None) -> Iterator[Forwarder]:
    """A forwarder that accepts connections, for as long as the context lasts."""
    forwarder = Forwarder(url, hear)
    forwarder.open()
    try:
        yield forwarder
    finally:
        forwarder.end()
