"""The server's side of AWS's JSON protocols, for any service, driven by botocore's model of it."""

from __future__ import annotations

import json
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timezone
from typing import Any, NamedTuple, cast
from urllib.parse import unquote, unquote_plus

from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

from airflow_emrs_ext.local.base.errors import ApiError
from airflow_emrs_ext.local.protocol.validation import Reader, violations

_DEFAULT_ERROR_STATUS = 400
_DEFAULT_FAULT_STATUS = 500


@dataclass(frozen=True)
class Request:
    """What the protocol needs of an HTTP request.

    :param method: HTTP method
    :param path: the path as it came over the wire, still percent-encoded
    :param query: the query string, likewise
    :param headers: names in lower case
    :param body: the whole body
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Response:
    """An HTTP response."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Route(NamedTuple):
    """The operation that a request means, and the values of the labels in its path, or what stands for them."""

    operation: OperationModel
    labels: Mapping[str, str]


class JsonProtocol(ABC):
    """Routes, parses, validates and serializes what one service's model describes.

    :param model: botocore's model of the service
    """

    content_type = "application/json"

    def __init__(self, model: ServiceModel) -> None:
        self.model = model
        self._error_status = {
            shape.error_code: int(shape.metadata.get("error", {}).get("httpStatusCode", _default_status(shape)))
            for shape in cast("list[StructureShape]", model.error_shapes)
        }

    @property
    def operation_names(self) -> list[str]:
        """The operations that it knows."""
        return list(self.model.operation_names)

    def takes(self, service: str, target: str) -> bool:
        """Whether a request is one of this service's.

        :param service: what it is signed for
        :param target: its header ``X-Amz-Target``
        """
        return service == str(self.model.signing_name)

    @abstractmethod
    def route(self, request: Request) -> Route:
        """The operation that is called.

        :raises ApiError: there is none
        """

    @abstractmethod
    def parse(self, route: Route, request: Request) -> dict[str, Any]:
        """The validated parameters of a call, by the names of the API.

        :raises ApiError: SerializationException when the request cannot be read at all, else a ValidationException that
            lists everything that is wrong
        """

    def respond(self, operation: OperationModel, output: Mapping[str, Any], *, check: bool = False) -> Response:
        """The response to a call that succeeded.

        :param output: the operation's output structure; members that the model does not have are left out
        :param check: compare the response with the model
        :raises ApiError: InternalServerException, when the check finds a difference
        """
        shape = operation.output_shape
        document = {} if shape is None else _to_wire(shape, output)
        if check and shape is not None and (found := violations(shape, document)):
            raise ApiError("InternalServerException", f"{operation.name} answers against its model: {'; '.join(found)}")
        return self._response(int(operation.http.get("responseCode", 200)), document)

    def refuse(self, error: ApiError) -> Response:
        """The response to a call that failed."""
        status = self._error_status.get(error.code) or error.status or _DEFAULT_ERROR_STATUS
        return self._response(status, self._error(error), ((b"x-amzn-errortype", error.code.encode()),))

    def _error(self, error: ApiError) -> dict[str, Any]:
        return {"message": error.message}

    def _response(
        self, status: int, document: Mapping[str, Any], headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> Response:
        body = json.dumps(document, allow_nan=False).encode()
        standard = (
            (b"content-type", self.content_type.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"x-amzn-requestid", str(uuid.uuid4()).encode()),
        )
        return Response(status, (*standard, *headers), body)


def _default_status(error: StructureShape) -> int:
    """The HTTP status of an error whose model says none: botocore does not tell whose fault it is but by the name."""
    return _DEFAULT_FAULT_STATUS if error.error_code.startswith("InternalServer") else _DEFAULT_ERROR_STATUS


class RestJson(JsonProtocol):
    """The protocol ``rest-json``: the operation is a method and a path, its parameters are wherever the model says.

    :param model: botocore's model of the service
    """

    def __init__(self, model: ServiceModel) -> None:
        super().__init__(model)
        self._templates = sorted(
            (_Template(model.operation_model(name)) for name in model.operation_names),
            key=lambda template: template.generality,
        )

    def route(self, request: Request) -> Route:
        """The operation that is called.

        :raises ApiError: UnknownOperationException (404) when no operation has such a path, MethodNotAllowedException
            (405) when those that have it take another method
        """
        segments = request.path.split("/")[1:]
        allowed = []
        for template in self._templates:
            found = template.match(segments)
            if found is not None:
                if template.method == request.method:
                    return Route(template.operation, _decoded(found))
                allowed.append(template.method)
        if allowed:
            raise ApiError(
                "MethodNotAllowedException", f"{request.method} is not allowed here, only {', '.join(allowed)}"
            )
        raise ApiError("UnknownOperationException", f"No operation has the path {request.path[:200]}")

    def parse(self, route: Route, request: Request) -> dict[str, Any]:
        """The validated parameters of a call, by the names of the API.

        :raises ApiError: SerializationException when the request cannot be read at all, else a ValidationException that
            lists everything that is wrong
        """
        shape = route.operation.input_shape
        members = {} if shape is None else shape.members
        query, document = _query(request.query), read_document(request.body)
        reader = Reader()
        given: dict[str, Any] = {}
        in_body: dict[str, str] = {}
        known_query = set()
        for name, member in members.items():
            location, key = member.serialization.get("location"), member.serialization.get("name", name)
            if location == "uri":
                given[name] = reader.read_text(member, route.labels[key], name)
            elif location == "querystring":
                known_query.add(key)
                if key in query:
                    given[name] = _read_query(reader, member, query[key], name)
            elif location == "header":
                if key.lower() in request.headers:
                    given[name] = reader.read_text(member, request.headers[key.lower()], name)
            else:
                in_body[key] = name
        for key in query:
            # What signs a presigned request is not the operation's.
            if key not in known_query and not key.lower().startswith("x-amz-"):
                known = f"one of the parameters [{', '.join(sorted(known_query))}]" if known_query else "absent"
                reader.fail(key[:200], f"be {known}")
        for key, value in document.items():
            if key not in in_body:
                known = f"one of the members [{', '.join(sorted(in_body))}]" if in_body else "absent"
                reader.fail(key[:200], f"be {known}")
            elif value is not None:
                given[in_body[key]] = reader.read(members[in_body[key]], value, key)
        for name in () if shape is None else shape.required_members:
            if name not in given:
                reader.problems.append(f"Value null at '{name}' failed to satisfy constraint: Member must not be null")
        reader.raise_problems()
        return given


class _Template:
    """The method and the URI of an operation, ready to be compared with a path."""

    def __init__(self, operation: OperationModel) -> None:
        self.operation = operation
        self.method: str = operation.http["method"]
        self._segments = operation.http["requestUri"].partition("?")[0].split("/")[1:]
        self.generality = sum(segment.startswith("{") for segment in self._segments)
        self._greedy = any(segment.endswith("+}") for segment in self._segments)

    def match(self, segments: list[str]) -> dict[str, str] | None:
        """The labels of the template as they are in the path, ``None`` when it does not fit."""
        if self._greedy:
            segments = self._joined(segments)
        if len(segments) != len(self._segments):
            return None
        labels = {}
        for expected, segment in zip(self._segments, segments, strict=True):
            if expected.startswith("{"):
                if not segment:
                    return None
                labels[expected.strip("{+}")] = segment
            elif expected != segment:
                return None
        return labels

    def _joined(self, segments: list[str]) -> list[str]:
        """The segments that belong to the label that takes several, as one."""
        start = next(i for i, segment in enumerate(self._segments) if segment.endswith("+}"))
        end = len(segments) - (len(self._segments) - start - 1)
        return [*segments[:start], "/".join(segments[start:end]), *segments[end:]] if end > start else segments


def _decoded(labels: Mapping[str, str]) -> dict[str, str]:
    try:
        return {name: unquote(value, errors="strict") for name, value in labels.items()}
    except UnicodeDecodeError:
        raise ApiError("SerializationException", "The path is not UTF-8") from None


def _query(text: str) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    try:
        for item in filter(None, text.split("&")):
            key, _, value = item.partition("=")
            values.setdefault(unquote_plus(key, errors="strict"), []).append(unquote_plus(value, errors="strict"))
    except UnicodeDecodeError:
        raise ApiError("SerializationException", "The query string is not UTF-8") from None
    return values


def _read_query(reader: Reader, member: Shape, texts: list[str], name: str) -> Any:
    if member.type_name == "list":
        item = cast("ListShape", member).member
        values = [reader.read_text(item, text, f"{name}.{n}.member") for n, text in enumerate(texts, start=1)]
        # The limits of the list itself; its items are as they should be or noted already.
        reader.limits(member, len(values), name)
        return values
    if len(texts) > 1:
        reader.fail(name, "be given once")
    return reader.read_text(member, texts[0], name)


def read_document(body: bytes) -> dict[str, Any]:
    """The JSON object of a body, empty for an empty body.

    :raises ApiError: SerializationException, it is something else
    """
    if not body:
        return {}
    try:
        document = json.loads(body.decode(), parse_constant=_no_constant)
    # ValueError: not UTF-8, not JSON, or a number with more digits than Python takes.
    except (ValueError, RecursionError):
        raise ApiError("SerializationException", "The request body is not JSON that can be read") from None
    if not isinstance(document, dict):
        raise ApiError("SerializationException", "The request body is not a JSON object")
    return document


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _to_wire(shape: Shape, value: Any) -> Any:
    kind = shape.type_name
    if kind == "structure":
        return {
            member.serialization.get("name", name): _to_wire(member, value[name])
            for name, member in cast("StructureShape", shape).members.items()
            if value.get(name) is not None
        }
    if kind == "list":
        return [_to_wire(cast("ListShape", shape).member, item) for item in value]
    if kind == "map":
        return {key: _to_wire(cast("MapShape", shape).value, item) for key, item in value.items()}
    if kind == "timestamp":
        if shape.serialization.get("timestampFormat") == "iso8601":
            return value.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return round(value.timestamp(), 3)
    return value
