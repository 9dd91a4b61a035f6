"""What a task has left, found by its tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from airflow_emrs_ext.aws.dispatch import active
from airflow_emrs_ext.aws.ownership_tags import owner_tags
from airflow_emrs_ext.aws.waiting import look
from airflow_emrs_ext.core.effects import Effects, RunContext
from airflow_emrs_ext.core.service_clock import moment
from airflow_emrs_ext.exceptions import EmrError, ResourceNotFound
from airflow_emrs_ext.resources import BILLABLE, ResourceKind, Snapshot
from airflow_emrs_ext.shared.states import State
from airflow_emrs_ext.workflows import KILL_SECONDS
from airflow_emrs_ext.workflows.lifecycle import Facts, request_end_best_effort, with_timeout

# Answers are dated in whole seconds.
_SECOND = 1.0

# How far clocks may be apart and count as one: an answer that was slow seems to be of a clock that is behind.
_APART_SECONDS = 60.0

# How far the worker's clock may be behind the service's before it is not asked what is old, in seconds.
_BEHIND_SECONDS = 60.0


def end_active_of_task(
    ctx: RunContext,
    *,
    kind: str,
    request: Mapping[str, Any],
    except_states: Iterable[str] = (),
    seconds: float = KILL_SECONDS,
    before: float | None = None,
    is_service_time: bool = False,
) -> Effects[Facts]:
    """End everything active that carries the tags of a task: it has started it, and has no answer that says so.

    :param kind: key of :data:`~airflow_emrs_ext.resources.BILLABLE`
    :param request: the name and the tags of what was started, and the ids of what it runs on
    :param except_states: states in which it is left alone
    :param seconds: how long each call is repeated
    :param before: what was created later may be another's, as of a DAG run that was made again with the same id: in
        seconds since the epoch; ``None``: now
    :param is_service_time: whether that is by the service's clock; ``False``: by that of Airflow's machines
    :return: how many there were
    :raises EmrError: something could not be ended
    """
    resource, brief, kept = BILLABLE[kind], with_timeout(ctx, seconds), frozenset(except_states)
    if not owner_tags(request.get("tags") or {}):
        ctx.log.warning("What task has started %s is not known: it has no tags ([emrs_ext] default_tags)", request)
        return {"ended": 0}
    until = ctx.clock() if before is None else before
    left = yield from left_active(brief, resource, request, True, 0.0)
    if before is None:
        # The service has just answered this very process, a second or two late.
        until += ctx.service.ahead + _SECOND
    elif not is_service_time and abs(ctx.service.ahead) > _APART_SECONDS:
        until += ctx.service.ahead
    found = [
        ids
        for ids, snapshot in left
        if snapshot.state not in (*resource.on_the_way_out(), *kept) and created_at(snapshot) <= until + _SECOND
    ]
    for ids in found:
        yield from request_end_best_effort(ctx, kind=kind, ids=ids, seconds=seconds, raises=True)
    return {"ended": len(found)}


def created_at(snapshot: Snapshot) -> float:
    """When something was created, in seconds since the epoch, by the service's clock."""
    return datetime.fromisoformat(snapshot.facts["created_at"]).timestamp()


def left_active(
    ctx: RunContext, kind: ResourceKind[State], request: Mapping[str, Any], named: bool, age: float
) -> Effects[list[tuple[dict[str, str], Snapshot]]]:
    """What carries the tags of the request's task and has not ended, the newest first."""
    owner = owner_tags(request.get("tags") or {})
    if not owner:
        return []
    found = []
    listed = yield from active(ctx, kind, *kind.scope(request), **_created_before(ctx, age))
    if age and ctx.service.ahead > _BEHIND_SECONDS:
        # The worker's clock is behind, and has left out some that are old.
        listed = yield from active(ctx, kind, *kind.scope(request), **_created_before(ctx, age))
    for entry in listed:
        ids, told = kind.ids_of(entry), kind.tags_listed(entry)
        if told is None and named and entry.get(kind.member("name")) != request.get("name"):
            continue
        if told is not None and owner_tags(told) != owner:
            continue
        try:
            snapshot = yield from look(kind, ids, ctx)
        except ResourceNotFound:
            continue
        except EmrError as error:
            # Whose it is is not known: whoever handles the error must not take it for the task's own.
            error.facts = {name: fact for name, fact in error.facts.items() if name not in kind.id_names}
            raise
        if owner_tags(snapshot.facts["tags"]) == owner and not snapshot.state.is_terminal:
            found.append((ids, snapshot))
    return sorted(found, key=lambda one: one[1].facts["created_at"], reverse=True)


def name_left(
    ctx: RunContext, kind: ResourceKind[State], request: Mapping[str, Any], error: EmrError, seconds: float
) -> Effects[None]:
    """Say in the error of a try that was not let start anything what earlier tries have left active, if it can be seen.

    :param seconds: how long each call is repeated
    """
    try:
        left = yield from left_active(with_timeout(ctx, seconds), kind, request, True, 0.0)
    except EmrError:
        return
    if left:
        (ids, snapshot), *_ = left
        text = f"{error.message} {kind.label(ids)} of an earlier try is {snapshot.state}."
        error.restate(text, {**error.facts, **ids})


def _created_before(ctx: RunContext, age: float) -> dict[str, Any]:
    now = ctx.clock() + max(0.0, ctx.service.ahead)
    return {"created_at_before": moment(now - age)} if age else {}
