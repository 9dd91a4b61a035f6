"""Pages of a listing, and the opaque tokens that lead from one to the next."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from airflow_emrs_ext.local.base.errors import validation_error

T = TypeVar("T")

PAGE_SIZE = 50


def page(
    member: str,
    items: Iterable[T],
    params: Mapping[str, Any],
    *,
    place: Callable[[T], tuple[int, ...]],
    view: Callable[[T], dict[str, Any]],
) -> dict[str, Any]:
    """The output of an operation that lists: one page, and the token of the next when there are more.

    The token holds the place of the last item shown among all, so that items that come or go between two calls neither
    hide nor repeat others.

    :param member: the member of the output that has the items; a token of another listing is refused
    :param items: everything that the filters let through
    :param params: the request; ``maxResults`` (default 50) and ``nextToken`` are used here, the rest are the filters
    :param place: the place of an item in the listing, without ties
    :param view: the structure that shows an item
    :raises ApiError: ``nextToken`` is no token of this listing
    """
    filters = {name: value for name, value in params.items() if name not in ("nextToken", "maxResults")}
    listing = hashlib.sha256(json.dumps([member, filters], sort_keys=True, default=str).encode()).hexdigest()[:16]
    ordered = sorted(items, key=place)
    if token := params.get("nextToken"):
        after = _read(token, listing)
        ordered = [item for item in ordered if place(item) > after]
    size = params.get("maxResults") or PAGE_SIZE
    shown = ordered[:size]
    answer: dict[str, Any] = {member: [view(item) for item in shown]}
    if len(ordered) > size:
        answer["nextToken"] = _write(place(shown[-1]), listing)
    return answer


def created_within(created_at: datetime, params: Mapping[str, Any]) -> bool:
    """Whether the filters of a request let something through that was made then; each API has one of the spellings."""
    after = params.get("createdAfter") or params.get("createdAtAfter")
    before = params.get("createdBefore") or params.get("createdAtBefore")
    return (after is None or created_at >= after) and (before is None or created_at <= before)


def group(state: str, states: Sequence[str] | None) -> tuple[int, ...]:
    """The place of a state in the filter, so that a listing of several states is grouped by them."""
    return (list(states).index(state),) if states else ()


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
