"""The route in the web server of Airflow 2."""

from __future__ import annotations

from concurrent.futures import wait
from functools import cache
from importlib import import_module
from typing import Any
from urllib.parse import urljoin

from flask import Blueprint, Response, redirect, request

from airflow_emrs_ext.links.runs import ROUTE
from airflow_emrs_ext.plugin.answering import AnswerPool, NoPlace
from airflow_emrs_ext.plugin.answers import Answer, answer, asking, busy, forbidden, no_such_link, prepare
from airflow_emrs_ext.plugin.clicks import Click

_PATH = "/<what>/<dag_id>/<run_id>/<task_id>/<map_index>"
_ATTEMPT = "/<attempt>"

# A worker of this web server does nothing else while somebody waits, and there may be one only: the first who clicks
# waits so long, whoever clicks meanwhile comes back for the answer.
_WAIT_SECONDS = 0.25


def blueprint() -> Blueprint:
    """The route as a blueprint."""
    route = Blueprint("emrs_ext", __name__, url_prefix=f"/{ROUTE}")
    route.record_once(lambda _: prepare())
    route.add_url_rule(_PATH, "open", _open)
    route.add_url_rule(_PATH + _ATTEMPT, "open_attempt", _open)
    return route


@cache
def _pool() -> AnswerPool[Answer]:
    return AnswerPool()


def _open(**parts: str) -> Any:
    click = Click.of(request.args, **parts)
    if click is None:
        return _response(no_such_link())
    # Modules of Airflow 2, which Airflow 3 does not have.
    details = import_module("airflow.auth.managers.models.resource_details")
    auth_manager = import_module("airflow.www.extensions.init_auth_manager").get_auth_manager()
    if auth_manager.is_authorized_dag(
        method="GET",
        access_entity=details.DagAccessEntity.TASK_LOGS,
        details=details.DagDetails(id=click.place.dag_id),
    ):
        return _response(_answer(click, auth_manager.get_user()))
    if not auth_manager.is_logged_in():
        back = urljoin(request.host_url, click.path)
        return redirect(auth_manager.get_url_login(next_url=back))
    return _response(forbidden())


def _answer(click: Click, user: Any) -> Answer:
    pool = _pool()
    # Nobody else gets the answer that somebody comes back for, where it is good once.
    by = user.get_id() if click.is_for_one and user else None
    try:
        asked = pool.ask((click, by), lambda: answer(click), busy, is_for_one=click.is_for_one)
    except NoPlace:
        return busy()
    wait([asked.future], _WAIT_SECONDS if pool.waiting() == 1 else 0)
    return pool.deliver(asked) if asked.future.done() else asking()


def _response(given: Answer) -> Response:
    if given.location:
        return Response(status=given.status, headers={**given.headers, "Location": given.location})
    return Response(given.body, given.status, dict(given.headers), content_type="text/html; charset=utf-8")
