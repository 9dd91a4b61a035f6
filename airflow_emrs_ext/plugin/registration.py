"""What the plugin adds to each component of Airflow: applications, views and links, made when they are first needed."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from airflow_emrs_ext._compat import AIRFLOW_3, TELLS_LOOPS_APART
from airflow_emrs_ext.core import settings
from airflow_emrs_ext.links.runs import LINKS, ROUTE, EmrLink, RunLink
from airflow_emrs_ext.plugin._compat import HAS_COOKIE


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
