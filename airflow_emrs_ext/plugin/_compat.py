"""Every branch on the version of Airflow in what the plugin adds to the web server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from packaging.version import Version

from airflow_emrs_ext._compat import AIRFLOW_3, AIRFLOW_VERSION, TELLS_LOOPS_APART, as_columns
from airflow_emrs_ext.core import settings
from airflow_emrs_ext.links.runs import LINKS, ROUTE, EmrLink, RunLink

HAS_COOKIE = Version("3.1") <= AIRFLOW_VERSION
"""Whether a browser that follows a link says who it is; in 3.0 only the UI's own script does."""


def xcom_of(identity: Mapping[str, Any], key: str) -> Any:
    """An XCom of plain JSON that a task has stored in Airflow's database; ``None``: none, or it is something else.

    :param identity: of the task instance, see :func:`~airflow_emrs_ext.aws.ownership_tags.identity_of`
    """
    from airflow.utils.session import create_session

    model: Any = getattr(import_module("airflow.models.xcom"), "XComModel" if AIRFLOW_3 else "BaseXCom")
    try:
        columns = as_columns(model, identity)
    except ValueError:
        return None
    with create_session() as session:
        # Airflow 3.4 keeps those of earlier tries, too.
        newest = session.query(model.value).filter_by(key=key, **columns).order_by(model.timestamp.desc())
        found = newest.first()
    value: Any = found and found[0]
    # Airflow 3 stores the text of JSON as JSON. What is no plain JSON is not ours to make objects of.
    for _ in range(2):
        try:
            value = json.loads(value) if isinstance(value, (str, bytes)) else value
        except (ValueError, RecursionError):
            return None
    return value


def rendered_fields(identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """The template fields that a task ran with, as Airflow keeps them of the newest DAG runs.

    :param identity: of the task instance, see :func:`~airflow_emrs_ext.aws.ownership_tags.identity_of`
    """
    from airflow.models import TaskInstance
    from airflow.models.renderedtifields import RenderedTaskInstanceFields as Model
    from airflow.utils.session import create_session

    with create_session() as session:
        query = session.query(Model.rendered_fields)
        if hasattr(Model, "task_instance_id"):
            # Since Airflow 3.4 they are those of a try, and only the newest is joined.
            query = query.join(TaskInstance, TaskInstance.id == Model.task_instance_id)
            found = query.filter_by(**as_columns(TaskInstance, identity)).first()
        else:
            found = query.filter_by(**as_columns(Model, identity)).first()
    fields: Any = found and found[0]
    return fields if isinstance(fields, dict) else None


def serialized_task(identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """A task as its serialized DAG says it: of the version that the task ran, or of the newest where that is not known.

    :param identity: of the task instance, see :func:`~airflow_emrs_ext.aws.ownership_tags.identity_of`
    """
    from airflow.models import TaskInstance
    from airflow.models.serialized_dag import SerializedDagModel as Model
    from airflow.utils.session import create_session

    with create_session() as session:
        found: Any = None
        if AIRFLOW_3:
            columns = as_columns(TaskInstance, identity)
            version = session.query(TaskInstance.dag_version_id).filter_by(**columns).scalar()
            found = version and session.query(Model).filter_by(dag_version_id=version).first()
        found = found or Model.get(identity["dag_id"], session=session)
        data: Any = found and found.data
    tasks = data["dag"]["tasks"] if data else []
    for task in (one.get("__var", one) for one in tasks):
        if task.get("task_id") == identity["task_id"]:
            return dict(task)
    return None


def base_path() -> str:
    """The path below which the browser finds Airflow; empty: the root."""
    from airflow.configuration import conf

    address = conf.get("api" if AIRFLOW_3 else "webserver", "base_url", fallback="")
    return urlsplit(address).path.rstrip("/")


class LazyApplication:
    """An ASGI application that is made when the first request comes: only the web server pays for what it needs."""

    _application: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if self._application is None:
            import asyncio

            self._application = await asyncio.to_thread(_fastapi_application)
        await self._application(scope, receive, send)


def _fastapi_application() -> Any:
    from airflow_emrs_ext.plugin import fastapi_route

    return fastapi_route.application()


class LazyBlueprints:
    """The Flask blueprints, made when the web server asks for them."""

    def __iter__(self) -> Iterator[Any]:
        from airflow_emrs_ext.plugin import flask_route

        yield flask_route.blueprint()


def fastapi_apps() -> list[dict[str, Any]]:
    """What the plugin adds to the API server of Airflow 3."""
    return [{"app": LazyApplication(), "url_prefix": f"/{ROUTE}", "name": "EMR run"}] if AIRFLOW_3 else []


def external_views() -> list[dict[str, Any]]:
    """What the plugin adds to the page of a task in Airflow 3.1 and newer."""
    if not HAS_COOKIE or not settings.task_view():
        return []
    words = "{DAG_ID}/{RUN_ID}/{TASK_ID}/{MAP_INDEX}"
    return [
        {
            "name": RunLink.name,
            "href": f"{ROUTE}/{RunLink.what}/{words}",
            "destination": "task_instance",
            "url_route": ROUTE,
        }
    ]


class LazyLinks:
    """The links that the API server of Airflow 3 makes when somebody looks; the others have none of a plugin."""

    def __iter__(self) -> Iterator[Any]:
        links = {type(link): link for of_kind in LINKS.values() for link in of_kind}.values() if AIRFLOW_3 else ()
        yield from map(_with_region, links) if TELLS_LOOPS_APART else links


def _with_region(link: EmrLink) -> Any:
    """A link that is told the region of a task instance, without which its iterations are one.

    Airflow 3.4 tells that to links which it reads from XComs, and to no other.
    """
    from airflow.serialization.definitions.operatorlink import XComOperatorLink

    class WithRegion(XComOperatorLink):
        operators = link.operators

        def get_link(  # type: ignore[override]  # as 3.4 calls it
            self, operator: Any, *, ti_key: Any, region_id: Any
        ) -> str:
            place = {name: getattr(ti_key, name) for name in ("dag_id", "run_id", "task_id", "map_index")}
            return link.get_link(operator, ti_key=SimpleNamespace(**place, region_id=region_id))

    return WithRegion(name=link.name, xcom_key=link.xcom_key)


def flask_blueprints() -> Any:
    """What the plugin adds to the web server of Airflow 2."""
    return [] if AIRFLOW_3 else LazyBlueprints()
