"""The route in the API server of Airflow 3."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any
from urllib.parse import urlencode

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BeforeValidator

from airflow_emrs_ext.links.runs import ROUTE
from airflow_emrs_ext.plugin._compat import HAS_COOKIE, base_path
from airflow_emrs_ext.plugin.answers import HEADERS, Answer, Place, answer, forbidden, problem, scripted, url_path
from airflow_emrs_ext.plugin.pages import script_page

# The UI leaves this word of an external view's address as it is where a task is not mapped.
MapIndex = Annotated[int, BeforeValidator(lambda value: -1 if value == "{MAP_INDEX}" else value)]

_PATH = "/{what}/{dag_id}/{run_id}/{task_id}/{map_index}"
_ATTEMPT = "/{attempt}"
# Below this the same answers as JSON, for the script of Airflow 3.0.
_FOR_SCRIPT = "/answers"

# The script asks with the token that the UI keeps, or that the login has just left for it.
_SCRIPT = """
const cookie = document.cookie.split("; ").find((one) => one.startsWith("_token="));
const token = cookie ? cookie.slice(7) : localStorage.getItem("token");
const path = "%(answers)s", login = "%(login)s";
async function ask() {
  if (!token) return location.replace(login);
  const asked = await fetch(path, { headers: { Authorization: "Bearer " + token }, cache: "no-store" });
  if (asked.status === 401) return location.replace(login);
  const { location: target, page } = await asked.json();
  if (target) return location.replace(target);
  document.open(); document.write(page); document.close();
}
ask().catch((error) => { document.getElementById("text").textContent = String(error); });
"""


@cache
def application() -> FastAPI:
    """The route as an application of its own."""
    app = FastAPI(title="EMR run", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(HTTPException, _refuse)
    app.add_exception_handler(RequestValidationError, _no_such_link)
    guard = [Depends(requires_access_dag("GET", DagAccessEntity.TASK_LOGS))]
    if HAS_COOKIE:
        _add(app, "", _open, dependencies=guard)
    else:
        _add(app, _FOR_SCRIPT, _open_for_script, dependencies=guard)
        _add(app, "", _page_that_asks)
    return app


def _add(app: FastAPI, prefix: str, endpoint: Any, **options: Any) -> None:
    for path in (_PATH, _PATH + _ATTEMPT):
        app.add_api_route(prefix + path, endpoint, methods=["GET"], response_model=None, **options)


def _open(
    request: Request,
    what: str,
    dag_id: str,
    run_id: str,
    task_id: str,
    map_index: MapIndex,
    attempt: int | None = None,
) -> Response:
    return _response(answer(what, Place.of(dag_id, run_id, task_id, map_index, request.query_params), attempt))


def _open_for_script(
    request: Request,
    what: str,
    dag_id: str,
    run_id: str,
    task_id: str,
    map_index: MapIndex,
    attempt: int | None = None,
) -> Response:
    given = answer(what, Place.of(dag_id, run_id, task_id, map_index, request.query_params), attempt)
    # A redirect is for the browser to follow, and not for the script.
    return JSONResponse(given.as_json(), 200 if given.location else given.status, dict(HEADERS))


def _page_that_asks(
    request: Request,
    what: str,
    dag_id: str,
    run_id: str,
    task_id: str,
    map_index: MapIndex,
    attempt: int | None = None,
) -> Response:
    place = Place.of(dag_id, run_id, task_id, map_index, request.query_params)
    path = url_path(what, place, attempt)
    root = f"{base_path()}/{ROUTE}"
    script = _SCRIPT % {
        "answers": _in_script(root + _FOR_SCRIPT + path[len(root) :]),
        "login": _in_script(_login_url(path)),
    }
    shown = scripted(script_page("Opening", script))
    return HTMLResponse(shown.body, headers=dict(shown.headers))


async def _refuse(request: Request, error: Exception) -> Response:
    """Somebody is not logged in, or may not read the logs."""
    assert isinstance(error, HTTPException)
    is_script = not HAS_COOKIE
    # The token of a login that is not valid any more is refused with the status of a missing permission.
    if error.status_code == 401 or error.detail == "Invalid JWT token":
        if is_script:
            return JSONResponse({}, 401, dict(HEADERS))
        names = request.path_params
        place = Place.of(names["dag_id"], names["run_id"], names["task_id"], names["map_index"], request.query_params)
        login = _login_url(url_path(names["what"], place, names.get("attempt")))
        return Response(status_code=307, headers={**HEADERS, "Location": login})
    given = forbidden() if error.status_code == 403 else problem(error.status_code, "Not possible", str(error.detail))
    return JSONResponse(given.as_json(), given.status, dict(HEADERS)) if is_script else _response(given)


async def _no_such_link(request: Request, error: Exception) -> Response:
    return _response(problem(404, "No such link", "The address is none of this package's links."))


def _login_url(path: str) -> str:
    return f"{get_auth_manager().get_url_login()}?{urlencode({'next': path})}"


def _response(given: Answer) -> Response:
    if given.location:
        return Response(status_code=given.status, headers={**given.headers, "Location": given.location})
    return HTMLResponse(given.body, given.status, dict(given.headers))


def _in_script(text: str) -> str:
    """A path as part of a string of a script: it is quoted as URLs are, and may still hold what ends one."""
    return text.replace("\\", "%5C").replace('"', "%22").replace("<", "%3C").replace("'", "%27")
