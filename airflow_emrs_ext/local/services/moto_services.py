"""Every AWS service beside EMR, answered by moto in the endpoint's own process."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, cast

from airflow_emrs_ext.local.base.asgi import Application, Receive, Scope, Send
from airflow_emrs_ext.local.services.moto_state import dump_moto, load_moto

_CONTROL = "/moto-api"
_READING = ("GET", "HEAD")
_CORS = b"access-control-"

# Spark's tasks, the log delivery and a DAG's own clients may all read and write objects at once.
_THREADS = 16


class AwsServices:
    """moto as an ASGI application.

    It takes longer to import than all the rest to start, so it is imported in a thread once the endpoint is ready; the
    first request waits for it. Whether a web page may read an answer is not moto's to say: it says so to every page.

    :param control: whether moto's own control paths, which reset it and change how it behaves, are answered
    """

    def __init__(self, *, control: bool = False) -> None:
        self._control = control
        self._loading: asyncio.Future[Application] | None = None
        self._used = False
        self.changes: int = 0

    def load(self) -> None:
        """Begin to import moto."""
        if self._loading is None:
            self._loading = asyncio.get_running_loop().run_in_executor(None, _load)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["path"].startswith(_CONTROL) and not self._control:
            await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return
        self._used = True
        application = await self._loaded()
        try:
            await application(scope, receive, _without_cors(send))
        finally:
            self.changes += scope["method"] not in _READING

    def changed(self) -> None:
        """Something beside a request has changed what clients have made."""
        self.changes += 1

    async def dump(self) -> bytes:
        """All that clients have made, for :meth:`restore` in another process."""
        # Two threads that import moto at once both meet half of it.
        await self._loaded()
        return await asyncio.to_thread(lambda: pickle.dumps(dump_moto(), pickle.HIGHEST_PROTOCOL))

    async def restore(self, data: bytes) -> None:
        """Go on with what another process knew, before the first request.

        :param data: what :meth:`dump` returned there
        """
        await self._loaded()
        await asyncio.to_thread(lambda: load_moto(pickle.loads(data)))

    async def reset(self) -> None:
        """Forget every bucket, log group, queue and whatever else clients made."""
        if not self._used:
            return
        application = await self._loaded()
        reset = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/moto-api/reset",
            "raw_path": b"/moto-api/reset",
            "query_string": b"",
            "headers": [(b"host", b"localhost"), (b"content-length", b"0")],
        }

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            if message.get("status", 200) != 200:
                raise RuntimeError(f"moto could not be reset: status {message['status']}")

        await application(reset, receive, send)
        self.changed()

    async def _loaded(self) -> Application:
        self.load()
        assert self._loading is not None
        # Shielded: the client that waits first may leave, the others wait on.
        return await asyncio.shield(self._loading)


def _without_cors(send: Send) -> Send:
    async def send_without(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [field for field in message["headers"] if not field[0].lower().startswith(_CORS)]
        await send(message)

    return send_without


def _load() -> Application:
    from a2wsgi import WSGIMiddleware
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    moto = DomainDispatcherApplication(create_backend_app)
    # What is the endpoint's own moto must not answer, however strange a request is.
    own = ("emrserverless", "emrcontainers")
    moto.backend_url_patterns = [entry for entry in moto.backend_url_patterns if entry[0] not in own]

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        scope = environ["asgi.scope"]
        query = scope["query_string"].decode("latin-1")
        # moto reads keys of objects from the path as it was sent: %2F in a key is not the same as a slash.
        environ["RAW_URI"] = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
        answer: Iterable[bytes] = moto(environ, start_response)
        return answer

    # The types that a2wsgi declares are its own spelling of the same interfaces.
    return cast("Application", WSGIMiddleware(cast("Any", application), workers=_THREADS))
