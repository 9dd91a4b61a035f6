"""Whether what a client makes of an answer is one that the service's model has."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from botocore.exceptions import IncompleteReadError

from airflow_emrs_ext.resources import SERVICES
from airflow_emrs_ext.resources.api_errors import UnreadableAnswer

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (datetime,),
}


def check(client: Any, operation: str, answer: Mapping[str, Any]) -> None:
    """Check an answer of a client, which takes members of any type, and the page of a captive portal for one.

    Members that are missing are for whoever needs them, and values of an enumeration may be new.

    :param client: of boto3 or aiobotocore
    :param operation: botocore's client method
    :raises UnreadableAnswer: it is none
    """
    service = client.meta.service_model
    content_type = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("content-type", "")
    # Others do answer with text, and from a page of a captive portal what is needed is missing.
    if service.service_name in SERVICES and content_type.startswith("text/"):
        raise UnreadableAnswer(f"the answer is {content_type}, and none of the service's")
    model = service.operation_model(client.meta.method_to_api_mapping[operation])
    misfit = _misfit(model.output_shape, {name: answer[name] for name in answer if name != "ResponseMetadata"}, "")
    if misfit:
        raise UnreadableAnswer(f"the answer cannot be read: {misfit}")


def check_lengths(session: Any) -> None:
    """Let the clients of a session of boto3 refuse an answer that was cut, as those of aiobotocore do.

    botocore takes one whose body is shorter than its headers say for a whole one.

    :param session: before it makes its first client
    """
    for service in SERVICES:
        session.events.register(f"response-received.{service}", _check_length)


def _check_length(response_dict: Mapping[str, Any] | None = None, **_: Any) -> None:
    body, headers = (response_dict or {}).get("body"), (response_dict or {}).get("headers", {})
    length = headers.get("content-length") or ""
    if isinstance(body, bytes) and length.isdecimal() and len(body) < int(length):
        raise IncompleteReadError(actual_bytes=len(body), expected_bytes=int(length))


def _misfit(shape: Any, value: Any, place: str) -> str | None:
    """The first value that is not of its shape's type, if there is one."""
    if value is None or shape is None:
        return None
    kind = shape.type_name
    found: list[tuple[Any, Any, str]] = []
    if kind == "structure" and isinstance(value, Mapping):
        found = [(shape.members.get(name), value[name], f"{place}.{name}") for name in value]
    elif kind == "map" and isinstance(value, Mapping):
        found = [(shape.value, value[name], f"{place}.{name}") for name in value]
    elif kind == "list" and isinstance(value, list):
        found = [(shape.member, one, f"{place}[{number}]") for number, one in enumerate(value)]
    elif kind in ("structure", "map", "list") or (
        kind in _TYPES and (not isinstance(value, _TYPES[kind]) or isinstance(value, bool) != (kind == "boolean"))
    ):
        return f"{place.lstrip('.')} is {type(value).__name__} and not {kind}"
    return next((misfit for one in found if (misfit := _misfit(*one))), None)
