"""The bodies of answers, piece by piece: what the two drivers of effects do with a sink."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPCookieProcessor, Request, build_opener

from aiohttp import ClientPayloadError
from botocore.exceptions import ClientError, HTTPClientError, ResponseStreamingError

from airflow_emrs_ext.core.effects import Fetch, Sink

_CHUNK_BYTES = 64 << 10
_FETCH_SECONDS = 15


def drain(body: Any, sink: Sink) -> Sink:
    """Feed the body of boto3's answer to a sink."""
    with closing(body):
        for chunk in body.iter_chunks(_CHUNK_BYTES):
            if not sink.feed(chunk):
                break
    return sink


async def adrain(body: Any, sink: Sink) -> Sink:
    """As :func:`drain`, for an answer of aiobotocore's."""
    try:
        async with body:
            async for chunk in body.iter_chunks(_CHUNK_BYTES):
                if not sink.feed(chunk):
                    break
    except ClientPayloadError as error:
        # Not every aiobotocore says it in botocore's words.
        raise ResponseStreamingError(error=error) from error
    return sink


def fetch(effect: Fetch) -> dict[str, Any]:
    """Get a document of the web; errors are botocore's, and do not show where it is.

    :raises ClientError: the server refused it
    :raises HTTPClientError: it could not be reached
    """
    if not effect.url.startswith(("https://", "http://")):
        raise ClientError({"Error": {"Code": "UnsupportedScheme", "Message": "This is no web address"}}, "GET")
    opener = build_opener(HTTPCookieProcessor())
    try:
        with opener.open(Request(effect.url), timeout=_FETCH_SECONDS) as response:
            sink = effect.sink()
            for chunk in _chunks(response):
                if not sink.feed(chunk):
                    break
            return {"Body": sink, "ContentType": response.headers.get_content_type()}
    except HTTPError as error:
        error.close()
        refusal: Any = {"Error": {"Code": str(error.code), "Message": str(error.reason)}}
        raise ClientError(refusal, "GET") from None
    except URLError as error:
        raise HTTPClientError(error=error.reason) from None
    except (OSError, HTTPException) as error:
        raise HTTPClientError(error=type(error).__name__) from None


def _chunks(response: Any) -> Iterator[bytes]:
    while chunk := response.read(_CHUNK_BYTES):
        yield chunk
