"""Spark's own web pages, behind the endpoint."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import http.client
import secrets
from collections.abc import Mapping

from airflow_emrs_ext.local.base.asgi import Receive, Scope, Send

PREFIX = "/_emrs/spark-ui"

_FILTER = "org.apache.spark.ui.JWSFilter"
_SECONDS = 60
_READING = ("GET", "HEAD")
_PASSED_ON = (b"accept", b"if-modified-since")
# Of the connection to Spark, not of the answer.
_NOT_PASSED_BACK = ("connection", "content-length", "date", "keep-alive", "server", "transfer-encoding")


def has_ui(line: tuple[int, int]) -> bool:
    """Whether the drivers of a Spark have a UI of their own.

    :param line: major and minor version of the Spark
    """
    return line >= (4, 0)


class SparkUis:
    """An ASGI application that hands requests on to Spark's UIs, under ``/_emrs/spark-ui/<name>/``.

    Spark checks neither ``Host`` nor ``Origin``, and ends a job at the word of any page. So its UIs answer only who has
    a token, which is the endpoint, and nothing but reading goes through.

    :param endpoint_url: where the endpoint can be reached
    """

    def __init__(self, endpoint_url: str) -> None:
        self._url = f"{endpoint_url}{PREFIX}"
        self._secret = secrets.token_bytes(32)
        self._ports: dict[str, int] = {}

    def properties(self, line: tuple[int, int]) -> dict[str, str]:
        """The Spark properties of a driver or a history server.

        :param line: major and minor version of its Spark; before 4.0 it has no filter that asks for a token, so there
            is no UI, and the history server shows the driver while it runs as well
        """
        if not has_ui(line):
            return {"spark.ui.enabled": "false"}
        return {
            "spark.ui.filters": _FILTER,
            f"spark.{_FILTER}.param.secretKey": _encoded(self._secret),
            "spark.ui.killEnabled": "false",
        }

    def open(self, name: str, port: int) -> str:
        """Hand requests on to a UI.

        :param name: what it is called in URLs
        :param port: where it is on loopback
        :return: its URL
        """
        self._ports[name] = port
        return f"{self._url}/{name}"

    def close(self, name: str) -> None:
        """Hand nothing on to it any more."""
        self._ports.pop(name, None)

    async def read(self, name: str, path: str) -> bytes | None:
        """A page of a UI.

        :param name: the UI
        :param path: of the page
        :return: ``None``: there is no such page now, or the UI does not answer
        """
        try:
            status, _, body = await asyncio.to_thread(self._ask, name, "GET", path, {})
        except OSError:
            return None
        return body if status == 200 else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        raw_path: str = scope["raw_path"].decode("latin-1")
        name, _, path = raw_path.removeprefix(f"{PREFIX}/").partition("/")
        query: str = scope["query_string"].decode("latin-1")
        headers = {key.decode(): value.decode("latin-1") for key, value in scope["headers"] if key in _PASSED_ON}
        if scope["method"] not in _READING:
            status, fields, body = 405, [("allow", ", ".join(_READING))], b""
        elif name not in self._ports:
            status, fields, body = 404, [], b"This Spark UI is gone; ask the API for a new URL of the dashboard.\n"
        else:
            target = f"/{path}?{query}" if query else f"/{path}"
            try:
                status, fields, body = await asyncio.to_thread(self._ask, name, scope["method"], target, headers)
            except OSError:
                status, fields, body = 502, [], b"This Spark UI does not answer.\n"
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    *((key.lower().encode(), value.encode("latin-1")) for key, value in fields),
                    (b"content-length", b"%d" % len(body)),
                ],
            }
        )
        await send({"type": "http.response.body", "body": body})

    def _ask(
        self, name: str, method: str, target: str, headers: Mapping[str, str]
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        port, context = self._ports[name], f"{PREFIX}/{name}"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
        given = {**headers, "Authorization": f"Bearer {_token(self._secret)}", "X-Forwarded-Context": context}
        try:
            connection.request(method, target, headers=given)
            answer = connection.getresponse()
            fields = [
                (key, _moved(value, f"http://127.0.0.1:{port}", context) if key.lower() == "location" else value)
                for key, value in answer.getheaders()
                if key.lower() not in _NOT_PASSED_BACK
            ]
            return answer.status, fields, answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()


def _moved(location: str, origin: str, context: str) -> str:
    """Where Spark sends the browser, by way of the endpoint."""
    path = location.removeprefix(origin)
    return path if path.startswith(context) or not path.startswith("/") else f"{context}{path}"


def _token(secret: bytes) -> str:
    """What Spark's filter takes: a JSON Web Signature, by HMAC with SHA-256, of no claims."""
    signed = ".".join(_encoded(part) for part in (b'{"alg":"HS256"}', b"{}"))
    return f"{signed}.{_encoded(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
