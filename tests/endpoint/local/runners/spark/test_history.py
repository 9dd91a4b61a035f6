"""The history server while it starts: what it says before it knows an application is waited past."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_emrs_ext.local.runners.spark.history import HistoryServer
from airflow_emrs_ext.local.runners.spark.uis import SparkUis

KNOWN = json.dumps({"attempts": [{"completed": True}]}).encode()


class Starting(BaseHTTPRequestHandler):
    """Answers for its API as told, one after the other, and then as one that knows the application."""

    answers: list[bytes]

    def do_GET(self) -> None:
        api = self.path.startswith("/api/")
        body = (self.answers.pop(0) if self.answers else KNOWN) if api else b"<html>jobs</html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Starting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


class Started(HistoryServer):
    """One whose process is the test's."""

    async def _start(self) -> Any:
        return SimpleNamespace(is_running=True)


@pytest.mark.parametrize("early", [b"", b"<html>Loading</html>", b"[]", b"{}", b'{"attempts": []}', b"null"])
def test_what_it_says_before_it_knows_is_waited_past(early: bytes, server: ThreadingHTTPServer, tmp_path: Path) -> None:
    Starting.answers = [early, early]
    (tmp_path / "app").touch()
    machine: Any = SimpleNamespace(state_dir=tmp_path, event_logs=tmp_path)
    history = Started(machine, SparkUis("http://127.0.0.1:1"))
    history._port = server.server_address[1]
    spec: Any = SimpleNamespace(ui_id="app", work_dir=tmp_path)
    url = asyncio.run(history.url(spec))
    assert url is not None
    assert url.endswith("/history/app/jobs/")
    assert Starting.answers == []
