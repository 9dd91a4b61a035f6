"""The server's side of AWS's older JSON protocol, in which the operation is a header."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

from botocore.model import ServiceModel

from airflow_emrs_ext.local.base.asgi import TARGET
from airflow_emrs_ext.local.base.errors import ApiError
from airflow_emrs_ext.local.protocol.rest_json import JsonProtocol, Request, Route, read_document
from airflow_emrs_ext.local.protocol.validation import Reader


class AwsJson(JsonProtocol):
    """The protocol ``json``: the operation in the header ``X-Amz-Target``, everything else in the body.

    :param model: botocore's model of the service
    :param operation_names: those of its operations that are known here
    """

    content_type = "application/x-amz-json-1.1"

    def __init__(self, model: ServiceModel, operation_names: Iterable[str]) -> None:
        super().__init__(model)
        prefix = model.metadata["targetPrefix"]
        self._by_target = {
            f"{prefix}.{name}": model.operation_model(name) for name in operation_names if name in model.operation_names
        }

    @property
    def operation_names(self) -> list[str]:
        """The operations that it knows."""
        return [operation.name for operation in self._by_target.values()]

    def takes(self, service: str, target: str) -> bool:
        """Whether a request is for one of the operations that are known here."""
        return super().takes(service, target) and target in self._by_target

    def route(self, request: Request) -> Route:
        """The operation that is called.

        :raises ApiError: UnknownOperationException, there is none
        """
        try:
            operation = self._by_target[request.headers.get(TARGET, "")]
        except KeyError:
            raise ApiError("UnknownOperationException", "No operation has this X-Amz-Target") from None
        return Route(operation, _ids(request.body))

    def parse(self, route: Route, request: Request) -> dict[str, Any]:
        """The validated parameters of a call, by the names of the API.

        :raises ApiError: SerializationException when the request cannot be read at all, else a ValidationException that
            lists everything that is wrong
        """
        reader = Reader()
        shape = route.operation.input_shape
        given: dict[str, Any] = {} if shape is None else reader.read(shape, read_document(request.body))
        reader.raise_problems()
        return given

    def _error(self, error: ApiError) -> dict[str, Any]:
        return {"__type": error.code, "message": error.message}


def _ids(body: bytes) -> dict[str, str]:
    """What stands for the labels of a path: the ids in a body; of a list, the only one."""
    ids = {}
    with contextlib.suppress(ApiError):  # whoever parses it says what is wrong with it
        for name, value in read_document(body).items():
            one = value[0] if isinstance(value, list) and len(value) == 1 else value
            if name.rstrip("s").endswith("Id") and isinstance(one, str):
                ids[name.rstrip("s")] = one
    return ids
