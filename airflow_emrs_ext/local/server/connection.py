"""The HTTP connection of the endpoint's server."""

from __future__ import annotations

import re

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

_NOT_ASCII = re.compile(rb"[\x80-\xff]")


class LenientConnection(H11Protocol):
    """Accepts a request target with bytes outside of ASCII, which Hadoop's WebHDFS client sends as they are."""

    def data_received(self, data: bytes) -> None:
        """Escape such bytes in the request line before HTTP is parsed, which allows none."""
        # DONE: the next request may arrive before the response to this one is accounted for.
        if self.conn.their_state in (h11.IDLE, h11.DONE) and not data.isascii():
            line, end, rest = data.partition(b"\r\n")
            data = _NOT_ASCII.sub(lambda byte: b"%%%02X" % byte[0][0], line) + end + rest
        super().data_received(data)
