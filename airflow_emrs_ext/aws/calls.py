"""What the functions of every API have in common: requests from parameters, and listings of all pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airflow_emrs_ext.aws.request_values import converted
from airflow_emrs_ext.aws.retry import patiently
from airflow_emrs_ext.core.effects import Call, Effects, RunContext
from airflow_emrs_ext.exceptions import ServiceUnavailable
from airflow_emrs_ext.resources import APIS
from airflow_emrs_ext.resources.api_errors import ids_in, naming
from airflow_emrs_ext.shared.states import State

PAGE_SIZE = 50

# Ten times as many entries as the most that an account may queue at once by default.
_MOST_PAGES = 400


def make_call(service: str, operation: str, arguments: Mapping[str, Any] | None = None, /, **members: Any) -> Call:
    """A call whose members are given in snake case; ``None`` leaves one out.

    :param arguments: all arguments of a function that makes such a call, whose ``parameters`` are further members
    :param members: members that are no argument, or are spelled otherwise than it is
    :raises ConfigurationError: a value is of the wrong kind, or the operation has no such member
    """
    given = {name: value for name, value in (arguments or {}).items() if name not in ("ctx", "parameters")}
    given.update((arguments or {}).get("parameters", {}), **members)
    member = APIS[service].member
    members = {member(name): value for name, value in given.items()}
    request = converted(service, operation, members, {member(name): name for name in given})
    return Call(operation, request, service=service)


def named(ctx: RunContext, call: Call, *ids: str) -> Effects[dict[str, Any]]:
    """The answer to a call that names what the call was about, or what it has made.

    :param ids: the members of the answer that do; those that are members of the call, too, say the same there
    """

    def read(response: dict[str, Any]) -> dict[str, Any]:
        for name in ids:
            found = response[name]
            if not isinstance(found, str) or not found or found != call.parameters.get(name, found):
                raise ValueError(f"{name} is {found!r}")
        return response

    return (yield from patiently(call, ctx, read))


def structure(ctx: RunContext, call: Call, name: str) -> Effects[dict[str, Any]]:
    """One member of the answer to a call, which is a structure."""

    def read(response: dict[str, Any]) -> dict[str, Any]:
        found = response[name]
        if not isinstance(found, dict):
            raise TypeError(f"{name} is {found!r}")
        return found

    return (yield from patiently(call, ctx, read))


def pages(
    ctx: RunContext, call: Call, key: str, *ids: str, apart: Sequence[str] = (), marker: str = "next_token"
) -> Effects[list[dict[str, Any]]]:
    """Every entry of a paged listing, once: what moves on between two pages is on both of them.

    :param key: the member of the answer that holds them
    :param ids: the members that name each entry
    :param apart: further ones that tell entries of the same name apart, where they have them
    :param marker: what the API calls the next page, in requests and answers
    :raises ServiceUnavailable: the listing has no end
    """
    entries: dict[tuple[Any, ...], dict[str, Any]] = {}
    token: str | None = None
    next_page = APIS[call.service].member(marker)

    def read(response: dict[str, Any]) -> tuple[list[dict[str, Any]], str | None]:
        page, following = response[key], response.get(next_page)
        if any(not isinstance(entry[name], str) for entry in page for name in ids):
            raise ValueError(f"an entry of {key} has no {' or '.join(ids)}")
        if following is not None and (not isinstance(following, str) or following == token):
            raise ValueError("the next page is the same one")
        return page, following or None

    for _ in range(_MOST_PAGES):
        parameters = {**call.parameters, **({next_page: token} if token else {})}
        page, token = yield from patiently(Call(call.operation, parameters, service=call.service), ctx, read)
        entries.update((tuple(entry.get(name) for name in (*ids, *apart)), entry) for entry in page)
        if token is None:
            return list(entries.values())
    about = ids_in(call.operation, call.parameters)
    raise ServiceUnavailable(
        f"{call.operation} has no end: {len(entries)} entries on {_MOST_PAGES} pages, and there are more. What runs is "
        f"left as it is{naming(about)}; narrow down what is listed, and run the task again.",
        {"operation": call.operation, **about},
    )


def names(states: Iterable[State] | None) -> Sequence[str] | None:
    """States as a filter of a listing."""
    return None if states is None else sorted(str(state) for state in states)
