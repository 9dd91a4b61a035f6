"""A proxy between real clients and the local endpoint, which changes the answers of chosen operations.

Each line of it is a TCP port of its own with one rule, so that hundreds of tasks with different rules run side by side.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from tests.answers.wire import Answer, Request, read_answer, read_request

Lasting = Literal["once", "for a while", "for ever"]


SIGN_IN = "/sign-in"
"""Where a captive portal has its page."""

_SIGN_IN = Answer(200, "OK", {"content-type": "text/html"}, b"<!DOCTYPE html><html><body>Please sign in</body></html>")


@dataclass
class Rule:
    """Which answers are changed, and how.

    :param operations: in the API's spelling
    :param change: what becomes of an answer; ``None``: the connection is cut instead
    :param lasts: from the first of these calls on
    :param reaches: whether the request reaches the service
    :param closes: whether connections are refused meanwhile
    :param seconds: how long `for a while` is
    :param ask: what the service is asked instead
    :param takes_seconds: how long each changed answer takes at least
    """

    operations: frozenset[str]
    change: Callable[[Answer, Request], Answer | None]
    lasts: Lasting
    reaches: bool = True
    closes: bool = False
    seconds: float = 1.5
    ask: Callable[[Request], Request] = lambda request: request
    takes_seconds: float = 0
    began: float | None = None
    changed: int = 0
    is_over: bool = False

    def hits(self, request: Request) -> bool:
        """Whether a request is one of those, now."""
        if self.is_over or request.operation not in self.operations:
            return False
        now = time.monotonic()
        self.began = now if self.began is None else self.began
        if self.lasts == "for a while" and now - self.began > self.seconds:
            self.is_over = True
            return False
        self.is_over = self.lasts == "once"
        self.changed += 1
        return True

    @property
    def has_passed(self) -> bool:
        """Whether it was there, and is not any more."""
        waited = 0.0 if self.began is None else time.monotonic() - self.began
        return self.began is not None and (self.is_over or (self.lasts == "for a while" and waited > self.seconds))


@dataclass
class Line:
    """A port of the proxy.

    :param calls: the operations that were called, each with the status of its answer (0: none) and whether the rule
        had changed it
    """

    url: str
    rule: Rule | None
    _socket: socket.socket
    calls: list[tuple[str, int, bool]] = field(default_factory=list)
    hear: Callable[[Request], Answer | None] = lambda request: None
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def count(self, *operations: str) -> int:
        """How often operations were called."""
        return sum(operation in operations for operation, _, _ in self.calls)


class Proxy:
    """Forwards HTTP to an endpoint.

    :param url: of the endpoint
    """

    def __init__(self, url: str) -> None:
        target = urlsplit(url)
        self._target = (target.hostname, target.port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @contextlib.contextmanager
    def line(
        self, rule: Rule | None = None, hear: Callable[[Request], Answer | None] = lambda request: None
    ) -> Iterator[Line]:
        """A line that accepts connections, for as long as the context lasts.

        :param hear: called with each request; what it answers is the answer
        """
        bound = _bound(0)
        line = Line(f"http://127.0.0.1:{bound.getsockname()[1]}", rule, bound, hear=hear)
        self._do(self._open(line))
        try:
            yield line
        finally:
            self._do(self._shut(line))
            line._socket.close()

    def lift(self, line: Line) -> None:
        """End the rule of a line."""
        if line.rule is not None:
            line.rule.is_over = True
            self._do(self._open(line))

    def _do(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(timeout=60)

    async def _open(self, line: Line) -> None:
        if line._server is None:
            line._server = await asyncio.start_server(
                lambda reader, writer: self._serve(line, reader, writer), sock=line._socket, backlog=512, limit=1 << 24
            )

    async def _shut(self, line: Line) -> None:
        """Refuse connections, and break those that there are."""
        if line._server is not None:
            port = line._socket.getsockname()[1]
            line._server.close()
            line._server = None
            # A socket that is bound and does not listen refuses, and keeps the port from everybody else.
            line._socket = _bound(port)
        for writer in list(line._writers):
            writer.transport.abort()

    async def _serve(self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line._writers.add(writer)
        try:
            while (request := await read_request(reader)) is not None:
                if not await self._answer(line, request, writer):
                    break
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client has gone
        finally:
            line._writers.discard(writer)
            writer.close()

    async def _answer(self, line: Line, request: Request, writer: asyncio.StreamWriter) -> bool:
        """Answer a request; whether the connection is kept."""
        said = _SIGN_IN if request.target == SIGN_IN else line.hear(request)
        rule = line.rule if said is None and line.rule is not None and line.rule.hits(request) else None
        if said is not None:
            answer: Answer | None = said
        else:
            asked = request if rule is None else rule.ask(request)
            answer = Answer(0) if rule is not None and not rule.reaches else await self._forward(asked)
        if rule is not None:
            assert answer is not None
            await asyncio.sleep(rule.takes_seconds)
            answer = rule.change(answer, request)
        line.calls.append((request.operation, 0 if answer is None else answer.status, rule is not None))
        if rule is not None and rule.closes:
            # A task of its own: this one's connection is among those that are broken.
            self._loop.create_task(self._refuse(line, rule))
        if answer is None:
            _reset(writer)
            return False
        writer.write(answer.sent)
        await writer.drain()
        if answer.ends == "reset":
            # What was written is to be read before.
            await asyncio.sleep(0.05)
            _reset(writer)
        return answer.ends == "kept"

    async def _refuse(self, line: Line, rule: Rule) -> None:
        await self._shut(line)
        if rule.lasts != "for ever":
            await asyncio.sleep(0.3 if rule.lasts == "once" else rule.seconds)
            rule.is_over = True
            await self._open(line)

    async def _forward(self, request: Request) -> Answer:
        # The tokens to next pages that kinds.py makes up are none of the service's.
        target = re.sub(r"&?nextToken=more-\d+", "", request.target)
        body = re.sub(rb', "nextToken": "more-\d+"', b"", request.body)
        reader, writer = await asyncio.open_connection(*self._target, limit=1 << 24)
        try:
            left_out = ("host", "connection", "transfer-encoding", "content-length", "expect")
            headers = {name: value for name, value in request.headers.items() if name not in left_out}
            headers |= {
                "host": f"{self._target[0]}:{self._target[1]}",
                "connection": "close",
                "content-length": str(len(body)),
            }
            lines = [f"{request.method} {target} HTTP/1.1", *(f"{name}: {headers[name]}" for name in headers)]
            writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
            await writer.drain()
            return await read_answer(reader, request.method)
        finally:
            writer.close()


@contextlib.contextmanager
def proxied(url: str) -> Iterator[Proxy]:
    """A proxy in front of an endpoint, for as long as the context lasts."""
    proxy = Proxy(url)
    try:
        yield proxy
    finally:
        proxy.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Break a connection so that its other end is told, instead of closing it in order."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    bound.setblocking(False)
    return bound
