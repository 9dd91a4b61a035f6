"""Spark's UIs behind the endpoint: what goes through to them, and what comes back."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import uvicorn

from airflow_emrs_ext.local.runners.spark.uis import SparkUis
from airflow_emrs_ext.local.server.web_pages import WebPageFilter
from tests.endpoint.local.server.test_web_pages import PAGES, ask
from tests.polling import eventually


class Spark(BaseHTTPRequestHandler):
    """Answers as a UI of Spark's does, and says what it was asked."""

    protocol_version = "HTTP/1.1"
    asked: list[tuple[str, dict[str, str]]]

    def do_GET(self) -> None:
        self.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        if self.path == "/":
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_address[1]}/jobs/")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html;charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"4\r\njobs\r\n0\r\n\r\n")

    do_POST = do_HEAD = do_GET  # noqa: N815 - their names in http.server

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def spark() -> Iterator[ThreadingHTTPServer]:
    Spark.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Spark)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def served() -> Iterator[tuple[str, SparkUis]]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        uis = SparkUis(url)
        application = WebPageFilter(uis, pages=("/_emrs/spark-ui/",), scripted=("/_emrs/spark-ui/",))
        server = uvicorn.Server(uvicorn.Config(application, ws="none", lifespan="off", log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        eventually(lambda: server.started)
        yield url, uis
        server.should_exit = True
        thread.join(10)


def test_a_page_comes_through(served: tuple[str, SparkUis], spark: ThreadingHTTPServer) -> None:
    url, uis = served
    assert uis.open("00run-1", spark.server_address[1]) == f"{url}/_emrs/spark-ui/00run-1"
    path = "/_emrs/spark-ui/00run-1/jobs/a%2Fb/?id=1"
    status, answered, body = ask(url, "GET", path, {"Cookie": "a=b", "Accept": "text/html"})
    assert (status, body, answered["content-type"]) == (200, b"jobs", "text/html;charset=utf-8")
    # Its pages run scripts.
    assert "content-security-policy" not in answered
    ((asked, headers),) = Spark.asked
    assert asked == "/jobs/a%2Fb/?id=1"
    assert headers["x-forwarded-context"] == "/_emrs/spark-ui/00run-1"
    assert headers["accept"] == "text/html"
    assert "cookie" not in headers
    signed, _, signature = headers["authorization"].removeprefix("Bearer ").rpartition(".")
    secret = uis.properties((4, 1))["spark.org.apache.spark.ui.JWSFilter.param.secretKey"]
    mac = hmac.new(base64.urlsafe_b64decode(f"{secret}="), signed.encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(f"{signature}=") == mac


@pytest.mark.parametrize("path", ["/_emrs/spark-ui/00run-1", "/_emrs/spark-ui/00run-1/"])
def test_it_leads_to_itself(served: tuple[str, SparkUis], spark: ThreadingHTTPServer, path: str) -> None:
    url, uis = served
    uis.open("00run-1", spark.server_address[1])
    status, answered, _ = ask(url, "GET", path)
    assert (status, answered["location"]) == (302, "/_emrs/spark-ui/00run-1/jobs/")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_but_reading_goes_through(
    served: tuple[str, SparkUis], spark: ThreadingHTTPServer, method: str
) -> None:
    url, uis = served
    uis.open("00run-1", spark.server_address[1])
    assert ask(url, method, "/_emrs/spark-ui/00run-1/stages/stage/kill/?id=0", {}, b"")[0] == 405
    assert Spark.asked == []


@pytest.mark.parametrize("page", PAGES)
def test_a_web_page_does_not_read_it(served: tuple[str, SparkUis], spark: ThreadingHTTPServer, page: str) -> None:
    url, uis = served
    uis.open("00run-1", spark.server_address[1])
    status, _, _ = ask(url, "GET", "/_emrs/spark-ui/00run-1/jobs/", PAGES[page])
    is_link = page in ("link", "link of another port", "old browser")
    assert status == (200 if is_link else 421 if "Host" in PAGES[page] else 403)
    assert len(Spark.asked) == is_link


@pytest.mark.parametrize("path", ["/_emrs/spark-ui/", "/_emrs/spark-ui/other/jobs/", "/_emrs/spark-ui/%2e%2e/jobs/"])
def test_there_is_no_other(served: tuple[str, SparkUis], spark: ThreadingHTTPServer, path: str) -> None:
    url, uis = served
    uis.open("00run-1", spark.server_address[1])
    assert ask(url, "GET", path)[0] == 404
    uis.close("00run-1")
    assert ask(url, "GET", "/_emrs/spark-ui/00run-1/jobs/")[0] == 404
    assert Spark.asked == []


def test_one_that_is_lost_is_an_error_of_the_gateway(served: tuple[str, SparkUis]) -> None:
    url, uis = served
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        uis.open("00run-1", unused.getsockname()[1])
        assert ask(url, "GET", "/_emrs/spark-ui/00run-1/jobs/")[0] == 502
