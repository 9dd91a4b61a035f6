"""Ending whatever runs somewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from airflow_emrs_ext.aws.dispatch import active
from airflow_emrs_ext.aws.waiting import await_state, look
from airflow_emrs_ext.core.effects import Effects, RunContext
from airflow_emrs_ext.exceptions import AccessDenied, ResourceNotFound
from airflow_emrs_ext.resources import SESSION, VIRTUAL_CLUSTER, EndableKind, billable_in
from airflow_emrs_ext.shared.states import State
from airflow_emrs_ext.workflows.lifecycle import REPORT_SECONDS, Facts, end, request_end


def end_all(ctx: RunContext, place: str, place_id: str) -> Effects[None]:
    """End everything of a place that costs money, and wait until none of it is active.

    :param place: what the place's id is called, e.g. ``application_id``
    """
    for kind in billable_in(place):
        while running := (yield from _active(ctx, kind, place_id)):
            ctx.log.info("%s %s: %s %d %ss", kind.belongs_to, place_id, kind.verb, len(running), kind.name.lower())
            for ids in running:
                yield from request_end(ctx, kind, ids)
            for ids in running:
                yield from await_state(kind, ids, [state for state in kind.states if state.is_terminal], ctx)


def count_active(ctx: RunContext, place: str, place_id: str) -> Effects[int]:
    """How much of a place has not ended that costs money.

    :param place: what the place's id is called, e.g. ``application_id``
    """
    count = 0
    for kind in billable_in(place):
        count += len((yield from _active(ctx, kind, place_id)))
    return count


def delete_virtual_cluster(
    ctx: RunContext, *, virtual_cluster_id: str, force_delete: bool = False, wait_for_completion: bool = True
) -> Effects[Facts]:
    """Delete a virtual cluster and wait until it is gone; one that is gone already is success.

    :param force_delete: end its job runs and managed endpoints first, and wait for their end
    :param wait_for_completion: ``False``: request the deletion and return
    """
    ids = {"virtual_cluster_id": virtual_cluster_id}
    if force_delete and (yield from _is_there(ctx, ids)):
        yield from end_all(ctx, "virtual_cluster_id", virtual_cluster_id)
    return (yield from end(ctx, kind=VIRTUAL_CLUSTER.key, ids=ids, wait_for_completion=wait_for_completion))


def _is_there(ctx: RunContext, ids: Mapping[str, str]) -> Effects[bool]:
    """Whether a virtual cluster exists: the listings have no error of their own for one that does not."""
    try:
        return (yield from look(VIRTUAL_CLUSTER, ids, ctx)).state.is_active
    except ResourceNotFound:
        return False


def _active(ctx: RunContext, kind: EndableKind[State], place_id: str) -> Effects[list[dict[str, str]]]:
    if kind is SESSION:
        # A principal that never heard of sessions may lack the permission to list them: the service stops no
        # application that has any.
        ctx = replace(ctx, wait_policy=replace(ctx.wait_policy, access_patience=REPORT_SECONDS))
    try:
        return [kind.ids_of(one) for one in (yield from active(ctx, kind, place_id))]
    except AccessDenied as error:
        if kind is not SESSION:
            raise
        ctx.log.warning("Sessions of application %s are not looked for: %s", place_id, error)
        return []
