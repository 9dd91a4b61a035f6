"""One AWS API of the endpoint as an ASGI application: protocol, IAM, quotas, faults and a record of every call."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Protocol

from botocore import xform_name
from botocore.model import OperationModel

from airflow_emrs_ext.local.base.asgi import TRANSPORT, Receive, Scope, Send, signed_for
from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.errors import ApiError
from airflow_emrs_ext.local.base.regions import REQUEST_REGION, check_region, region_of
from airflow_emrs_ext.local.protocol.rest_json import JsonProtocol, Request, Response
from airflow_emrs_ext.local.server.faults import Fault, Faults, default_code
from airflow_emrs_ext.local.server.iam import Caller, Iam, Known
from airflow_emrs_ext.local.server.quotas import Quotas

_BODY_LIMIT = 4 * 1024 * 1024
CALLS_KEPT = 100_000
"""How many calls the endpoint remembers."""

_RECORDED_BODY_MEMBERS = ("clientToken", "name")
_RECORDED_IN_EMR = (
    *("ClientRequestToken", "Name", "ClusterId", "JobFlowId", "JobFlowIds", "SessionId", "StepId", "StepIds"),
    "ResourceId",
)
# The label that says whose resource it is.
_OWNERS = ("applicationId", "virtualClusterId", "ClusterId", "JobFlowId")

_log = logging.getLogger(__name__)


class Answering(Known, Protocol):
    """A service that answers.

    :param changes: counts what may have changed it
    """

    changes: int


class Api:
    """Answers the calls of one API.

    :param protocol: the API's protocol
    :param service: has a coroutine per operation, named as botocore names the client's method; an operation without one
        is answered with 501
    :param config: read at each call
    :param quotas: the API's quotas
    :param faults: the faults to inject
    :param calls: where each call is noted
    :param iam: the callers and what they may do
    :param throttling_code: the error for a call past a quota
    """

    def __init__(
        self,
        protocol: JsonProtocol,
        service: Answering,
        config: ServiceConfig,
        quotas: Quotas,
        faults: Faults,
        calls: deque[dict[str, Any]],
        iam: Iam,
        *,
        throttling_code: str = "ThrottlingException",
    ) -> None:
        self.protocol = protocol
        self.name: Any = protocol.model.service_name
        self.quotas = quotas
        self._service = service
        self._calls = calls
        self._iam = iam
        self._throttling_code = throttling_code
        self._config = config
        self._faults = faults
        self._closing = asyncio.Event()

    def close(self) -> None:
        """End the waiting of delayed and stalled calls."""
        self._closing.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or close its connection where a fault says so."""
        signature = signed_for(scope)
        call: dict[str, Any] = {
            "service": self.name,
            "operation": None,
            "time": datetime.now(timezone.utc).isoformat(),
            "status": None,
            "error": None,
            "region": signature and signature.region,
            "accessKeyId": signature and signature.access_key_id,
            "owner": None,
            "parameters": {},
        }
        self._calls.append(call)
        try:
            if signature is None:
                raise ApiError("MissingAuthenticationTokenException", "The request carries no AWS signature")
            check_region(signature.region, self._config)
            REQUEST_REGION.set(signature.region)
            caller = self._iam.caller(signature.access_key_id)
            response = await self._answer(scope, receive, call, caller)
        except _Hangup:
            await _hang_up(scope, receive)
            return
        except ApiError as error:
            call["error"] = error.code
            response = self.protocol.refuse(error)
        call["status"] = response.status
        await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
        await send({"type": "http.response.body", "body": response.body})

    async def _answer(self, scope: Scope, receive: Receive, call: dict[str, Any], caller: Caller | None) -> Response:
        request = Request(
            method=scope["method"],
            path=scope["raw_path"].decode("latin-1"),
            query=scope["query_string"].decode("latin-1"),
            headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
            body=await _body(receive),
        )
        route = self.protocol.route(request)
        operation = route.operation
        call["operation"] = operation.name
        call["parameters"] = dict(route.labels)
        call["owner"] = next((route.labels[name] for name in _OWNERS if name in route.labels), None)
        fault = self._faults.take(self.name, operation.name, call["owner"])
        if fault is not None:
            call["fault"] = fault.fault
            await self._before_effect(fault, receive)
        if not self.quotas.admit(region_of(self._config), operation.name, self._config.quota_scale):
            raise self._throttled()
        parameters = self.protocol.parse(route, request)
        call["parameters"] = _worth_recording(operation, parameters)
        if caller is not None:
            self._iam.check(caller, route, parameters, self._service)
        output = await self._call(operation, parameters)
        response = self.protocol.respond(operation, output, check=self._config.check_responses)
        if fault is not None and fault.fault == "drop":
            await self._wait(fault.seconds, receive)
            raise _Hangup
        return response

    async def _before_effect(self, fault: Fault, receive: Receive) -> None:
        """What a fault does before the call is carried out."""
        if fault.fault == "throttle":
            raise self._throttled()
        if fault.fault == "error":
            code = fault.code or (self._throttling_code if fault.status == 429 else default_code(fault.status))
            raise ApiError(code, "Injected fault", status=fault.status)
        if fault.fault in ("delay", "stall"):
            await self._wait(fault.seconds, receive)
        if fault.fault in ("reset", "stall"):
            raise _Hangup

    def _throttled(self) -> ApiError:
        return ApiError(self._throttling_code, "Rate exceeded")

    async def _wait(self, seconds: float | None, receive: Receive) -> None:
        """So many seconds, or until the client or the endpoint has had enough."""
        waiting = [asyncio.ensure_future(receive()), asyncio.ensure_future(self._closing.wait())]
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for future in waiting:
            future.cancel()

    async def _call(self, operation: OperationModel, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        method = getattr(self._service, xform_name(operation.name), None)
        if method is None:
            raise ApiError(
                "UnknownOperationException", f"The local endpoint does not offer {operation.name}", status=501
            )
        try:
            output: Mapping[str, Any] | None = await method(**parameters)
        except ApiError:
            raise
        except Exception as error:
            # Whatever goes wrong inside the service reaches the client as the service's own 500, as it would in AWS.
            _log.exception("%s failed", operation.name)
            raise ApiError("InternalServerException", f"{type(error).__name__} in {operation.name}") from error
        finally:
            self._service.changes += operation.http["method"] != "GET"
        return output or {}


class _Hangup(Exception):
    """The connection is to be closed without a response."""


async def _hang_up(scope: Scope, receive: Receive) -> None:
    """Close the connection at once, so that the client sees a reset and no byte of a response."""
    scope["state"][TRANSPORT].abort()
    while (await receive())["type"] != "http.disconnect":
        pass


async def _body(receive: Receive) -> bytes:
    """The whole body.

    :raises ApiError: RequestEntityTooLargeException, past the limit
    """
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ApiError("SerializationException", "The client left before the end of the body")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > _BODY_LIMIT:
            raise ApiError("RequestEntityTooLargeException", f"The body is larger than {_BODY_LIMIT} bytes")
        if not message.get("more_body"):
            return b"".join(chunks)


def _worth_recording(operation: OperationModel, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Ids, filters and tokens of a call, without the bulk of its body."""
    shape = operation.input_shape
    members = {} if shape is None else shape.members
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in parameters.items()
        if members[name].serialization.get("location") or name in (*_RECORDED_BODY_MEMBERS, *_RECORDED_IN_EMR)
    }
