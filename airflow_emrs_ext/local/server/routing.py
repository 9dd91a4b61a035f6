"""What answers which request."""

from __future__ import annotations

import json
from http import HTTPStatus

from airflow_emrs_ext.local.base.asgi import Application, Receive, Scope, Send, signed_for, target_of
from airflow_emrs_ext.local.runners.spark.uis import PREFIX as SPARK_UI_PREFIX
from airflow_emrs_ext.local.s3.webhdfs import PREFIX as GATEWAY_PREFIX
from airflow_emrs_ext.local.server.admin import PREFIX as ADMIN_PREFIX
from airflow_emrs_ext.local.server.admin import admin_application
from airflow_emrs_ext.local.server.endpoint import CONTAINERS, SERVERLESS, Endpoint

_LIVY_PATHS = ("sessions", "batches")
_NO_LIVY = (
    "The local endpoint has no Apache Livy endpoint. Sessions (StartSession, Spark Connect) run Spark code as it"
    " comes, here and on AWS; job runs (StartJobRun) run what a batch does."
)
_CONTAINERS_PATHS = ("virtualclusters", "jobtemplates", "securityconfigurations")


class Router:
    """The ASGI application of the endpoint: answers each request by who it is for.

    :param endpoint: what answers
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._admin: Application = admin_application(endpoint)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._application(scope)(scope, receive, send)

    def _application(self, scope: Scope) -> Application:
        endpoint, apis, path = self._endpoint, self._endpoint.apis, scope["path"]
        if path.startswith(f"{SPARK_UI_PREFIX}/"):
            return endpoint.spark_uis
        if path.startswith(f"{ADMIN_PREFIX}/"):
            return self._admin
        if path.startswith(f"{GATEWAY_PREFIX}/") and endpoint.gateway is not None:
            return endpoint.gateway
        signature = signed_for(scope)
        if signature is not None and signature.service == SERVERLESS and path[1:].partition("/")[0] in _LIVY_PATHS:
            return _refuse_livy
        if signature is not None:
            taking = (api for api in apis.values() if api.protocol.takes(signature.service, target_of(scope)))
            return next(taking, endpoint.aws)
        # Without this signature nothing but S3, anonymous or signed the old way, remains, and a path that only EMR has.
        first, _, rest = path[1:].partition("/")
        if first in _CONTAINERS_PATHS or (first == "tags" and f":{CONTAINERS}:" in rest):
            return apis[CONTAINERS]
        is_serverless = first == "applications" or (first == "tags" and rest.startswith("arn:"))
        return apis[SERVERLESS] if is_serverless else endpoint.aws


async def _refuse_livy(scope: Scope, receive: Receive, send: Send) -> None:
    body = json.dumps({"msg": _NO_LIVY}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": HTTPStatus.NOT_IMPLEMENTED, "headers": headers})
    await send({"type": "http.response.body", "body": body})
