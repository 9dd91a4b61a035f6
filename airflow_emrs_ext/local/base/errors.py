"""The error that every layer of the local endpoint raises and the protocol layer turns into a response."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

# What the service answers for codes that botocore's model does not declare as shapes.
_UNMODELLED_STATUS = {
    "ThrottlingException": 429,
    "EKSRequestThrottledException": 429,
    "SerializationException": 400,
    "UnknownOperationException": 404,
    "AccessDeniedException": 403,
    "MissingAuthenticationTokenException": 403,
    "UnrecognizedClientException": 403,
    "MethodNotAllowedException": 405,
    "RequestEntityTooLargeException": 413,
}


class ApiError(Exception):
    """An answer of the service that is an error.

    :param code: error code, e.g. ``ValidationException``; for a code in botocore's model the model gives the status
    :param message: the sentence that the client sees
    :param status: HTTP status for a code that the model does not declare; default: the service's usual one
    """

    def __init__(self, code: str, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status: int | None = status if status is not None else _UNMODELLED_STATUS.get(code)


def validation_error(message: str) -> ApiError:
    """The service's ValidationException."""
    return ApiError("ValidationException", message)


@contextlib.contextmanager
def declared_as(code: str) -> Iterator[None]:
    """Raise a ValidationException of what lies within as the error that an operation declares in its place.

    :param code: that error
    """
    try:
        yield
    except ApiError as error:
        if error.code != "ValidationException":
            raise
        raise ApiError(code, error.message) from None
