"""The gRPC proxy, between a real client and a real server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
import pytest

from airflow_emrs_ext.shared.grpc_proxy import ConnectProxy, Refused, Upstream, open_channel
from tests.polling import eventually


@dataclass
class Server:
    """Answers as the method's name says, and remembers what reached it."""

    metadata: list[dict[str, Any]] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    def service(self, details: Any) -> Any:
        async def handle(requests: AsyncIterator[bytes], context: Any) -> None:
            self.metadata.append(dict(context.invocation_metadata()))
            self.begun.set()
            await getattr(self, details.method.rpartition("/")[2].lower())(requests, context)

        return grpc.stream_stream_rpc_method_handler(handle)

    async def echo(self, requests: AsyncIterator[bytes], context: Any) -> None:
        await context.send_initial_metadata((("initial", "1"),))
        async for request in requests:
            await context.write(request.upper())
        context.set_trailing_metadata((("trailing", "2"),))

    async def fail(self, requests: AsyncIterator[bytes], context: Any) -> None:
        await context.write(b"the first")
        await context.abort(grpc.StatusCode.INTERNAL, "no such column", (("details-bin", b"\x00\xff"),))

    async def hang(self, requests: AsyncIterator[bytes], context: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()


@dataclass
class Route:
    """The route under test: what it is asked, and where it leads."""

    channel: grpc.aio.Channel
    asked: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    activity: list[str] = field(default_factory=list)
    refusal: Refused | None = None
    explanation: Refused | None = None

    async def __call__(self, method: str, metadata: Mapping[str, Any]) -> Upstream:
        self.asked.append((method, metadata))
        if self.refusal:
            raise self.refusal

        async def explain(error: Refused) -> Refused:
            return self.explanation or error

        return Upstream(
            self.channel,
            (("x-aws-proxy-auth", "a-token"),),
            opened=lambda: self.activity.append("opened"),
            closed=lambda: self.activity.append("closed"),
            explain=explain,
        )


@dataclass
class Setting:
    server: Server
    route: Route
    client: grpc.aio.Channel
    proxy: ConnectProxy
    port: int


@asynccontextmanager
async def setting() -> AsyncIterator[Setting]:
    server = Server()
    upstream = grpc.aio.server(options=[("grpc.max_receive_message_length", -1)])
    upstream.add_generic_rpc_handlers((server,))
    target = upstream.add_insecure_port("127.0.0.1:0")
    await upstream.start()
    route = Route(open_channel(f"http://127.0.0.1:{target}"))
    proxy = ConnectProxy(route)
    port = await proxy.start()
    client = open_channel(f"http://127.0.0.1:{port}")
    try:
        yield Setting(server, route, client, proxy, port)
    finally:
        await client.close()
        await proxy.close()
        await route.channel.close()
        await upstream.stop(None)


async def test_every_shape_of_call_passes_with_its_metadata() -> None:
    async with setting() as at:
        assert await at.client.unary_unary("/a.Service/Echo")(b"one") == b"ONE"
        call = at.client.stream_stream("/a.Service/Echo")(iter([b"x", b"y"]), metadata=(("key", "of the client"),))
        assert [message async for message in call] == [b"X", b"Y"]
        assert dict(await call.initial_metadata())["initial"] == "1"
        assert dict(await call.trailing_metadata())["trailing"] == "2"
        assert at.route.asked[1][0] == "/a.Service/Echo"
        assert at.route.asked[1][1]["key"] == "of the client"
        assert at.server.metadata[1]["x-aws-proxy-auth"] == "a-token"
        assert "key" not in at.server.metadata[1]
        await asyncio.to_thread(eventually, lambda: at.route.activity == ["opened", "closed"] * 2)


async def test_a_server_of_this_machine_is_not_looked_for_behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with setting() as at:
        assert await at.client.unary_unary("/a.Service/Echo")(b"one", timeout=5) == b"ONE"


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
async def test_an_address_may_be_one_of_ipv6() -> None:
    async with setting() as at:
        proxy = ConnectProxy(at.route)
        client = open_channel(f"http://[::1]:{await proxy.start('[::1]')}")
        try:
            assert await client.unary_unary("/a.Service/Echo")(b"one", timeout=5) == b"ONE"
        finally:
            await client.close()
            await proxy.close()


async def test_messages_may_be_larger_than_the_default_limit_of_grpc() -> None:
    async with setting() as at:
        large = b"a" * (10 << 20)
        assert await at.client.unary_unary("/a.Service/Echo")(large) == large.upper()


async def test_an_error_of_the_server_arrives_whole_after_what_came_before() -> None:
    async with setting() as at:
        call = at.client.unary_stream("/a.Service/Fail")(b"")
        assert await call.read() == b"the first"
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await call.read()
        assert (failed.value.code(), failed.value.details()) == (grpc.StatusCode.INTERNAL, "no such column")
        assert dict(failed.value.trailing_metadata())["details-bin"] == b"\x00\xff"
        await asyncio.to_thread(eventually, lambda: at.route.activity == ["opened", "closed"])


async def test_a_refusal_never_reaches_the_server() -> None:
    async with setting() as at:
        at.route.refusal = Refused(grpc.StatusCode.UNAUTHENTICATED, "the token has expired")
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await at.client.unary_unary("/a.Service/Echo")(b"")
        assert (failed.value.code(), failed.value.details()) == (
            grpc.StatusCode.UNAUTHENTICATED,
            "the token has expired",
        )
        assert at.server.metadata == []
        assert at.route.activity == []


async def test_the_route_may_explain_an_error_of_the_server() -> None:
    async with setting() as at:
        at.route.explanation = Refused(grpc.StatusCode.FAILED_PRECONDITION, "the session is over")
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await at.client.unary_unary("/a.Service/Fail")(b"")
        assert (failed.value.code(), failed.value.details()) == (
            grpc.StatusCode.FAILED_PRECONDITION,
            "the session is over",
        )
        assert "details-bin" not in dict(failed.value.trailing_metadata())


async def test_a_server_that_is_gone_may_be_explained_too() -> None:
    async with setting() as at:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            nobody = open_channel(f"http://127.0.0.1:{taken.getsockname()[1]}")
            at.route.channel, gone = nobody, at.route.channel
            at.route.explanation = Refused(grpc.StatusCode.FAILED_PRECONDITION, "the session is over")
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await at.client.unary_unary("/a.Service/Echo")(b"", timeout=10)
            assert failed.value.details() == "the session is over"
            at.route.channel = gone
            await nobody.close()


async def test_a_client_that_cancels_cancels_at_the_server() -> None:
    async with setting() as at:
        call = at.client.unary_stream("/a.Service/Hang")(b"")
        await asyncio.wait_for(at.server.begun.wait(), 10)
        assert at.route.activity == ["opened"]
        call.cancel()
        await asyncio.wait_for(at.server.cancelled.wait(), 10)
        # The proxy hears of it in its own time.
        await asyncio.to_thread(eventually, lambda: at.route.activity == ["opened", "closed"])


async def test_a_deadline_of_the_client_is_the_servers_too() -> None:
    async with setting() as at:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await at.client.unary_unary("/a.Service/Hang")(b"", timeout=0.2)
        assert failed.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        await asyncio.wait_for(at.server.cancelled.wait(), 10)


async def test_closing_ends_calls_and_frees_the_port() -> None:
    async with setting() as at:
        call = at.client.unary_stream("/a.Service/Hang")(b"")
        await asyncio.wait_for(at.server.begun.wait(), 10)
        await asyncio.wait_for(at.proxy.close(), 10)
        with pytest.raises((grpc.aio.AioRpcError, asyncio.CancelledError)):
            await call.read()
        again = ConnectProxy(at.route)
        assert await again.start(port=at.port) == at.port
        await again.close()


async def test_a_port_that_is_taken_is_an_error() -> None:
    async with setting() as at:
        second = ConnectProxy(at.route)
        with pytest.raises(RuntimeError):
            await second.start(port=at.port)
