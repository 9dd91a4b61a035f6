"""The life of an application."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_emrs_ext.aws import serverless as api
from airflow_emrs_ext.aws.waiting import look
from airflow_emrs_ext.core.effects import Effects, RunContext, Sleep
from airflow_emrs_ext.exceptions import EmrError, RequestConflict, RequestRejected, ResourceNotFound, WaitTimeout
from airflow_emrs_ext.resources import APPLICATION
from airflow_emrs_ext.shared.states import ApplicationState
from airflow_emrs_ext.workflows.drain import count_active, end_all
from airflow_emrs_ext.workflows.lifecycle import END_SECONDS, Facts, request_transition, wait_for_state, with_timeout

_A = ApplicationState

# What the service changes of an application that is STARTED.
_CHANGED_WHILE_STARTED = frozenset({"scheduler_configuration"})


# The note that an application was stopped for a change.
_WAS_STARTED = "was_started"


def create_application(ctx: RunContext, *, application_id: str, start: bool) -> Effects[Facts]:
    """Wait until a new application is ready to be started, and start it if asked."""
    settled = [state for state in ApplicationState if state not in (_A.CREATING, _A.TERMINATED)]
    facts = yield from wait_for_state(
        ctx, kind=APPLICATION.key, ids={"application_id": application_id}, target_states=settled
    )
    return (yield from start_application(ctx, application_id=application_id)) if start else facts


def start_application(ctx: RunContext, *, application_id: str, wait_for_completion: bool = True) -> Effects[Facts]:
    """Start an application, whatever state it is in, and wait until it is STARTED.

    :param wait_for_completion: ``False``: request the start and return
    """
    ids = {"application_id": application_id}
    at_rest = [_A.CREATED, _A.STOPPED, _A.STARTING, _A.STARTED]
    facts = yield from wait_for_state(ctx, kind=APPLICATION.key, ids=ids, target_states=at_rest)
    if facts["state"] in (_A.CREATED, _A.STOPPED):
        request = api.start_application(ctx, application_id)
        facts = yield from request_transition(ctx, APPLICATION, ids, request, [_A.STARTING, _A.STARTED])
    if not wait_for_completion:
        return facts
    return (yield from wait_for_state(ctx, kind=APPLICATION.key, ids=ids, target_states=[_A.STARTED]))


def stop_application(
    ctx: RunContext, *, application_id: str, force_stop: bool = False, wait_for_completion: bool = True
) -> Effects[Facts]:
    """Stop an application and wait until it is at rest; one that never started is at rest already.

    :param force_stop: end its job runs and sessions first, queued ones included, and wait for their end
    :param wait_for_completion: ``False``: request the stop and return
    """
    ids = {"application_id": application_id}
    at_rest = [_A.CREATED, _A.STOPPED, _A.TERMINATED]
    facts = yield from wait_for_state(
        ctx, kind=APPLICATION.key, ids=ids, target_states=[*at_rest, _A.STARTED, _A.STOPPING]
    )
    if facts["state"] == _A.STARTED:
        if force_stop:
            yield from end_all(ctx, "application_id", application_id)
        request = api.stop_application(ctx, application_id)
        facts = yield from request_transition(ctx, APPLICATION, ids, request, [*at_rest, _A.STOPPING])
    if not wait_for_completion:
        return facts
    return (yield from wait_for_state(ctx, kind=APPLICATION.key, ids=ids, target_states=at_rest))


def update_application(
    ctx: RunContext, *, application_id: str, changes: Mapping[str, Any], token: str, start: bool
) -> Effects[Facts]:
    """Change settings of an application, which is stopped for it once nobody uses it, and started again.

    :param changes: members of UpdateApplication, in snake case
    :param token: its client token
    :param start: start it afterwards, whether it was started or not
    :raises WaitTimeout: the deadline passed; an application that had been stopped for the change is started again
    """
    ids, was_started = {"application_id": application_id}, bool(ctx.notes.recall().get(_WAS_STARTED))
    while True:
        settled = [_A.CREATED, _A.STOPPED, _A.STARTED]
        facts = yield from wait_for_state(ctx, kind=APPLICATION.key, ids=ids, target_states=settled)
        if facts["state"] == _A.STARTED and not changes.keys() <= _CHANGED_WHILE_STARTED:
            yield from _stop_when_idle(ctx, application_id)
            was_started = True
            continue
        try:
            yield from api.update_application(ctx, application_id, client_token=token, **changes)
            break
        except (RequestRejected, RequestConflict):
            # A job run may have started it meanwhile.
            if (yield from look(APPLICATION, ids, ctx)).state in (facts["state"], _A.TERMINATED):
                if was_started:
                    yield from _start_again(ctx, application_id)
                raise
        except EmrError:
            if was_started:
                yield from _start_again(ctx, application_id)
            raise
    if start or was_started:
        return (yield from start_application(ctx, application_id=application_id))
    return (yield from look(APPLICATION, ids, ctx)).facts


def _start_again(ctx: RunContext, application_id: str) -> Effects[None]:
    """Start an application that was stopped for a change which is not to be had."""
    try:
        yield from api.start_application(with_timeout(ctx, END_SECONDS), application_id)
    except EmrError as error:
        ctx.log.warning("Application %s was stopped, and could not be started again: %s", application_id, error)


def _stop_when_idle(ctx: RunContext, application_id: str) -> Effects[None]:
    """Stop an application once nothing runs on it; whatever runs goes on."""
    ids, seen = {"application_id": application_id}, -1
    while running := (yield from count_active(ctx, "application_id", application_id)):
        if running != seen:
            ctx.log.info("Application %s is in use: waiting for %d job runs and sessions", application_id, running)
            seen = running
        now = ctx.clock()
        until = ctx.wait_policy.before_deadline(now + ctx.wait_policy.waiter_delay)
        if until <= now:
            raise WaitTimeout(
                f"Application {application_id} was in use until the deadline, by {running} job runs or sessions: it is "
                f"left as it is. Raise {ctx.wait_policy.limit}, or set `on_drift` to 'keep'.",
                ids,
            )
        yield Sleep(until - now)
    ctx.notes.note({**ctx.notes.recall(), _WAS_STARTED: True})
    try:
        yield from stop_application(ctx, application_id=application_id)
    except (RequestRejected, RequestConflict):
        # Somebody was faster, and uses it.
        if (yield from look(APPLICATION, ids, ctx)).state != _A.STARTED:
            raise
        yield Sleep(ctx.wait_policy.waiter_delay)
    except EmrError:
        yield from _start_again(ctx, application_id)
        raise


def delete_application(
    ctx: RunContext, *, application_id: str, force_stop: bool = False, wait_for_completion: bool = True
) -> Effects[Facts]:
    """Stop an application, delete it and wait until it is gone; one that is gone already is success.

    :param force_stop: end its job runs and sessions first, queued ones included, and wait for their end
    :param wait_for_completion: ``False``: wait until it has stopped, request the deletion and return
    """
    ids = {"application_id": application_id}
    try:
        facts = yield from stop_application(ctx, application_id=application_id, force_stop=force_stop)
        if facts["state"] != _A.TERMINATED:
            request = api.delete_application(ctx, application_id)
            facts = yield from request_transition(ctx, APPLICATION, ids, request, [_A.TERMINATED])
        if not wait_for_completion:
            return facts
        return (yield from wait_for_state(ctx, kind=APPLICATION.key, ids=ids, target_states=[_A.TERMINATED]))
    except ResourceNotFound:
        ctx.log.info("Application %s does not exist (any more)", application_id)
        return {**ids, "state": str(_A.TERMINATED), "state_details": "not found"}
