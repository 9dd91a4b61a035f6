"""The route in a real server of Airflow 3's framework: what waits there keeps nobody else waiting."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from airflow_emrs_ext._compat import AIRFLOW_3
from airflow_emrs_ext.plugin import answering
from airflow_emrs_ext.plugin.answers import Answer
from airflow_emrs_ext.plugin.clicks import Click
from tests.polling import eventually

pytestmark = [pytest.mark.airflow, pytest.mark.skipif(not AIRFLOW_3, reason="Airflow 2 has another framework")]

CLICKS = 50


@dataclass
class Site:
    """A server whose route answers when the test lets it, beside an endpoint as Airflow has them."""

    url: str = ""
    goes_on: threading.Event = field(default_factory=threading.Event)
    asked: list[Click] = field(default_factory=list)

    def answer(self, click: Click) -> Answer:
        self.asked.append(click)
        self.goes_on.wait(30)
        return Answer(307, location=f"https://example.com/{len(self.asked)}")

    def get(self, path: str) -> tuple[int, str | None, str]:
        """Status, where to, and the page."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects)
        try:
            with opener.open(f"{self.url}{path}", timeout=60) as response:
                return response.status, None, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers["Location"], error.read().decode()


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    import uvicorn
    from fastapi import FastAPI

    from airflow_emrs_ext.plugin import fastapi_route

    site = Site()
    monkeypatch.setattr(fastapi_route, "answer", site.answer)
    monkeypatch.setattr(fastapi_route, "HAS_COOKIE", True)
    # Whoever asks may read the logs.
    monkeypatch.setattr(fastapi_route, "requires_access_dag", lambda *_: lambda: None)
    fastapi_route._pool.cache_clear()
    app = FastAPI()
    app.mount("/emr", fastapi_route.application.__wrapped__())
    app.get("/health")(lambda: "healthy")
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        eventually(lambda: server.started)
        site.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        yield site
    finally:
        site.goes_on.set()
        server.should_exit = True
        thread.join(30)
        fastapi_route._pool.cache_clear()


def test_an_answer(site: Site) -> None:
    site.goes_on.set()
    assert site.get("/emr/spark-ui/d/r/t/-1/2?x=1")[:2] == (307, "https://example.com/1")
    assert [(one.what, one.place.identity["map_index"], one.attempt) for one in site.asked] == [("spark-ui", -1, 2)]


@pytest.mark.parametrize(
    "path", ["run/d/r/t/99999999999999999999", "run/d/r/t/-1/99999999999999999999", "run/d%00/r/t/-1", "run/d/r", "x"]
)
def test_absurd_paths(site: Site, path: str) -> None:
    status, _, page = site.get(f"/emr/{path}")
    assert (status, "No such link" in page) == (404, True)
    assert site.asked == []


def test_clicks_that_wait_keep_nobody_else_waiting(site: Site) -> None:
    with ThreadPoolExecutor(CLICKS) as people:
        clicks = [people.submit(site.get, f"/emr/spark-ui/d/r/t/{n}") for n in range(CLICKS)]
        eventually(lambda: site.asked)
        assert [site.get("/health")[0] for _ in range(20)] == [200] * 20
        waited = sum(not click.done() for click in clicks)
        site.goes_on.set()
        statuses = [click.result()[0] for click in clicks]
    # None of them had an answer meanwhile, which comes after ten seconds at the latest.
    assert waited > 30
    # For the others there was no place.
    assert statuses.count(307) >= 8
    assert set(statuses) == {307, 503}


def test_who_asks_for_the_same_page_gets_the_same_answer(site: Site) -> None:
    with ThreadPoolExecutor(5) as people:
        clicks = [people.submit(site.get, "/emr/run/d/r/t/-1") for _ in range(5)]
        eventually(lambda: site.asked)
        site.goes_on.set()
        assert {click.result()[1] for click in clicks} == {"https://example.com/1"}


def test_an_answer_has_a_time_limit(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_emrs_ext.plugin import fastapi_route

    monkeypatch.setattr(fastapi_route, "ANSWER_SECONDS", 0.2)
    status, _, page = site.get("/emr/run/d/r/t/-1")
    assert (status, "this page tries again by itself" in page) == (503, True)
    assert answering.ANSWER_SECONDS == 10
