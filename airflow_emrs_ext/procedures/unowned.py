"""What is done for a task that is not there any more, by those who do not know what it has started."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_emrs_ext.models import OWNED
from airflow_emrs_ext.ownership import owner_tags
from airflow_emrs_ext.procedures import KILL_SECONDS
from airflow_emrs_ext.procedures.claims import left_active
from airflow_emrs_ext.procedures.owned import Facts, abandon, briefly
from airflow_emrs_ext.steps import Steps, Terms


def end_active_of_task(
    terms: Terms,
    *,
    kind: str,
    request: Mapping[str, Any],
    spared: Iterable[str] = (),
    seconds: float = KILL_SECONDS,
) -> Steps[Facts]:
    """End everything active that carries the tags of a task: the answer to its start was lost with its triggerer.

    :param kind: key of :data:`~airflow_emrs_ext.models.OWNED`
    :param request: the name and the tags of what was started, and the ids of what it runs on
    :param spared: states in which it is left alone
    :param seconds: how long each call is repeated
    :return: how many there were
    :raises EmrError: something could not be ended
    """
    owned, brief, kept = OWNED[kind], briefly(terms, seconds), frozenset(spared)
    if not owner_tags(request.get("tags") or {}):
        terms.log.warning("What task has started %s is not known: it has no tags ([emrs_ext] default_tags)", request)
        return {"ended": 0}
    found = [
        ids
        for ids, snapshot in (yield from left_active(brief, owned, request, True, 0.0))
        if snapshot.state not in owned.on_the_way_out() and snapshot.state not in kept
    ]
    for ids in found:
        yield from abandon(terms, kind=kind, ids=ids, seconds=seconds, raises=True)
    return {"ended": len(found)}
