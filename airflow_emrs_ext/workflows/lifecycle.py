"""What is done with whatever an operator has started: wait for it, end it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from airflow_emrs_ext.aws.ownership_tags import owner
from airflow_emrs_ext.aws.retry import patiently
from airflow_emrs_ext.aws.waiting import await_news, await_state, look
from airflow_emrs_ext.core.effects import Effects, RunContext, Sleep
from airflow_emrs_ext.exceptions import (
    AccessDenied,
    EmrError,
    OtherDeployment,
    RequestConflict,
    RequestRejected,
    ResourceNotFound,
    ServiceUnavailable,
    TargetUnreachable,
    WaitTimeout,
)
from airflow_emrs_ext.resources import BILLABLE, RESOURCES, EndableKind, ResourceKind
from airflow_emrs_ext.shared.states import State
from airflow_emrs_ext.workflows import KILL_SECONDS

Facts = dict[str, Any]
T = TypeVar("T")

REPORT_SECONDS = 3.0
"""How long each call of a report is repeated when the wait itself is over."""

END_SECONDS = 60.0
"""How long the end of something that nobody waits for is requested. Airflow may end the task seconds after its
deadline."""


def wait_for_billable(
    ctx: RunContext, kind: EndableKind[State], ids: Mapping[str, str], wait: Effects[T], *, end_on_timeout: bool
) -> Effects[T]:
    """Wait for a resource that somebody has to end.

    Only its deadline ends it before it ends itself: that it cannot be seen says nothing of it.

    :param end_on_timeout: request its end if the deadline comes before it ends
    """
    try:
        return (yield from wait)
    except EmrError as error:
        error.facts = {**ids, **error.facts}
        if isinstance(error, WaitTimeout) and not is_over(kind, error.facts.get("state")):
            left = "It is left as it is."
            if end_on_timeout:
                try:
                    yield from request_end_best_effort(ctx, kind=kind.key, ids=dict(ids), raises=True)
                    left = f"The service was asked to {kind.verb} it ({kind.verb}_on_timeout)."
                except EmrError as refused:
                    left = f"It could not be ended and may still run: {kind.verb} it. {refused.message}"
            error.restate(f"{error.message} {left}", error.facts)
        raise


def wait_for_state(
    ctx: RunContext, *, kind: str, ids: Mapping[str, str], target_states: Iterable[str], end_on_timeout: bool = False
) -> Effects[Facts]:
    """Wait until a resource is in one of ``target_states``.

    :param kind: key of :data:`~airflow_emrs_ext.resources.RESOURCES`
    :param end_on_timeout: request its end if the deadline comes before it is
    :raises SessionEnded: it served Spark Connect, and ended instead
    """
    resource = RESOURCES[kind]
    targets = [resource.states.parse(state) for state in target_states]
    wait = await_state(resource, ids, targets, ctx)
    if kind in BILLABLE:
        wait = wait_for_billable(ctx, BILLABLE[kind], ids, wait, end_on_timeout=end_on_timeout)
    return (yield from wait).facts


def wait_until_changed(
    ctx: RunContext, *, kind: str, ids: Mapping[str, str], target_states: Iterable[str], end_on_timeout: bool = False
) -> Effects[Facts]:
    """Wait until a look at a resource is worth its calls: it is in one of ``target_states``, or cannot be any more.

    It looks as cheaply as it can, and says no more than the ids: whoever waits for it looks then.

    :param kind: key of :data:`~airflow_emrs_ext.resources.RESOURCES`
    :param end_on_timeout: request its end if the deadline comes before
    :raises WaitTimeout: the deadline passed; the facts are those of a full look
    """
    resource = RESOURCES[kind]
    targets = [resource.states.parse(state) for state in target_states]
    wait = await_news(resource, ids, targets, ctx)
    if kind in BILLABLE:
        wait = wait_for_billable(ctx, BILLABLE[kind], ids, wait, end_on_timeout=end_on_timeout)
    yield from wait
    return dict(ids)


def end(ctx: RunContext, *, kind: str, ids: Mapping[str, str], wait_for_completion: bool = True) -> Effects[Facts]:
    """End a resource and wait until it is over; one that has ended, or is not there, is success.

    :param kind: key of :data:`~airflow_emrs_ext.resources.RESOURCES`
    :param wait_for_completion: ``False``: request the end and return
    """
    resource = RESOURCES[kind]
    assert isinstance(resource, EndableKind)
    try:
        facts = yield from request_end(ctx, resource, ids)
        if not wait_for_completion:
            return facts
        over = [state for state in resource.states if state.is_terminal or state == resource.stuck]
        snapshot = yield from await_state(resource, ids, over, ctx)
    except ResourceNotFound:
        ctx.log.info("%s does not exist (any more)", resource.label(ids))
        return {**ids, "state": str(resource.end_state), "state_details": "not found"}
    if snapshot.state == resource.stuck:
        raise TargetUnreachable(
            f"{resource.label(ids)} is {snapshot.state}: the service could not {resource.verb} it, for lack of "
            "permissions on what it runs on. Give them, then run the task again.",
            snapshot.facts,
        )
    return snapshot.facts


def request_end(ctx: RunContext, kind: EndableKind[State], ids: Mapping[str, str], **members: Any) -> Effects[Facts]:
    """End a resource without waiting for it; one that has ended, or ends meanwhile, is left as it is."""
    request = patiently(kind.end(ids, **members), ctx, partial(kind.check_end, ids))
    return (yield from request_transition(ctx, kind, ids, request, kind.on_the_way_out()))


def request_end_best_effort(
    ctx: RunContext, *, kind: str, ids: Mapping[str, str], seconds: float = END_SECONDS, raises: bool = False
) -> Effects[Facts]:
    """Request the end of what nobody waits for any more, and say so if it cannot be had.

    :param kind: key of :data:`~airflow_emrs_ext.resources.BILLABLE`
    :param seconds: how long the request is repeated
    :param raises: raise the error, too: whoever asks will ask again
    """
    resource = BILLABLE[kind]
    ctx.log.info("%s: %s it, because nothing waits for it any more", resource.label(ids), resource.verb)
    try:
        with ctx.notes.ending("end_if_orphaned", {"kind": kind, "ids": dict(ids)}):
            try:
                return (yield from request_end(with_timeout(ctx, seconds), resource, ids))
            except ResourceNotFound:
                return dict(ids)
    except EmrError as error:
        ctx.log.warning("%s could not be ended and may still run: %s it. %s", resource.label(ids), resource.verb, error)
        # Otherwise what ended the wait is the error to raise.
        if raises:
            raise
        return dict(ids)


def end_if_orphaned(
    ctx: RunContext,
    *,
    kind: str,
    ids: Mapping[str, str],
    except_states: Iterable[str] = (),
    seconds: float = KILL_SECONDS,
    is_here: Callable[[str], bool] = lambda deployment: True,
) -> Effects[Facts]:
    """End what a task has left that was ended while it was deferred, however long the service's quota makes it take.

    :param kind: key of :data:`~airflow_emrs_ext.resources.BILLABLE`
    :param except_states: states in which it is left alone
    :param seconds: how long each request is repeated
    :param is_here: whether an identity that its tags name is one of this Airflow
    :raises OtherDeployment: it is another Airflow's
    :raises EmrError: it could not be ended
    """
    resource = BILLABLE[kind]
    try:
        snapshot = yield from look(resource, ids, with_timeout(ctx, seconds))
    except ResourceNotFound:
        return dict(ids)
    if snapshot.state in resource.on_the_way_out() or snapshot.state in frozenset(except_states):
        return snapshot.facts
    deployment = owner(snapshot.facts.get("tags") or {}).get("deployment")
    if deployment is not None and not is_here(deployment):
        raise OtherDeployment(
            f"{resource.label(ids)} carries the tag of another Airflow, {deployment}, and is left to it. Give each "
            "Airflow a journal of its own ([emrs_ext] journal_folder). If that one is no more, end it by hand."
        )
    return (yield from request_end_best_effort(ctx, kind=kind, ids=ids, seconds=seconds, raises=True))


def request_transition(
    ctx: RunContext,
    kind: ResourceKind[State],
    ids: Mapping[str, str],
    request: Effects[Any],
    towards: Iterable[State],
) -> Effects[Facts]:
    """Make a request that changes a resource's state; refused is fine where the resource is on its way already.

    A repetition of a request whose answer was lost is refused that way, and so is one that another was faster with. One
    whose answers can never be read may have been heard: where the resource is on its way, it was.

    :param towards: the states that the request leads to
    :return: the resource's ids, or its facts where the request was not needed
    """
    try:
        yield from request
    except (RequestRejected, RequestConflict, ServiceUnavailable) as error:
        is_unheard = isinstance(error, ServiceUnavailable)
        try:
            snapshot = yield from look(kind, ids, with_timeout(ctx, REPORT_SECONDS) if is_unheard else ctx)
        except (ServiceUnavailable, AccessDenied):
            if is_unheard:
                raise error from error.__cause__
            raise
        # What it can do in a state that is not known is not known either.
        until = ctx.wait_policy.before_deadline(ctx.clock() + ctx.wait_policy.call_patience)
        while not snapshot.state.is_known and ctx.clock() < until:
            yield Sleep(ctx.wait_policy.waiter_delay)
            snapshot = yield from look(kind, ids, ctx)
        if snapshot.state not in frozenset(towards):
            raise
        ctx.log.info("%s is %s: nothing to do", kind.label(ids), snapshot.state)
        return snapshot.facts
    return dict(ids)


def with_timeout(ctx: RunContext, seconds: float) -> RunContext:
    """RunContext for what is done after the wait, whose deadline may have passed."""
    wait_policy = replace(ctx.wait_policy, call_patience=seconds, access_patience=seconds, deadline=None)
    return replace(ctx, wait_policy=wait_policy, settles_starts=False)


def is_over(kind: ResourceKind[State], state: str | None) -> bool:
    """Whether a state, as facts hold it, is one that does not change any more; not if it is not known."""
    return state in kind.states.__members__ and kind.states(state).is_terminal
