"""The route in the web server of Airflow 2."""

from __future__ import annotations

from importlib import import_module
from typing import Any
from urllib.parse import urljoin

from flask import Blueprint, Response, redirect, request

from airflow_emrs_ext.links.runs import ROUTE
from airflow_emrs_ext.plugin.answers import Answer, Place, answer, forbidden, url_path

_PATH = "/<what>/<dag_id>/<run_id>/<task_id>/<int(signed=True):map_index>"
_ATTEMPT = "/<int:attempt>"


def blueprint() -> Blueprint:
    """The route as a blueprint."""
    route = Blueprint("emrs_ext", __name__, url_prefix=f"/{ROUTE}")
    route.add_url_rule(_PATH, "open", _open)
    route.add_url_rule(_PATH + _ATTEMPT, "open_attempt", _open)
    return route


def _open(what: str, dag_id: str, run_id: str, task_id: str, map_index: int, attempt: int | None = None) -> Any:
    place = Place.of(dag_id, run_id, task_id, map_index, request.args)
    # Modules of Airflow 2, which Airflow 3 does not have.
    details = import_module("airflow.auth.managers.models.resource_details")
    auth_manager = import_module("airflow.www.extensions.init_auth_manager").get_auth_manager()
    if auth_manager.is_authorized_dag(
        method="GET", access_entity=details.DagAccessEntity.TASK_LOGS, details=details.DagDetails(id=dag_id)
    ):
        return _response(answer(what, place, attempt))
    if not auth_manager.is_logged_in():
        back = urljoin(request.host_url, url_path(what, place, attempt))
        return redirect(auth_manager.get_url_login(next_url=back))
    return _response(forbidden())


def _response(given: Answer) -> Response:
    if given.location:
        return Response(status=given.status, headers={**given.headers, "Location": given.location})
    return Response(given.body, given.status, dict(given.headers), content_type="text/html; charset=utf-8")
