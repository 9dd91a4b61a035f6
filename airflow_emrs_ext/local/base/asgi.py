"""The types of ASGI, and what the endpoint adds to a scope."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple
from urllib.parse import unquote

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

TRANSPORT = "transport"
"""Key of ``scope["state"]`` with the connection's transport."""

TARGET = "x-amz-target"
"""The header that names the operation in AWS's older protocols."""

_CREDENTIAL = re.compile(r"Credential=([^/,\s]*)/[^/,\s]*/([^/,\s]*)/([^/,\s]*)/")
_PRESIGNED = re.compile(r"X-Amz-(Credential=[^&]+)")


class Signature(NamedTuple):
    """What a request is signed with and for (Signature Version 4)."""

    access_key_id: str
    region: str
    service: str


def signed_for(scope: Scope) -> Signature | None:
    """What a request is signed with and for, ``None`` without a signature."""
    text = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"), "")
    if not text and (presigned := _PRESIGNED.search(scope["query_string"].decode("latin-1"))):
        text = unquote(presigned[1])
    found = _CREDENTIAL.search(text)
    return Signature(found[1], found[2], found[3].lower()) if found else None


def target_of(scope: Scope) -> str:
    """The header ``X-Amz-Target`` of a request, empty without one."""
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == TARGET.encode()), "")
