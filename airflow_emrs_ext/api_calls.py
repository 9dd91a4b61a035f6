"""What the functions of every API have in common: requests from parameters, and listings of all pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from airflow_emrs_ext.models import member_name
from airflow_emrs_ext.states import State
from airflow_emrs_ext.steps import Call, Steps, Terms
from airflow_emrs_ext.waiting import patiently

PAGE_SIZE = 50


def make_call(service: str, operation: str, **parameters: Any) -> Call:
    """A call whose members are given in snake case; ``None`` leaves one out."""
    given = {member_name(name): value for name, value in parameters.items() if value is not None}
    return Call(operation, given, service=service)


def pages(terms: Terms, call: Call, key: str) -> Steps[list[dict[str, Any]]]:
    """Every entry of a paged listing.

    :param key: the member of the answer that holds them
    """
    entries: list[dict[str, Any]] = []
    token: str | None = None
    while True:
        parameters = {**call.parameters, **({"nextToken": token} if token else {})}
        response = yield from patiently(Call(call.operation, parameters, service=call.service), terms)
        entries.extend(response[key])
        token = response.get("nextToken")
        if not token:
            return entries


def names(states: Iterable[State] | None) -> Sequence[str] | None:
    """States as a filter of a listing."""
    return None if states is None else sorted(str(state) for state in states)
