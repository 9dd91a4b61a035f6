"""The life of an application."""

from __future__ import annotations

from airflow_emrs_ext.aws import serverless as api
from airflow_emrs_ext.core.effects import Effects, RunContext
from airflow_emrs_ext.exceptions import ResourceNotFound
from airflow_emrs_ext.resources import APPLICATION
from airflow_emrs_ext.shared.states import ApplicationState
from airflow_emrs_ext.workflows.drain import end_all
from airflow_emrs_ext.workflows.lifecycle import Facts, request_transition, wait_for_state

_A = ApplicationState


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
