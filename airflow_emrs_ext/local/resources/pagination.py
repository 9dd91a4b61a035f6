"""Pages of a listing, and the opaque tokens that lead from one to the next."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from airflow_emrs_ext.local.errors import validation_error

T = TypeVar("T")

PAGE_SIZE = 50


def page(
    operation: str, items: Iterable[T], key: Callable[[T], tuple[int, ...]], params: Mapping[str, Any]
) -> tuple[list[T], str | None]:
    """One page of a listing in the order of ``key``.

    The token holds the key of the last item shown, not a position, so that items that come or go between two calls
    neither hide nor repeat others.

    :param operation: operation of the API; a token of another one is refused
    :param items: everything that the filters let through
    :param key: the place of an item in the listing, without ties
    :param params: the request; ``maxResults`` (default 50) and ``nextToken`` are used here, the rest are the filters
    :return: the items of the page, and the token of the next page or ``None`` when this is the last
    :raises ApiError: ``nextToken`` is no token of this listing
    """
    filters = {name: value for name, value in params.items() if name not in ("nextToken", "maxResults")}
    listing = hashlib.sha256(json.dumps([operation, filters], sort_keys=True, default=str).encode()).hexdigest()[:16]
    ordered = sorted(items, key=key)
    if token := params.get("nextToken"):
        after = _read(token, listing)
        ordered = [item for item in ordered if key(item) > after]
    size = params.get("maxResults") or PAGE_SIZE
    shown = ordered[:size]
    more = len(ordered) > size
    return shown, _write(key(shown[-1]), listing) if more else None


def created_within(created_at: datetime, after: datetime | None, before: datetime | None) -> bool:
    """Whether the filters of a request let something through that was made then."""
    return (after is None or created_at >= after) and (before is None or created_at <= before)


def group(state: str, states: Sequence[str] | None) -> tuple[int, ...]:
    """The place of a state in the filter, so that a listing of several states is grouped by them."""
    return (list(states).index(state),) if states else ()


def listing(member: str, items: list[dict[str, Any]], token: str | None) -> dict[str, Any]:
    """The output of an operation that lists: the items, and the token when there are more."""
    return {member: items, **({"nextToken": token} if token else {})}


def _write(after: tuple[int, ...], listing: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([listing, *after]).encode()).decode()


def _read(token: str, listing: str) -> tuple[int, ...]:
    try:
        made_for, *after = json.loads(base64.b64decode(token.encode(), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, TypeError, RecursionError):
        made_for, after = None, []
    if made_for != listing or not all(type(part) is int for part in after):
        raise validation_error("nextToken: is not a token of this listing with these filters")
    return tuple(after)
