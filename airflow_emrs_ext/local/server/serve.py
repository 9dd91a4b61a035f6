"""The process that serves the endpoint."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import tempfile
from collections.abc import Callable, Iterator, MutableMapping
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn

from airflow_emrs_ext.local.base.asgi import TRANSPORT, Application, Receive, Scope, Send
from airflow_emrs_ext.local.processes.endpoint import ending_signals
from airflow_emrs_ext.local.runners.spark.uis import PREFIX as SPARK_UI_PREFIX
from airflow_emrs_ext.local.server.admin import PAGES
from airflow_emrs_ext.local.server.connection import LenientConnection
from airflow_emrs_ext.local.server.endpoint import Endpoint, Options
from airflow_emrs_ext.local.server.kept_state import claimed
from airflow_emrs_ext.local.server.routing import Router
from airflow_emrs_ext.local.server.web_pages import WebPageFilter
from airflow_emrs_ext.local.services.connect.gateway import SessionsPortTakenError

if TYPE_CHECKING:
    from airflow_emrs_ext.local.server.certificates import Certificate

_KEEP_ALIVE_SECONDS = 120
_LAST_REQUESTS_SECONDS = 1
_PARENT_CHECK_SECONDS = 1
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}

_log = logging.getLogger(__name__)


class PortTakenError(Exception):
    """Something else listens on the port."""


async def serve(options: Options, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP, then end everything that was started.

    :param options: what the command line says
    :param ready: called with the endpoint's URL once requests are accepted
    :raises PortTakenError: something else listens on the port
    :raises StateError: the state directory cannot be used
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in ending_signals():
        loop.add_signal_handler(number, stop.set)
    with contextlib.ExitStack() as stack:
        state_dir = stack.enter_context(_state_directory(options))
        bound = stack.enter_context(_bind(options, options.port))
        secure = None if options.tls_port is None else stack.enter_context(_bind(options, options.tls_port))
        host, port = bound.getsockname()[:2]
        certificate = None if secure is None else await asyncio.to_thread(_certificate, options, state_dir)
        endpoint = Endpoint(options, _url(_WILDCARDS.get(host, host), port), state_dir, certificate)

        def started() -> None:
            endpoint.started()
            if secure is not None and certificate is not None:
                _log.info(
                    "TLS at https://localhost:%s; clients trust it by AWS_CA_BUNDLE=%s, of sessions"
                    " GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=%s",
                    secure.getsockname()[1],
                    *[certificate.authority] * 2,
                )
            ready(_url(options.host, port))

        application = WebPageFilter(
            Router(endpoint),
            names=(options.host, *options.allowed_hosts),
            origins=options.allowed_origins,
            pages=(*PAGES, f"{SPARK_UI_PREFIX}/"),
            scripted=("/moto-api/", f"{SPARK_UI_PREFIX}/"),
        )
        servers = [(_Server(application, started), bound)]
        if secure is not None:
            # Whoever is told that the endpoint is ready finds both.
            servers.insert(0, (_Server(application, lambda: None, certificate), secure))
            secure.listen()
        try:
            await endpoint.start()
        except SessionsPortTakenError as error:
            raise PortTakenError(str(error)) from None
        serving = [asyncio.ensure_future(server.serve(sockets=[taken])) for server, taken in servers]
        watching = asyncio.ensure_future(_parent_gone(stop)) if options.exit_with_parent else None
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({*serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            _log.info("ending")
            stopping.cancel()
            if watching is not None:
                watching.cancel()
            await endpoint.close()
            for server, _ in servers:
                server.should_exit = True
            await asyncio.gather(*serving)
            await endpoint.closed()


def _dated(application: Application) -> Application:
    """An application whose answers have their date: clients know nothing else of the service's clock."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_dated(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"date", formatdate(usegmt=True).encode())]}
            await send(message)

        await application(scope, receive, send_dated)

    return answer


class _Connection(LenientConnection):
    """Gives the application the connection's transport, so that a fault can close it before a byte is sent."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the base class has it
        super().connection_made(transport)
        self.app_state = {**self.app_state, TRANSPORT: transport}


class _Server(uvicorn.Server):
    """uvicorn that says when it accepts requests, and leaves the signals to :func:`serve`."""

    def __init__(
        self, application: Application, started: Callable[[], None], certificate: Certificate | None = None
    ) -> None:
        super().__init__(
            uvicorn.Config(
                _dated(application),
                http=_Connection,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                # Its own is up to two seconds old.
                date_header=False,
                # Clients keep connections in pools; one that the server closed first costs them a failed request.
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=_LAST_REQUESTS_SECONDS,
                ssl_certfile=certificate.chain if certificate else None,
                ssl_keyfile=certificate.key if certificate else None,
            )
        )
        self._when_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._when_started()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _parent_gone(stop: asyncio.Event) -> None:
    """Set ``stop`` when the process that started this one is gone; there is no portable notice of it."""
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110  # no event tells of it
        await asyncio.sleep(_PARENT_CHECK_SECONDS)
    _log.info("the process that started the endpoint is gone")
    stop.set()


@contextlib.contextmanager
def _bind(options: Options, port: int) -> Iterator[socket.socket]:
    family, kind, protocol, _, address = socket.getaddrinfo(
        options.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(address)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortTakenError(f"{options.host}:{port}") from None
            raise
        yield bound


@contextlib.contextmanager
def _state_directory(options: Options) -> Iterator[Path]:
    if options.state_dir is not None:
        options.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with claimed(options.state_dir):
            yield options.state_dir.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="emrs-local-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


def _certificate(options: Options, state_dir: Path) -> Certificate:
    from airflow_emrs_ext.local.server.certificates import make_certificate

    wildcards = (*_WILDCARDS, "localhost")
    return make_certificate(
        state_dir / "tls", [n for n in (options.host, *options.allowed_hosts) if n not in wildcards]
    )


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
