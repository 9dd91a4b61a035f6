"""The tunnel to a session: its tokens, its key, and what it makes of a session that is gone."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any

import grpc
import grpc.aio
import pytest
from boto3.session import Session
from botocore.exceptions import ClientError

from airflow_emrs_ext.aws.connect_access import TOKEN_HEADER
from airflow_emrs_ext.core.effects import WaitPolicy
from airflow_emrs_ext.exceptions import ConfigurationError, ResourceNotFound, SessionEnded, TaskKilled
from airflow_emrs_ext.hooks.connect_tunnel import exempt_loopback_from_proxies, require
from airflow_emrs_ext.hooks.spark_connect import EmrServerlessSparkConnectHook
from airflow_emrs_ext.shared.service_model import extend
from tests.polling import eventually

SESSION = {"application_id": "00app", "session_id": "00ses"}


class Service:
    """A session that can be broken: a gRPC server which wants a valid token, and the API's two operations on it."""

    def __init__(self, token_seconds: float = 3600.0) -> None:
        self.token_seconds = token_seconds
        self.state, self.details = "IDLE", ""
        self.known = True
        self.tokens: list[str] = []
        self.valid: set[str] = set()
        self.seen: list[str] = []
        self.looks = 0
        self.hanging = threading.Event()
        self.minting = threading.Event()
        self.minting.set()
        self.refusal: tuple[grpc.StatusCode, str] | None = None
        self.loop = asyncio.new_event_loop()
        self.port = 0

    # The operations, as botocore's client has them, and their model.

    meta = extend(Session("k", "s"), "emr-serverless").client("emr-serverless", "us-east-1").meta

    def get_session_endpoint(self, **_: str) -> dict[str, Any]:
        self._must_exist("GetSessionEndpoint")
        assert self.minting.wait(10)
        self.tokens.append(f"token-number-{len(self.tokens)}")
        self.valid.add(self.tokens[-1])
        return {
            "endpoint": f"http://127.0.0.1:{self.port}",
            "authToken": self.tokens[-1],
            "authTokenExpiresAt": datetime.now(timezone.utc) + timedelta(seconds=self.token_seconds),
        }

    def get_session(self, **_: str) -> dict[str, Any]:
        self._must_exist("GetSession")
        self.looks += 1
        now = datetime.now(timezone.utc)
        session = {
            "applicationId": "00app",
            "sessionId": "00ses",
            "arn": "arn:aws:emr-serverless:us-east-1:123456789012:/applications/00app/sessions/00ses",
            "state": self.state,
            "stateDetails": self.details,
            "releaseLabel": "emr-7.13.0",
            "executionRoleArn": "arn:aws:iam::123456789012:role/job",
            "createdBy": "arn:aws:iam::123456789012:user/me",
            "createdAt": now,
            "updatedAt": now,
            "idleTimeoutMinutes": 15,
        }
        return {"session": session}

    def _must_exist(self, operation: str) -> None:
        if not self.known:
            error = {"Code": "ResourceNotFoundException", "Message": "Session 00ses does not exist"}
            raise ClientError({"Error": error, "ResponseMetadata": {"HTTPStatusCode": 404}}, operation)

    # The server.

    def service(self, details: Any) -> Any:
        async def handle(requests: AsyncIterator[bytes], context: Any) -> None:
            token = dict(context.invocation_metadata()).get(TOKEN_HEADER)
            self.seen.append(token)
            if self.refusal:
                await context.abort(*self.refusal)
            if token not in self.valid:
                await context.abort(grpc.StatusCode.UNKNOWN, "Stream removed")
            async for request in requests:
                if request == b"hang":
                    self.hanging.set()
                    await asyncio.Event().wait()
                await context.write(request)

        return grpc.stream_stream_rpc_method_handler(handle)

    @contextmanager
    def running(self) -> Iterator[Service]:
        thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        thread.start()

        async def start() -> grpc.aio.Server:
            server = grpc.aio.server()
            server.add_generic_rpc_handlers((self,))
            self.port = server.add_insecure_port("127.0.0.1:0")
            await server.start()
            return server

        self.server = asyncio.run_coroutine_threadsafe(start(), self.loop).result()
        try:
            yield self
        finally:
            self.stop()
            self.loop.call_soon_threadsafe(self.loop.stop)
            thread.join()
            self.loop.close()

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.server.stop(None), self.loop).result()


class Hook(EmrServerlessSparkConnectHook):
    """The hook, with the service above in place of botocore's client."""

    def __init__(self, service: Service) -> None:
        super().__init__(aws_conn_id=None, region_name="us-east-1", wait_policy=WaitPolicy(call_patience=0.5))
        self._service = service

    @property
    def conn(self) -> Any:
        return self._service


@pytest.fixture
def service() -> Iterator[Service]:
    with Service().running() as service:
        yield service


def call(remote: str, message: bytes = b"x", **key: str) -> bytes:
    """What a client of Spark Connect does with its connection string: the parameters are its metadata."""
    url, _, parameter = remote.partition("/;")
    metadata = key or dict([parameter.split("=", 1)])
    with grpc.insecure_channel(url.removeprefix("sc://")) as channel:
        answer: bytes = channel.unary_unary("/a.Service/Call")(message, metadata=tuple(metadata.items()), timeout=20)
        return answer


def work_that_outlives(service: Service, end: Callable[[], None]) -> None:
    """Work during which the session ends."""
    with Hook(service).tunnel(SESSION) as tunnel:
        call(tunnel.remote)
        service.stop()
        end()
        call(tunnel.remote)


def test_a_call_reaches_the_session_with_a_token_that_the_client_never_saw(service: Service) -> None:
    with Hook(service).tunnel(SESSION) as tunnel:
        assert call(tunnel.remote, b"hello") == b"hello"
        assert service.seen == ["token-number-0"]
        assert "token" not in tunnel.remote
        assert "token-number" not in repr(vars(tunnel))


def test_the_port_is_of_no_use_without_the_tunnels_key(service: Service) -> None:
    with Hook(service).tunnel(SESSION) as tunnel:
        for key in ({"x-emrs-tunnel": "another"}, {"nothing": "at-all"}):
            with pytest.raises(grpc.RpcError) as refused:
                call(tunnel.remote, **key)
            assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED
        assert service.seen == []


def test_the_port_is_closed_after_the_block(service: Service) -> None:
    with Hook(service).tunnel(SESSION) as tunnel:
        call(tunnel.remote)
    with pytest.raises(grpc.RpcError) as refused:
        call(tunnel.remote)
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    assert not [thread for thread in threading.enumerate() if thread.name == "tunnel-00ses"]


def test_many_threads_share_each_token(service: Service) -> None:
    service.token_seconds = 10
    with Hook(service).tunnel(SESSION) as tunnel, ThreadPoolExecutor(8) as clients:
        tunnel._token = None
        assert list(clients.map(lambda _: call(tunnel.remote), range(16))) == [b"x"] * 16
        assert tunnel.tokens_minted == 2
        assert set(service.seen) == {"token-number-1"}


def test_a_token_is_renewed_beside_the_calls_before_it_expires(service: Service) -> None:
    with Hook(service).tunnel(SESSION) as tunnel:
        first = tunnel._token
        assert first is not None
        tunnel._token = type(first)(first.endpoint, first.value, first.minted, first.minted, first.expires)
        service.minting.clear()
        assert call(tunnel.remote) == b"x"
        assert service.seen == ["token-number-0"]
        service.minting.set()
        eventually(lambda: tunnel.tokens_minted == 2)
        call(tunnel.remote)
        assert service.seen[-1] == "token-number-1"


def test_a_token_that_the_service_no_longer_takes_is_replaced_and_the_client_told_to_repeat(service: Service) -> None:
    with Hook(service).tunnel(SESSION) as tunnel:
        first = tunnel._token
        assert first is not None
        tunnel._token = type(first)(first.endpoint, first.value, first.minted - 60, first.renew_at, first.expires)
        service.valid.clear()
        with pytest.raises(grpc.RpcError) as refused:
            call(tunnel.remote)
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
        assert call(tunnel.remote) == b"x"
        assert tunnel.tokens_minted == 2


def test_a_new_token_that_is_refused_is_refused_for_good(service: Service) -> None:
    service.refusal = (grpc.StatusCode.UNAUTHENTICATED, "not yours")
    with Hook(service).tunnel(SESSION) as tunnel:
        with pytest.raises(grpc.RpcError) as refused:
            call(tunnel.remote)
        assert (refused.value.code(), refused.value.details()) == (grpc.StatusCode.UNAUTHENTICATED, "not yours")
        assert tunnel.tokens_minted == 1


def test_an_error_of_spark_passes_without_a_look_at_the_session(service: Service) -> None:
    service.refusal = (grpc.StatusCode.INTERNAL, "no such table")
    with Hook(service).tunnel(SESSION) as tunnel:
        with pytest.raises(grpc.RpcError) as refused:
            call(tunnel.remote)
        assert refused.value.details() == "no such table"
        assert service.looks == 0


@pytest.mark.parametrize(
    ("state", "details"),
    [("TERMINATED", "Idle timeout of 15 minutes"), ("FAILED", "The driver was lost"), ("TERMINATING", "by a user")],
)
def test_a_session_that_ended_is_an_error_that_says_which_and_is_not_repeated(
    service: Service, state: str, details: str
) -> None:
    with pytest.raises(SessionEnded, match=f"Session 00ses of application 00app is {state}: {details}") as raised:
        work_that_outlives(service, lambda: vars(service).update(state=state, details=details))
    assert raised.value.facts["session_id"] == "00ses"
    assert isinstance(raised.value.__cause__, grpc.RpcError)
    assert raised.value.__cause__.code() == grpc.StatusCode.FAILED_PRECONDITION


def test_once_it_has_ended_no_call_reaches_for_it_again(service: Service) -> None:
    with Hook(service).tunnel(SESSION) as tunnel:
        service.refusal = (grpc.StatusCode.UNAUTHENTICATED, "no")
        service.state = "TERMINATED"
        for _ in range(3):
            with pytest.raises(grpc.RpcError) as refused:
                call(tunnel.remote)
            assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
        assert (len(service.seen), service.looks) == (1, 1)


def test_work_that_fails_in_a_live_session_keeps_its_error(service: Service) -> None:
    with pytest.raises(ZeroDivisionError), Hook(service).tunnel(SESSION):
        raise ZeroDivisionError


def test_a_session_that_the_service_has_forgotten(service: Service) -> None:
    def forget() -> None:
        service.known = False

    with pytest.raises(SessionEnded, match="does not exist any more"):
        work_that_outlives(service, forget)


def test_a_session_that_dies_a_moment_after_its_connection(service: Service) -> None:
    """The client would repeat the call, ever more rarely: its first failure waits for the service to know."""

    def die() -> None:
        threading.Timer(1.0, lambda: vars(service).update(state="FAILED", details="The driver was lost")).start()

    with pytest.raises(SessionEnded, match="lost"):
        work_that_outlives(service, die)


def test_a_server_that_cannot_be_reached_while_the_session_lives_is_for_the_client_to_repeat(service: Service) -> None:
    with Hook(service).tunnel(SESSION) as tunnel:
        service.stop()
        with pytest.raises(grpc.RpcError) as refused:
            call(tunnel.remote)
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
        assert tunnel.ended is None


def test_a_tunnel_that_is_cut_ends_calls_in_flight_and_refuses_others(service: Service) -> None:
    with Hook(service).tunnel(SESSION) as tunnel, ThreadPoolExecutor(1) as client:
        in_flight = client.submit(call, tunnel.remote, b"hang")
        assert service.hanging.wait(10)
        tunnel.cut(TaskKilled("The task was killed"))
        for failed in (in_flight, client.submit(call, tunnel.remote)):
            error: Any = failed.exception(10)
            assert (error.code(), error.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "The task was killed")
        assert service.looks == 0


def test_an_unknown_session_is_refused_before_any_work(service: Service) -> None:
    service.known = False
    with pytest.raises(ResourceNotFound), Hook(service).tunnel(SESSION):
        raise AssertionError("there is no session to work in")


def test_a_missing_client_names_the_extra() -> None:
    with pytest.raises(ConfigurationError, match=r"airflow-emrs-ext\[spark\]"):
        require("a_module_that_is_not_installed")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"https_proxy": "http://proxy"}, "127.0.0.1"),
        ({"https_proxy": "http://proxy", "no_proxy": ".internal"}, ".internal,127.0.0.1"),
        ({"http_proxy": "http://proxy", "no_grpc_proxy": "a", "no_proxy": "b"}, "a,127.0.0.1"),
    ],
)
def test_loopback_is_not_looked_for_behind_a_proxy(environ: dict[str, str], expected: str | None) -> None:
    exempt_loopback_from_proxies(environ)
    assert environ.get("no_grpc_proxy") == expected


def test_botocores_debug_log_does_not_write_the_token(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Hook(service).tunnel(SESSION):
        logging.getLogger("botocore.parsers").debug("Response body:\n%r", b'{"authToken": "secret-of-the-session"}')
        logging.getLogger("botocore.parsers").debug("Response body:\n%r", b'{"state": "IDLE"}')
    assert "secret-of-the-session" not in caplog.text
    assert "IDLE" in caplog.text
