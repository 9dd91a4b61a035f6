"""Pages of a listing, and the opaque tokens that lead from one to the next."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from airflow_emrs_ext.local.base.errors import validation_error

T = TypeVar("T")

PAGE_SIZE = 50


class Spelling(NamedTuple):
    """What an API calls the parameters of its listings.

    :param states: the filter by state
    :param after: the filter by the time from which on something was made
    :param before: the filter by the time until which it was
    :param size: how many there are in a page
    :param token: what leads to the next page, in requests and answers
    """

    states: str = "states"
    after: str = "createdAfter"
    before: str = "createdBefore"
    size: str = "maxResults"
    token: str = "nextToken"


SPELLING: Spelling = Spelling()
CREATED_AT: Spelling = Spelling(after="createdAtAfter", before="createdAtBefore")


def page(
    member: str,
    items: Iterable[T],
    params: Mapping[str, Any],
    *,
    place: Callable[[T], tuple[int, ...]],
    view: Callable[[T], dict[str, Any]],
    spelling: Spelling = SPELLING,
) -> dict[str, Any]:
    """The output of an operation that lists: one page, and the token of the next when there are more.

    The token holds the place of the last item shown among all, so that items that come or go between two calls neither
    hide nor repeat others.

    :param member: the member of the output that has the items; a token of another listing is refused
    :param items: everything that the filters let through
    :param params: the request; size (default 50) and token of the page are used here, the rest are the filters
    :param place: the place of an item in the listing, without ties
    :param view: the structure that shows an item
    :param spelling: what the API calls them
    :raises ApiError: the token is none of this listing
    """
    filters = {name: value for name, value in params.items() if name not in (spelling.token, spelling.size)}
    listing = hashlib.sha256(json.dumps([member, filters], sort_keys=True, default=str).encode()).hexdigest()[:16]
    ordered = sorted(items, key=place)
    if token := params.get(spelling.token):
        after = _read(token, listing, spelling.token)
        ordered = [item for item in ordered if place(item) > after]
    size = params.get(spelling.size) or PAGE_SIZE
    shown = ordered[:size]
    answer: dict[str, Any] = {member: [view(item) for item in shown]}
    if len(ordered) > size:
        answer[spelling.token] = _write(place(shown[-1]), listing)
    return answer


def created_within(created_at: datetime, params: Mapping[str, Any], spelling: Spelling = SPELLING) -> bool:
    """Whether the filters of a request let something through that was made then."""
    after, before = params.get(spelling.after), params.get(spelling.before)
    return (after is None or created_at >= after) and (before is None or created_at <= before)


def group(state: str, states: Sequence[str] | None) -> tuple[int, ...]:
    """The place of a state in the filter, so that a listing of several states is grouped by them."""
    return (list(states).index(state),) if states else ()


def _write(after: tuple[int, ...], listing: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([listing, *after]).encode()).decode()


def _read(token: str, listing: str, parameter: str) -> tuple[int, ...]:
    try:
        made_for, *after = json.loads(base64.b64decode(token.encode(), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, TypeError, RecursionError):
        made_for, after = None, []
    if made_for != listing or not all(type(part) is int for part in after):
        raise validation_error(f"{parameter}: is not a token of this listing with these filters")
    return tuple(after)
