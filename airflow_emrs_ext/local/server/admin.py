"""The administrative API of the endpoint, under ``/_emrs/``: what a test says to it and asks of it."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Mapping
from html import escape
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

import airflow_emrs_ext
from airflow_emrs_ext.local.base.collection import Collection
from airflow_emrs_ext.local.base.errors import ApiError
from airflow_emrs_ext.local.runners.scripts import Script
from airflow_emrs_ext.local.server.endpoint import Endpoint
from airflow_emrs_ext.local.server.faults import Fault, known_operations

PREFIX = "/_emrs"
PAGES = (f"{PREFIX}/dashboards/", f"{PREFIX}/simulated-ui/")
"""Beginnings of the paths that are for people: links of any web page may lead there, as nothing changes by it."""

_BODY_LIMIT = 4 * 1024 * 1024

Handler = Callable[[Endpoint, Request], Awaitable[Any]]


def admin_application(endpoint: Endpoint) -> Starlette:
    """The administrative API of ``endpoint`` as an ASGI application."""
    serverless, eks, ec2 = endpoint.serverless, endpoint.containers, endpoint.ec2
    handlers: Mapping[str, Mapping[str, Handler]] = {
        "/health": {"GET": _health},
        "/config": {"GET": _config, "PATCH": _change_config},
        "/iam": {"PUT": _set_callers, "DELETE": _clear_callers},
        "/scripts": {"GET": _scripts, "POST": _add_script, "DELETE": _clear_scripts},
        "/finish": {"POST": _finish},
        "/write": {"POST": _write},
        "/faults": {"GET": _faults, "POST": _add_fault, "DELETE": _clear_faults},
        "/calls": {"GET": _calls, "DELETE": _clear_calls},
        "/job-runs": {"GET": _records("jobRuns", serverless.job_runs, "applicationId")},
        "/applications": {"GET": _records("applications", serverless.applications)},
        "/sessions": {"GET": _records("sessions", serverless.sessions, "applicationId")},
        "/eks/virtual-clusters": {"GET": _records("virtualClusters", eks.virtual_clusters)},
        "/eks/job-runs": {"GET": _records("jobRuns", eks.job_runs, "virtualClusterId")},
        "/eks/managed-endpoints": {"GET": _records("managedEndpoints", eks.managed_endpoints, "virtualClusterId")},
        "/ec2/clusters": {"GET": _records("clusters", ec2.clusters)},
        "/ec2/sessions": {"GET": _records("sessions", ec2.sessions, "clusterId")},
        "/ec2/steps": {"GET": _records("steps", ec2.steps, "clusterId")},
        "/sessions/{session_id}/end": {"POST": _end_session},
        "/sessions/{session_id}/busy": {"PUT": _hold_busy, "DELETE": _hold_busy},
        "/reset": {"POST": _reset},
        "/dashboards/{token}": {"GET": _dashboard},
        "/dashboards/{token}/logs/{folder:path}/{name}": {"GET": _dashboard_log},
        "/simulated-ui/{owner}/{driver}": {"GET": _simulated_ui},
    }
    routes = [
        Route(PREFIX + path, _bound(endpoint, handler), methods=[method])
        for path, methods in handlers.items()
        for method, handler in methods.items()
    ]
    refusals = {HTTPException: _refuse, ValueError: _refuse_value, ApiError: _no_dashboard}
    return Starlette(routes=routes, exception_handlers=refusals)


def _bound(endpoint: Endpoint, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        result = await handler(endpoint, request)
        return result if isinstance(result, Response) else JSONResponse(result)

    return answer


async def _refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"message": error.detail}, error.status_code, error.headers)


async def _refuse_value(_: Request, error: Exception) -> Response:
    """Every settings object refuses what it cannot use with a ValueError that names the field."""
    return JSONResponse({"message": str(error)}, 400)


async def _no_dashboard(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return HTMLResponse(f"<h1>No dashboard</h1><p>{escape(error.message)}</p>", status_code=error.status or 404)


async def _body(request: Request) -> dict[str, Any]:
    received = b""
    async for chunk in request.stream():
        received += chunk
        if len(received) > _BODY_LIMIT:
            raise HTTPException(413, f"The body is larger than {_BODY_LIMIT} bytes")
    try:
        document = json.loads(received.decode())
        # Half of a surrogate pair could not be sent back.
        json.dumps(document, ensure_ascii=False).encode()
    # ValueError: not UTF-8, not JSON, or a number with more digits than Python takes.
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ValueError("The request body must be a JSON object")
    return document


def _query(request: Request, *known: str) -> dict[str, str]:
    for name in request.query_params:
        if name not in known:
            raise ValueError(f"{name}: unknown parameter; there are {', '.join(known) or 'none'}")
    return dict(request.query_params)


async def _health(endpoint: Endpoint, _: Request) -> Any:
    return {
        "status": "ok",
        "runner": endpoint.options.runner,
        "version": airflow_emrs_ext.__version__,
        "s3Endpoint": endpoint.options.s3_endpoint,
    }


async def _config(endpoint: Endpoint, _: Request) -> Any:
    return endpoint.config.as_dict()


async def _change_config(endpoint: Endpoint, request: Request) -> Any:
    endpoint.config.update(await _body(request))
    endpoint.serverless.config_changed()
    endpoint.containers.config_changed()
    endpoint.ec2.config_changed()
    return endpoint.config.as_dict()


async def _set_callers(endpoint: Endpoint, request: Request) -> Any:
    endpoint.iam.set_callers(await _body(request))
    return {}


async def _clear_callers(endpoint: Endpoint, _: Request) -> Any:
    endpoint.iam.callers = None
    return {}


async def _scripts(endpoint: Endpoint, _: Request) -> Any:
    return {"scripts": [script.as_dict() for script in endpoint.simulated_runner().scripts]}


async def _add_script(endpoint: Endpoint, request: Request) -> Any:
    script = Script.from_dict(await _body(request))
    endpoint.simulated_runner().add_script(script)
    return script.as_dict()


async def _clear_scripts(endpoint: Endpoint, _: Request) -> Any:
    endpoint.simulated_runner().clear_scripts()
    return {}


async def _fields(request: Request, **kinds: type[Any]) -> dict[str, Any]:
    """The body, which has exactly these members."""
    body = await _body(request)
    _check_fields(body, **kinds)
    return body


def _check_fields(body: Mapping[str, Any], **kinds: type[Any]) -> None:
    for name, kind in kinds.items():
        if not isinstance(body.get(name), kind):
            raise ValueError(f"{name}: must be a {'boolean' if kind is bool else 'string'}, not {body.get(name)!r}")
    for name in body:
        if name not in kinds:
            raise ValueError(f"{name}: unknown; there are {', '.join(kinds)}")


async def _finish(endpoint: Endpoint, request: Request) -> Any:
    body = await _body(request)
    after = body.pop("after", 0)
    if isinstance(after, bool) or not isinstance(after, int | float) or not 0 <= after < math.inf:
        raise ValueError(f"after: must be a number of seconds of at least 0, not {after!r}")
    _check_fields(body, jobRunId=str, succeeded=bool, details=str)
    endpoint.simulated_runner().finish(
        body["jobRunId"], succeeded=body["succeeded"], details=body["details"], after=after
    )
    return {}


async def _write(endpoint: Endpoint, request: Request) -> Any:
    body = await _fields(request, jobRunId=str, stdout=str, stderr=str)
    endpoint.simulated_runner().write(body["jobRunId"], stdout=body["stdout"], stderr=body["stderr"])
    return {}


async def _faults(endpoint: Endpoint, _: Request) -> Any:
    return {"faults": endpoint.faults.as_list()}


async def _add_fault(endpoint: Endpoint, request: Request) -> Any:
    fault = Fault.from_dict(await _body(request), endpoint.operations())
    endpoint.faults.add(fault)
    return {"faults": endpoint.faults.as_list()}


async def _clear_faults(endpoint: Endpoint, request: Request) -> Any:
    endpoint.faults.clear(_query(request, "applicationId").get("applicationId"))
    return {}


async def _calls(endpoint: Endpoint, request: Request) -> Any:
    query = _query(request, "service", "operation", "applicationId")
    service, operation, application_id = (query.get(name) for name in ("service", "operation", "applicationId"))
    operations = endpoint.operations()
    if service is not None and service not in operations:
        raise ValueError(f"service: must be one of {', '.join(operations)}, not {service}")
    known = known_operations(operations, service)
    if operation is not None and operation not in known:
        raise ValueError(f"operation: must be one of {', '.join(known)}, not {operation}")
    return {
        "calls": [
            call
            for call in endpoint.calls
            if service in (None, call["service"])
            and operation in (None, call["operation"])
            and application_id in (None, call["owner"])
        ]
    }


async def _clear_calls(endpoint: Endpoint, _: Request) -> Any:
    endpoint.calls.clear()
    return {}


def _records(member: str, collection: Collection[Any], *owner: str) -> Handler:
    """Answers all that is known of the resources of one kind, or of those of one owner.

    :param member: the member of the answer that has them
    :param collection: the resources
    :param owner: the parameter that may name their owner, where they have one
    """

    async def answer(_: Endpoint, request: Request) -> Any:
        return {member: collection.records(*_query(request, *owner).values())}

    return answer


async def _end_session(endpoint: Endpoint, request: Request) -> Any:
    body = await _fields(request, succeeded=bool, details=str)
    endpoint.simulated_runner().end_session(
        request.path_params["session_id"], succeeded=body["succeeded"], details=body["details"]
    )
    return {}


async def _hold_busy(endpoint: Endpoint, request: Request) -> Any:
    host_id = request.path_params["session_id"]
    hosts = next((known for known in endpoint.connect_hosts() if host_id in known), None)
    if hosts is None:
        raise ValueError(f"sessionId: there is no session or managed endpoint {host_id}")
    hosts.hold_busy(host_id, request.method == "PUT")
    return {}


async def _reset(endpoint: Endpoint, _: Request) -> Any:
    await endpoint.reset()
    return {}


async def _dashboard(endpoint: Endpoint, request: Request) -> Any:
    _refuse_head(request)
    return RedirectResponse(await endpoint.dashboards.redeem(request.path_params["token"]), status_code=302)


async def _dashboard_log(endpoint: Endpoint, request: Request) -> Any:
    _refuse_head(request)
    path = endpoint.dashboards.log_file(**request.path_params)
    return Response(await asyncio.to_thread(path.read_bytes), media_type="text/plain; charset=utf-8")


def _refuse_head(request: Request) -> None:
    if request.method == "HEAD":
        raise HTTPException(405, "GET only: each visit uses the URL up")


async def _simulated_ui(_: Endpoint, request: Request) -> Any:
    """The page that stands for the Spark UI of a simulated driver."""
    ids = {name: escape(value) for name, value in request.path_params.items()}
    text = "No Spark ran, so there is no Spark UI: {driver} of {owner}.".format_map(ids)
    return HTMLResponse(f"<h1>Simulated</h1><p>{text}</p>")
