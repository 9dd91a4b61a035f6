"""The life of an application."""

from __future__ import annotations

from airflow_emrs_ext import serverless_api as api
from airflow_emrs_ext.exceptions import RequestRejected, ResourceNotFound
from airflow_emrs_ext.models import APPLICATION, SESSION, OwnedKind, owned_in
from airflow_emrs_ext.procedures.claims import active
from airflow_emrs_ext.procedures.owned import Facts, follow, insist, request_end
from airflow_emrs_ext.states import ApplicationState, State
from airflow_emrs_ext.steps import Steps, Terms
from airflow_emrs_ext.waiting import await_state

_A = ApplicationState


def create_application(terms: Terms, *, application_id: str, start: bool) -> Steps[Facts]:
    """Wait until a new application is ready to be started, and start it if asked."""
    settled = [state for state in ApplicationState if state not in (_A.CREATING, _A.TERMINATED)]
    facts = yield from follow(
        terms, kind=APPLICATION.key, ids={"application_id": application_id}, target_states=settled
    )
    return (yield from start_application(terms, application_id=application_id)) if start else facts


def start_application(terms: Terms, *, application_id: str, wait_for_completion: bool = True) -> Steps[Facts]:
    """Start an application, whatever state it is in, and wait until it is STARTED.

    :param wait_for_completion: ``False``: request the start and return
    """
    ids = {"application_id": application_id}
    at_rest = [_A.CREATED, _A.STOPPED, _A.STARTING, _A.STARTED]
    facts = yield from follow(terms, kind=APPLICATION.key, ids=ids, target_states=at_rest)
    if facts["state"] in (_A.CREATED, _A.STOPPED):
        request = api.start_application(terms, application_id)
        facts = yield from insist(terms, APPLICATION, ids, request, [_A.STARTING, _A.STARTED])
    if not wait_for_completion:
        return facts
    return (yield from follow(terms, kind=APPLICATION.key, ids=ids, target_states=[_A.STARTED]))


def stop_application(
    terms: Terms, *, application_id: str, force_stop: bool = False, wait_for_completion: bool = True
) -> Steps[Facts]:
    """Stop an application and wait until it is at rest; one that never started is at rest already.

    :param force_stop: end its job runs and sessions first, queued ones included, and wait for their end
    :param wait_for_completion: ``False``: request the stop and return
    """
    ids = {"application_id": application_id}
    at_rest = [_A.CREATED, _A.STOPPED, _A.TERMINATED]
    facts = yield from follow(terms, kind=APPLICATION.key, ids=ids, target_states=[*at_rest, _A.STARTED, _A.STOPPING])
    if facts["state"] == _A.STARTED:
        if force_stop:
            yield from _end_all(terms, application_id)
        request = api.stop_application(terms, application_id)
        facts = yield from insist(terms, APPLICATION, ids, request, [*at_rest, _A.STOPPING])
    if not wait_for_completion:
        return facts
    return (yield from follow(terms, kind=APPLICATION.key, ids=ids, target_states=at_rest))


def delete_application(
    terms: Terms, *, application_id: str, force_stop: bool = False, wait_for_completion: bool = True
) -> Steps[Facts]:
    """Stop an application, delete it and wait until it is gone; one that is gone already is success.

    :param force_stop: end its job runs and sessions first, queued ones included, and wait for their end
    :param wait_for_completion: ``False``: wait until it has stopped, request the deletion and return
    """
    ids = {"application_id": application_id}
    try:
        facts = yield from stop_application(terms, application_id=application_id, force_stop=force_stop)
        if facts["state"] != _A.TERMINATED:
            request = api.delete_application(terms, application_id)
            facts = yield from insist(terms, APPLICATION, ids, request, [_A.TERMINATED])
        if not wait_for_completion:
            return facts
        return (yield from follow(terms, kind=APPLICATION.key, ids=ids, target_states=[_A.TERMINATED]))
    except ResourceNotFound:
        terms.log.info("Application %s does not exist (any more)", application_id)
        return {**ids, "state": str(_A.TERMINATED), "state_details": "not found"}


def _end_all(terms: Terms, application_id: str) -> Steps[None]:
    """End every job run and session of an application and wait until none is active."""
    for kind in owned_in("application_id"):
        while running := (yield from _active(terms, kind, application_id)):
            terms.log.info("Application %s: %s %d %ss", application_id, kind.verb, len(running), kind.name.lower())
            for ids in running:
                yield from request_end(terms, kind, ids)
            for ids in running:
                yield from await_state(kind, ids, [state for state in kind.states if state.is_terminal], terms)


def _active(terms: Terms, kind: OwnedKind[State], application_id: str) -> Steps[list[dict[str, str]]]:
    try:
        return [kind.ids_of(one) for one in (yield from active(terms, kind, application_id))]
    except RequestRejected as error:
        # A principal that never heard of sessions may lack the permission to list them.
        if kind is not SESSION:
            raise
        terms.log.warning("Sessions of application %s are not looked for: %s", application_id, error)
        return []
