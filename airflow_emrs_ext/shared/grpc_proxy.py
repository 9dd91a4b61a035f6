"""A reverse proxy for gRPC that forwards bytes without reading them, for Spark Connect and services like it.

A client may send and receive streams, but does not wait for an answer before it sends its second message. The local
endpoint stands behind one (a token leads to the server of its session), and so does each task that talks to a session
(the token is added behind the client). Needs grpc: ``airflow-emrs-ext[spark]`` or ``[local]``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import grpc
import grpc.aio

# Messages are as large as Spark makes them, and a port that is taken must not be shared with who has it.
_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),
)


class Refused(Exception):
    """A call that is answered with an error.

    :param code: the status code; clients of Spark Connect repeat UNAVAILABLE for ten minutes, and FAILED_PRECONDITION,
        UNAUTHENTICATED and NOT_FOUND not at all
    :param details: the message that the client shows
    """

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(f"{code.name}: {details}")
        self.code = code
        self.details = details


async def _as_it_is(error: Refused) -> Refused:
    return error


def _ignore() -> None:
    pass


@dataclass(frozen=True)
class Upstream:
    """Where a call goes.

    :param channel: to the server, opened on the proxy's event loop; whoever opened it closes it
    :param metadata: all the metadata that is sent; nothing of the client's is forwarded
    :param opened: called when the call begins
    :param closed: called when it is over, however it ended
    :param explain: given the error that the server or the network ended the call with, the one to answer with instead
    """

    channel: grpc.aio.Channel
    metadata: Sequence[tuple[str, str]] = ()
    opened: Callable[[], None] = _ignore
    closed: Callable[[], None] = _ignore
    explain: Callable[[Refused], Awaitable[Refused]] = _as_it_is


Route = Callable[[str, Mapping[str, str | bytes]], Awaitable[Upstream]]
"""From a call's method (``/package.Service/Method``) and its client's metadata to where it goes; may raise Refused."""


def open_channel(endpoint: str) -> grpc.aio.Channel:
    """A channel to a server, to be opened on the event loop that uses it.

    :param endpoint: ``https://host[:port]`` (TLS, port 443 unless given) or ``http://host:port``
    """
    url = urlsplit(endpoint)
    secure = url.scheme == "https"
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
    target = f"{host}:{url.port or (443 if secure else 80)}"
    if secure:
        return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(), options=_OPTIONS)
    # Without TLS there are only servers of this machine, which no HTTP proxy of the environment could reach.
    return grpc.aio.insecure_channel(target, options=(*_OPTIONS, ("grpc.enable_http_proxy", 0)))


class ConnectProxy:
    """The server of the proxy; start and close it on one event loop.

    :param route: asked once for each call
    """

    def __init__(self, route: Route) -> None:
        self._route = route
        self._server: grpc.aio.Server | None = None

    async def start(
        self, host: str = "127.0.0.1", port: int = 0, credentials: grpc.ServerCredentials | None = None
    ) -> int:
        """Accept connections.

        :param host: address to listen on
        :param port: TCP port; 0 takes a free one
        :param credentials: certificate and key; ``None``: without TLS
        :return: the port
        :raises RuntimeError: the port is taken
        """
        self._server = grpc.aio.server(options=_OPTIONS)
        self._server.add_generic_rpc_handlers((_Handlers(self._forward),))
        address = f"{host}:{port}"
        server = self._server
        bound: int = (
            server.add_insecure_port(address) if credentials is None else server.add_secure_port(address, credentials)
        )
        await self._server.start()
        return bound

    async def close(self) -> None:
        """Stop listening and cancel the calls that are in flight."""
        if self._server is not None:
            await self._server.stop(grace=None)
            self._server = None

    async def _forward(self, method: str, requests: AsyncIterator[bytes], context: Any) -> None:
        try:
            upstream = await self._route(method, dict(context.invocation_metadata()))
        except Refused as refused:
            await context.abort(refused.code, refused.details)
        upstream.opened()
        call = None
        try:
            call = await _call(upstream, method, requests, context.time_remaining())
            await _relay(call, context)
        except grpc.aio.AioRpcError as error:
            found = _refusal(error)
            answer = await upstream.explain(found)
            # The trailing metadata carries Spark's own description of its error.
            trailing = tuple(error.trailing_metadata() or ()) if answer is found else ()
            await context.abort(answer.code, answer.details, trailing)
        except asyncio.CancelledError:
            if call is None or not call.cancelled():
                raise  # the client has gone
            answer = await upstream.explain(Refused(grpc.StatusCode.CANCELLED, "The channel to the server was closed"))
            await context.abort(answer.code, answer.details)
        finally:
            if call is not None:
                call.cancel()
            upstream.closed()


async def _call(upstream: Upstream, method: str, requests: AsyncIterator[bytes], timeout: float | None) -> Any:
    """Begin the call at the server."""
    metadata = tuple(upstream.metadata)
    messages = [message async for message in _up_to(2, requests)]
    if len(messages) == 1:
        # A server that refuses a call before it has its message is heard only where both are sent at once: grpc.aio
        # answers INTERNAL for a stream whose message finds the call over.
        return upstream.channel.unary_stream(method)(messages[0], metadata=metadata, timeout=timeout)
    return upstream.channel.stream_stream(method)(_chain(messages, requests), metadata=metadata, timeout=timeout)


async def _up_to(count: int, requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    while count:
        count -= 1
        try:
            yield await requests.__anext__()
        except StopAsyncIteration:
            return


async def _chain(first: Iterable[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    for message in first:
        yield message
    async for message in rest:
        yield message


def _refusal(error: grpc.aio.AioRpcError) -> Refused:
    if error.details() == "Internal error from Core":
        return Refused(grpc.StatusCode.UNAVAILABLE, "The server ended the call while it was being sent")
    return Refused(error.code(), error.details() or "")


async def _relay(call: Any, context: Any) -> None:
    """Hand a call's answers on as they come, with its metadata."""
    begun = False
    async for message in call:
        if not begun:
            await context.send_initial_metadata(tuple(await call.initial_metadata()))
            begun = True
        await context.write(message)
    context.set_trailing_metadata(tuple(await call.trailing_metadata() or ()))


class _Handlers:
    """Every method of every service, as a stream of bytes in both directions; a ``grpc.GenericRpcHandler``."""

    def __init__(self, forward: Callable[[str, AsyncIterator[bytes], Any], Awaitable[None]]) -> None:
        self._forward = forward

    def service(self, handler_call_details: Any) -> Any:
        async def handle(requests: AsyncIterator[bytes], context: Any) -> None:
            await self._forward(handler_call_details.method, requests, context)

        return grpc.stream_stream_rpc_method_handler(handle)
