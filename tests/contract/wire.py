"""Requests as raw HTTP, where a client of the API would not let them be sent."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


def signed(service: str) -> str:
    """The header ``Authorization`` of a request for a service."""
    return (
        f"AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request,"
        " SignedHeaders=host;x-amz-date, Signature=0000"
    )


SIGNED = signed("emr-serverless")


@dataclass(frozen=True)
class Answer:
    """A response of the endpoint."""

    status: int
    code: str | None
    request_id: str | None
    body: Any

    @property
    def message(self) -> str:
        """The sentence of an error."""
        return str(self.body["message"])


def send(
    url: str,
    method: str,
    path: str,
    body: bytes | str | dict[str, Any] | None = None,
    *,
    authorization: str | None = SIGNED,
    headers: dict[str, str] | None = None,
) -> Answer:
    """Send one request as it is, on a connection of its own.

    :param path: with the query string, encoded
    :param body: a dict is sent as JSON
    """
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    data = json.dumps(body) if isinstance(body, dict) else body
    signature = {"authorization": authorization} if authorization else {}
    try:
        connection.request(method, path, data, {**signature, **(headers or {})})
        response = connection.getresponse()
        content = response.read()
        return Answer(
            response.status,
            response.headers["x-amzn-errortype"],
            response.headers["x-amzn-requestid"],
            json.loads(content) if response.headers["content-type"] == "application/json" and content else content,
        )
    finally:
        connection.close()
