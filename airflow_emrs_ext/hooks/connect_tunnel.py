"""Spark Connect to a session: a loopback tunnel that knows the session's current token, and whether the session lives.

Clients talk to ``sc://127.0.0.1:PORT``; the tunnel adds the token behind them. So the token never leaves the process
that fetched it, its hour ends unnoticed, and any client works: this interpreter, another one, or a program of its own.
Measured on two cores: 0.85 times the megabytes per second of a connection past the tunnel, and 0.88 times the small
statements (23 instead of 26 per second; ``tests/benchmarks/connect_tunnel.py``).
"""

from __future__ import annotations

import asyncio
import hmac
import os
import secrets
import threading
import time
from collections.abc import Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow_emrs_ext._compat import mask_secret
from airflow_emrs_ext.aws.connect_access import TOKEN_HEADER, access_to, spark_connect_kind
from airflow_emrs_ext.aws.waiting import look
from airflow_emrs_ext.core.effects import RunContext
from airflow_emrs_ext.core.redaction import keep_secrets_out_of_logs
from airflow_emrs_ext.exceptions import ConfigurationError, EmrError, ResourceNotFound, SessionEnded

if TYPE_CHECKING:
    import grpc.aio

    from airflow_emrs_ext.hooks.base import EmrHook
    from airflow_emrs_ext.shared.grpc_proxy import ConnectProxy, Refused, Upstream

_KEY_HEADER = "x-emrs-tunnel"
# A token is renewed when a quarter of its life is left, and at most so many seconds before its end.
_LONGEST_MARGIN = 300.0
_SHORTEST_LIFE = 10.0
# A refusal of a token as young as this has another reason than its age.
_YOUNG_SECONDS = 3.0
# One call of the API on behalf of a client that waits: longer, and the client may as well try again.
_CALL_SECONDS = 20.0
# How long a call that found nobody at the other end is held, while the service may still find out why.
_HOLD_SECONDS = 3.0
_LOOK_SECONDS = 1.0
# The errors that Spark itself answers with are INTERNAL and INVALID_ARGUMENT; these may mean that the session is gone.
_DOUBTFUL = frozenset(
    {
        "CANCELLED",
        "FAILED_PRECONDITION",
        "NOT_FOUND",
        "PERMISSION_DENIED",
        "UNAUTHENTICATED",
        "UNAVAILABLE",
        "UNIMPLEMENTED",
        "UNKNOWN",
    }
)


@dataclass(frozen=True)
class Token:
    """What GetSessionEndpoint answered; moments are of the monotonic clock.

    :param endpoint: URL of the session's endpoint
    :param value: the secret
    :param minted: when it was fetched
    :param renew_at: when to fetch the next one
    :param expires: when it ends
    :param header: name of the metadata in which it is expected
    """

    endpoint: str
    value: str
    minted: float
    renew_at: float
    expires: float
    header: str = TOKEN_HEADER

    def __repr__(self) -> str:
        return f"Token({self.endpoint!r}, '***')"


class ConnectTunnel:
    """A port on loopback that leads to a session, from the ``with`` statement's begin to its end.

    :param hook: of the session's account and Region
    :param session: reference to a session that is STARTED, IDLE or BUSY, or to a managed endpoint that is ACTIVE
    :raises ConfigurationError: grpc is not installed, or ``session`` is neither
    """

    def __init__(self, hook: EmrHook, session: Mapping[str, Any]) -> None:
        self.tokens_minted: int = 0
        self.ended: EmrError | None = None
        self._hook = hook
        self._session = session
        self._kind = spark_connect_kind(session)
        self._ids = self._kind.pick(session)
        self._key = secrets.token_urlsafe(32)
        self._port: int | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tunnel", daemon=True)
        self._calls = ThreadPoolExecutor(1, thread_name_prefix="tunnel-calls")
        self._token: Token | None = None
        self._renewal: asyncio.Task[Token] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._proxy: ConnectProxy | None = None
        self._channel: grpc.aio.Channel | None = None

    @property
    def remote(self) -> str:
        """What a Spark Connect client connects to: ``SparkSession.builder.remote(tunnel.remote)``, ``SPARK_REMOTE``.

        It holds a key of this tunnel, which is worth nothing after its end nor from another machine, and no token.
        """
        return f"sc://127.0.0.1:{self._port}/;{_KEY_HEADER}={self._key}"

    def cut(self, error: EmrError) -> None:
        """End the calls that are in flight, and refuse further ones, with an error that clients do not repeat."""
        self.ended = self.ended or error
        asyncio.run_coroutine_threadsafe(self._close_channel(), self._loop)

    def __enter__(self) -> ConnectTunnel:
        require("grpc")
        exempt_loopback_from_proxies(os.environ)
        keep_secrets_out_of_logs()
        # Here, not in the tunnel's thread: the hook reads its connection now, and what is wrong with it is raised now.
        # No client waits yet: it may take the hook's whole patience.
        self._token = self._fetch(
            replace(self._hook.run_context, wait_policy=replace(self._hook.wait_policy, deadline=None))
        )
        self._thread.start()
        try:
            self._port = self._run(self._open(self._token.endpoint))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CALL_SECONDS)
        # A call of the API that is still on its way must not hold up the end of the task.
        self._calls.shutdown(wait=False, cancel_futures=True)
        if not self._thread.is_alive():
            self._loop.close()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _open(self, endpoint: str) -> int:
        from airflow_emrs_ext.shared.grpc_proxy import ConnectProxy, open_channel

        self._channel = open_channel(endpoint)
        self._proxy = ConnectProxy(self._route)
        return await self._proxy.start()

    async def _close(self) -> None:
        for task in (self._renewal, self._looking):
            if task is not None:
                task.cancel()
        if self._proxy is not None:
            await self._proxy.close()
        await self._close_channel()

    async def _close_channel(self) -> None:
        if self._channel is not None:
            await self._channel.close()

    async def _route(self, method: str, metadata: Mapping[str, str | bytes]) -> Upstream:
        import grpc

        from airflow_emrs_ext.shared.grpc_proxy import Refused, Upstream

        if not hmac.compare_digest(str(metadata.get(_KEY_HEADER, "")).encode(), self._key.encode()):
            raise Refused(grpc.StatusCode.PERMISSION_DENIED, "This tunnel to a session belongs to another task.")
        if self.ended is not None:
            raise Refused(grpc.StatusCode.FAILED_PRECONDITION, self.ended.message)
        try:
            token = await self._current_token()
        except EmrError as error:
            ended = await self._look_whether_ended()
            if ended is not None:
                raise Refused(grpc.StatusCode.FAILED_PRECONDITION, ended.message) from error
            raise Refused(grpc.StatusCode.UNAVAILABLE, f"No new token: {error}") from error

        async def explain(refused: Refused) -> Refused:
            return await self._explain(token, refused)

        return Upstream(self._channel, ((token.header, token.value),), explain=explain)

    async def _current_token(self) -> Token:
        """The current token, renewed once however many calls want it; in use while it lives, although one is coming."""
        now = time.monotonic()
        if self._token is not None and now < self._token.renew_at:
            return self._token
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.ensure_future(self._renew())
            # Its failure is for the calls that wait for it; with none waiting, the next call tries again.
            self._renewal.add_done_callback(lambda renewal: renewal.cancelled() or renewal.exception())
        if self._token is not None and now < self._token.expires:
            return self._token
        return await asyncio.shield(self._renewal)

    async def _renew(self) -> Token:
        self._token = await self._loop.run_in_executor(self._calls, self._fetch, self._run_context)
        return self._token

    def _fetch(self, ctx: RunContext) -> Token:
        access = self._hook.run(access_to(ctx, self._session))
        mask_secret(access.token)
        self.tokens_minted += 1
        now = time.monotonic()
        # A worker whose clock is far ahead must not fetch a token for every call.
        life = max(_SHORTEST_LIFE, (access.expires_at - datetime.now(timezone.utc)).total_seconds())
        margin = min(life / 4, _LONGEST_MARGIN)
        return Token(access.endpoint, access.token, now, now + life - margin, now + life, access.header)

    async def _explain(self, token: Token, error: Refused) -> Refused:
        """What a call's failure means: the session's end, a token's end, or just what it says."""
        import grpc

        from airflow_emrs_ext.shared.grpc_proxy import Refused

        if error.code.name not in _DOUBTFUL:
            return error
        ended = await self._look_whether_ended()
        held_until = time.monotonic() + _HOLD_SECONDS
        while ended is None and error.code == grpc.StatusCode.UNAVAILABLE and time.monotonic() < held_until:
            # The client would repeat the call at once, then ever more rarely; the service finds out within seconds.
            await asyncio.sleep(_LOOK_SECONDS)
            ended = await self._look_whether_ended()
        if ended is not None:
            return Refused(grpc.StatusCode.FAILED_PRECONDITION, ended.message)
        if error.code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNKNOWN):
            if token is self._token and time.monotonic() - token.minted >= _YOUNG_SECONDS:
                self._token = None
            if token is not self._token:
                # Clients repeat an UNAVAILABLE call, and take up again what it had begun.
                return Refused(grpc.StatusCode.UNAVAILABLE, f"The session's token was renewed: {error.details}")
        return error

    async def _look_whether_ended(self) -> EmrError | None:
        """The session's end, if it has come; looked for once, however many calls want to know."""
        if self.ended is None:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.ensure_future(self._look())
            await asyncio.shield(self._looking)
        return self.ended

    async def _look(self) -> None:
        try:
            seen = await self._loop.run_in_executor(
                self._calls, self._hook.run, look(self._kind, self._ids, self._run_context)
            )
        except ResourceNotFound as error:
            self.ended = SessionEnded(
                f"{self._kind.label(self._ids)} does not exist any more: {error.message}", {**self._ids, **error.facts}
            )
        except EmrError as error:
            self._hook.log.warning("Whether %s has ended is not known: %s", self._kind.label(self._ids), error)
        else:
            self.ended = self._kind.ended(self._ids, seen)

    @property
    def _run_context(self) -> RunContext:
        ctx = self._hook.run_context
        # The deadline is the one of a wait that is over when work begins.
        wait_policy = replace(
            ctx.wait_policy,
            call_patience=min(ctx.wait_policy.call_patience, _CALL_SECONDS),
            access_patience=min(ctx.wait_policy.access_patience, _CALL_SECONDS),
            deadline=None,
        )
        return replace(ctx, wait_policy=wait_policy)


def require(module: str) -> None:
    """Import a module of the Spark Connect client.

    :param module: ``grpc`` for the tunnel, ``pyspark.sql.connect.session`` for a Spark session in this interpreter
    :raises ConfigurationError: it, or something that it needs, is not installed; the message names the extra
    """
    try:
        import_module(module)
    except ImportError as error:
        raise ConfigurationError(
            f"Work in a session needs the Spark Connect client: {error}. Install airflow-emrs-ext[spark]."
        ) from error


def exempt_loopback_from_proxies(environ: MutableMapping[str, str]) -> None:
    """Keep gRPC clients from looking for loopback behind an HTTP proxy.

    :param environ: an environment, changed only where it names a proxy
    """
    if any(environ.get(name) for name in ("grpc_proxy", "https_proxy", "http_proxy")):
        exempt = environ.get("no_grpc_proxy") or environ.get("no_proxy") or ""
        if "127.0.0.1" not in exempt.split(","):
            environ["no_grpc_proxy"] = ",".join(filter(None, [exempt, "127.0.0.1"]))
