"""Where clients of Spark Connect come in: one gRPC port for every host; the token says which host."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.errors import ApiError
from airflow_emrs_ext.local.base.lifecycle import Transition
from airflow_emrs_ext.local.services.connect.access import ConnectAccess, HostGoneError, TokenRefusedError, gone
from airflow_emrs_ext.local.services.connect.hosts import ConnectHost

if TYPE_CHECKING:
    import grpc.aio

    from airflow_emrs_ext.shared.grpc_proxy import ConnectProxy, Upstream

TOKEN_HEADER = "x-aws-proxy-auth"

_AWS_PORT = 443
# What a certificate's localhost stands for.
_LOOPBACK = ("127.0.0.1", "::1")
_END_IS_KNOWN_SECONDS = 5.0


class SessionsPortTakenError(Exception):
    """Something else listens on the port of sessions."""


class ConnectGateway:
    """Forwards the calls of each client to the Spark Connect server of its host; it begins when it is first needed.

    :param access: knows the tokens
    :param config: ``endpoint_url``, whose host is also the gateway's
    :param port: to listen on; 0: a free one
    :param tls: files with the certificate and its private key; ``None``: without TLS
    """

    def __init__(
        self, access: ConnectAccess, config: ServiceConfig, port: int = 0, tls: tuple[Path, Path] | None = None
    ) -> None:
        self._access = access
        self._config = config
        self._port = port
        self._tls = tls
        self._lock = asyncio.Lock()
        self._is_closed = False
        self._proxy: ConnectProxy | None = None
        self._url = ""
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._closing: set[asyncio.Future[None]] = set()

    async def url(self) -> str:
        """The URL for clients.

        :raises ApiError: the endpoint is ending
        """
        await self.listen()
        return self._url

    async def listen(self) -> None:
        """Begin, unless it has.

        :raises ApiError: the endpoint is ending
        :raises SessionsPortTakenError: something else listens on the port
        """
        async with self._lock:
            if self._is_closed:
                raise ApiError("InternalServerException", "The endpoint is ending")
            if self._proxy is not None:
                return
            import grpc

            from airflow_emrs_ext.shared.grpc_proxy import ConnectProxy

            host = urlsplit(self._config.endpoint_url).hostname or "127.0.0.1"
            authority = f"[{host}]" if ":" in host else host
            credentials = None
            if self._tls:
                chain, key = [await asyncio.to_thread(path.read_bytes) for path in self._tls]
                credentials = grpc.ssl_server_credentials([(key, chain)])
            proxy = ConnectProxy(self._route)
            try:
                port = await proxy.start(authority, self._port, credentials)
            except RuntimeError:
                raise SessionsPortTakenError(f"{authority}:{self._port}") from None
            if self._tls is None:
                self._url = f"http://{authority}:{port}"
            else:
                name = "localhost" if host in _LOOPBACK else authority
                # Some clients know the port of AWS, and take what is answered for a host.
                self._url = f"https://{name}" if port == _AWS_PORT else f"https://{name}:{port}"
            self._proxy = proxy

    async def close(self) -> None:
        """End the calls in flight and stop listening."""
        async with self._lock:
            self._is_closed = True
            if self._proxy is not None:
                await self._proxy.close()
                self._proxy = None
            await self.reset()

    async def reset(self) -> None:
        """Forget the connections to hosts."""
        channels, self._channels = self._channels, {}
        await asyncio.gather(*(channel.close() for channel in channels.values()))

    def changed(self, transition: Transition) -> None:
        """Close the connection to a host that has ended; a listener of the services."""
        if isinstance(transition.resource, ConnectHost) and transition.change.state.is_terminal:
            channel = self._channels.pop(transition.resource.id, None)
            if channel is not None:
                closing = asyncio.ensure_future(channel.close(_END_IS_KNOWN_SECONDS))
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)

    async def _route(self, method: str, metadata: Mapping[str, str | bytes]) -> Upstream:
        import grpc

        from airflow_emrs_ext.shared.grpc_proxy import Refused, Upstream

        token = metadata.get(TOKEN_HEADER)
        try:
            host = self._access.read(token if isinstance(token, str) else None)
        except TokenRefusedError as error:
            raise Refused(grpc.StatusCode.UNAUTHENTICATED, str(error)) from None
        except HostGoneError as error:
            raise Refused(grpc.StatusCode.FAILED_PRECONDITION, str(error)) from None
        if host.server is None or host.server.is_over:
            # Its driver has ended, and the host is about to say why.
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(host.gone.wait(), _END_IS_KNOWN_SECONDS)
            ended = str(gone(host)) if host.gone.is_set() else f"The driver of {host.id} has ended"
            raise Refused(grpc.StatusCode.FAILED_PRECONDITION, ended)
        server = host.server.connect
        if server is None:
            raise Refused(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"{host.label} is simulated: no Spark is behind it; use --runner spark",
            )

        async def explain(refused: Refused) -> Refused:
            """Say why the host is gone instead of how its connection broke, which is often noticed first."""
            if refused.code is grpc.StatusCode.UNAVAILABLE:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(host.gone.wait(), _END_IS_KNOWN_SECONDS)
            if host.gone.is_set():
                return Refused(grpc.StatusCode.FAILED_PRECONDITION, str(gone(host)))
            return refused

        return Upstream(
            self._channel(host, server.address),
            metadata=[("authorization", f"Bearer {server.token}")],
            opened=host.call_began,
            closed=host.call_ended,
            explain=explain,
        )

    def _channel(self, host: ConnectHost, address: str) -> grpc.aio.Channel:
        from airflow_emrs_ext.shared.grpc_proxy import open_channel

        if host.id not in self._channels:
            self._channels[host.id] = open_channel(f"http://{address}")
        return self._channels[host.id]
