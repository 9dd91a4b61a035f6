"""The end of a log that is packed with gzip, without the whole of it in memory."""

from __future__ import annotations

import zlib

_GZIP = 31
_MAGIC = b"\x1f\x8b"
_STEP_BYTES = 1 << 18
# The service begins another file after 128 MB: what is longer is no log of its.
_MOST_BYTES = 1 << 30
# What stands between may have packed it once more.
_MOST_LAYERS = 2


class GzipTail:
    """A sink for a packed log that keeps its end; what is not packed is taken as it is.

    :param skip: how many bytes at the beginning are not wanted
    :param keep: how many bytes are kept at most
    :param layers: how often it may be packed
    """

    def __init__(self, skip: int = 0, keep: int = 1 << 20, layers: int = _MOST_LAYERS) -> None:
        self._skip, self._keep, self._layers = skip, keep, layers
        self._inflate = zlib.decompressobj(_GZIP)
        self._is_packed: bool | None = None
        self._inside: GzipTail | None = None
        self._head = b""
        self._kept = bytearray()
        self._size = 0

    @property
    def size(self) -> int:
        """How many bytes there were, unpacked."""
        return self._inside.size if self._inside else self._size

    @property
    def end(self) -> bytes:
        """What is kept."""
        return self._inside.end if self._inside else bytes(self._kept[-self._keep :])

    @property
    def omitted(self) -> int:
        """How many bytes between what was skipped and what is kept are lost."""
        return max(0, self.size - self._skip - len(self.end))

    def feed(self, chunk: bytes) -> bool:
        """Unpack the next piece."""
        if self._is_packed is None:
            chunk = self._head = self._head + chunk
            if len(chunk) < len(_MAGIC):
                return True
            self._is_packed = self._layers > 0 and chunk.startswith(_MAGIC)
            if self._is_packed:
                self._inside = GzipTail(self._skip, self._keep, self._layers - 1)
        if self._inside is None:
            self._take(chunk)
            return self._size <= _MOST_BYTES
        while chunk:
            try:
                is_wanted = self._inside.feed(self._inflate.decompress(chunk, _STEP_BYTES))
            except zlib.error:
                return False  # broken: what came before it is all there is
            if not is_wanted:
                return False
            chunk = self._inflate.unconsumed_tail
            if self._inflate.eof:
                chunk, self._inflate = self._inflate.unused_data, zlib.decompressobj(_GZIP)
        return True

    def _take(self, data: bytes) -> None:
        before, self._size = self._size, self._size + len(data)
        self._kept += data[max(0, self._skip - before) :]
        if len(self._kept) > 2 * self._keep:
            del self._kept[: -self._keep]
