"""The route in the API server of Airflow 3."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Annotated, Any
from urllib.parse import urlencode

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException

from airflow_emrs_ext.links.runs import ROUTE
from airflow_emrs_ext.plugin._compat import HAS_COOKIE, base_path
from airflow_emrs_ext.plugin.answering import ANSWER_SECONDS, AnswerPool, NoPlace
from airflow_emrs_ext.plugin.answers import (
    HEADERS,
    Answer,
    answer,
    busy,
    forbidden,
    no_such_link,
    problem,
    scripted,
)
from airflow_emrs_ext.plugin.clicks import Click
from airflow_emrs_ext.plugin.pages import script_page

_PATH = "/{what}/{dag_id}/{run_id}/{task_id}/{map_index}"
_ATTEMPT = "/{attempt}"
# Below this the same answers as JSON, for the script of Airflow 3.0.
_FOR_SCRIPT = "/answers"

# The script asks with the token that the UI keeps, or that the login has just left for it.
_SCRIPT = """
const cookie = document.cookie.split("; ").find((one) => one.startsWith("_token="));
const token = cookie ? cookie.slice(7) : localStorage.getItem("token");
const path = "%(answers)s", login = "%(login)s", nonce = document.currentScript.nonce;
async function ask() {
  if (!token) return location.replace(login);
  const asked = await fetch(path, { headers: { Authorization: "Bearer " + token }, cache: "no-store" });
  if (asked.status === 401) return location.replace(login);
  const { location: target, page } = await asked.json();
  if (target) return location.replace(target);
  // The policy of this page stays: its scripts are those with its own nonce.
  document.open(); document.write(page.replace(/<script nonce="[^"]*"/g, `<script nonce="${nonce}"`)); document.close();
}
ask().catch((error) => { document.getElementById("text").textContent = String(error); });
"""


@cache
def application() -> FastAPI:
    """The route as an application of its own."""
    app = FastAPI(title="EMR run", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(HTTPException, _refuse)
    guard = [Depends(_click), Depends(requires_access_dag("GET", DagAccessEntity.TASK_LOGS))]
    if HAS_COOKIE:
        _add(app, "", _open, dependencies=guard)
    else:
        _add(app, _FOR_SCRIPT, _open_for_script, dependencies=guard)
        _add(app, "", _page_that_asks)
    return app


def _add(app: FastAPI, prefix: str, endpoint: Any, **options: Any) -> None:
    for path in (_PATH, _PATH + _ATTEMPT):
        app.add_api_route(prefix + path, endpoint, methods=["GET"], response_model=None, **options)


@cache
def _pool() -> AnswerPool[Answer]:
    return AnswerPool()


async def _click(request: Request) -> Click:
    """What the path asks for, before anybody looks into Airflow's database for it."""
    if click := Click.of(request.query_params, **request.path_params):
        return click
    raise HTTPException(404)


_Clicked = Annotated[Click, Depends(_click)]


async def _open(click: _Clicked) -> Response:
    return _response(await _answer(click))


async def _open_for_script(click: _Clicked) -> Response:
    given = await _answer(click)
    # A redirect is for the browser to follow, and not for the script.
    return JSONResponse(given.as_json(), 200 if given.location else given.status, dict(HEADERS))


async def _answer(click: Click) -> Answer:
    """The answer, which others of Airflow's endpoints do not wait for."""
    pool = _pool()
    key = (click, object() if click.is_for_one else None)
    try:
        asked = pool.ask(key, lambda: answer(click), busy, is_for_one=click.is_for_one)
    except NoPlace:
        return busy()
    future = asyncio.wrap_future(asked.future)
    # Not cancelled: others may wait for it, too.
    done, _ = await asyncio.wait([future], timeout=ANSWER_SECONDS)
    return pool.deliver(asked) if done else busy()


async def _page_that_asks(click: _Clicked) -> Response:
    path, root = click.path, f"{base_path()}/{ROUTE}"
    script = _SCRIPT % {
        "answers": _in_script(root + _FOR_SCRIPT + path[len(root) :]),
        "login": _in_script(_login_url(path)),
    }
    shown = scripted(script_page("Opening", script))
    return HTMLResponse(shown.body, headers=dict(shown.headers))


async def _refuse(request: Request, error: Exception) -> Response:
    """Somebody is not logged in, may not read the logs, or follows no link."""
    assert isinstance(error, HTTPException)
    is_script = f"/{ROUTE}{_FOR_SCRIPT}/" in request.url.path
    # The token of a login that is not valid any more is refused with the status of a missing permission.
    if error.status_code == 401 or error.detail == "Invalid JWT token":
        if is_script:
            return JSONResponse({}, 401, dict(HEADERS))
        click = await _click(request)
        login = _login_url(click.path)
        return Response(status_code=307, headers={**HEADERS, "Location": login})
    known = {403: forbidden, 404: no_such_link}.get(error.status_code)
    given = known() if known else problem(error.status_code, "Not possible", str(error.detail))
    return JSONResponse(given.as_json(), given.status, dict(HEADERS)) if is_script else _response(given)


def _login_url(path: str) -> str:
    return f"{get_auth_manager().get_url_login()}?{urlencode({'next': path})}"


def _response(given: Answer) -> Response:
    if given.location:
        return Response(status_code=given.status, headers={**given.headers, "Location": given.location})
    return HTMLResponse(given.body, given.status, dict(given.headers))


def _in_script(text: str) -> str:
    """A path as part of a string of a script: it is quoted as URLs are, and may still hold what ends one."""
    return text.replace("\\", "%5C").replace('"', "%22").replace("<", "%3C").replace("'", "%27")
