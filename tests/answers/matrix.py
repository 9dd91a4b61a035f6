"""All cases of an operation, many at a time, and what they say together."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any

from airflow_emrs_ext.local.testing import LocalEmr
from tests.answers.cases import Case, Record, play
from tests.answers.kinds import KINDS
from tests.answers.messages import MESSAGES
from tests.answers.proxy import Lasting, Proxy
from tests.answers.resources import RESOURCES, Resource

DURATIONS: tuple[Lasting, ...] = ("once", "for a while", "for ever")

# Most of a case is waiting; but with more of them a client takes seconds to be made. Where something is only ended,
# clients are made all the time, and EMR on EKS lets few starts through: all cases are of one account.
_AT_ONCE, _AT_ONCE_IF_FEW = 16, 4
_FEW = {("job run", "cancel"), ("session", "cancel"), ("EKS job run", "cancel"), ("EKS job run", "start")}


def modes_of(operation: str, resource: str) -> tuple[str, ...]:
    """The modes in which the tasks of an operation can be."""
    if operation in ("events", "list of many"):
        return ("deferrable",)
    if operation == "start" and resource in ("job run", "EKS job run"):
        return ("blocking", "deferrable", "triggerer")
    return ("blocking", "deferrable")


def cases_of(
    resource: str, operation: str, kinds: Iterable[str] | None = None, durations: Sequence[Lasting] = DURATIONS
) -> list[Case]:
    """The cases of an operation."""
    wanted = [name for name, kind in KINDS.items() if operation in kind.operations]
    if operation == "events":
        wanted += MESSAGES
    chosen = [name for name in wanted if kinds is None or name in kinds]
    return [
        Case(resource, operation, kind, lasts, mode)
        for kind in chosen
        for lasts in durations
        for mode in modes_of(operation, resource)
    ]


def play_all(
    emr: LocalEmr,
    proxy: Proxy,
    cases: Sequence[Case],
    resources: Mapping[str, Resource] = RESOURCES,
    at_once: int | None = None,
) -> list[Record]:
    """Play cases, and compare the modes of each.

    :param resources: those of the cases
    :param at_once: how many; default: what this many do not hinder each other in
    """
    if at_once is None:
        at_once = _AT_ONCE_IF_FEW if _FEW & {(case.resource, case.operation) for case in cases} else _AT_ONCE

    def record_of(case: Case) -> Record:
        try:
            return play(emr, proxy, case, resources[case.resource])
        except Exception as error:
            # One that cannot be played must not keep the others from it; it counts as one against the law.
            traceback.print_exc()
            return Record(case, problems=[f"not played: {type(error).__name__}: {error}"])

    logging.disable(logging.CRITICAL)
    try:
        with ThreadPoolExecutor(at_once) as pool:
            records = list(pool.map(record_of, cases))
    finally:
        logging.disable(logging.NOTSET)
    for _, alike in groupby(records, key=lambda record: record.case.alike):
        _compare(list(alike))
    return records


def _compare(alike: Sequence[Record]) -> None:
    kind = KINDS.get(alike[0].case.kind)
    first, *others = alike
    for other in others:
        told = [one.compared for one in (first, other)]
        if kind and kind.differs:
            told = [[run["error"] for run in runs] for runs in told]
        if told[0] != told[1]:
            differing = _differences(*told)
            other.problems.append(f"not as {first.case.mode}: {differing}"[:2000])


def _differences(one: Any, other: Any, path: str = "") -> str:
    if isinstance(one, dict) and isinstance(other, dict):
        found = [_differences(one.get(key), other.get(key), f"{path}.{key}") for key in sorted({*one, *other})]
        return "; ".join(filter(None, found))
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return "; ".join(filter(None, (_differences(*pair, f"{path}[]") for pair in zip(one, other, strict=True))))
    return "" if one == other else f"{path}: {json.dumps(one)[:400]} / {json.dumps(other)[:400]}"
