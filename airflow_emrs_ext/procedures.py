"""What operators and sensors do after their request: whole procedures, driven by a worker or by the triggerer.

Each takes and returns plain JSON beside its terms, so that an operator names it (:data:`PROCEDURES`), either mode runs
it, and the outcome is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from airflow_emrs_ext import serverless_api as api
from airflow_emrs_ext.exceptions import EmrError, RequestConflict, RequestRejected, ResourceNotFound
from airflow_emrs_ext.models import APPLICATION, JOB_RUN, ResourceKind, attempt_facts, log_locations
from airflow_emrs_ext.states import ApplicationState, JobRunState, State
from airflow_emrs_ext.steps import Steps, Terms
from airflow_emrs_ext.waiting import await_state, look

Facts = dict[str, Any]
Procedure = Callable[..., Steps[Facts]]

_A = ApplicationState

# How long a cancellation, and each call of a report, is repeated when the wait itself is over, in seconds. Airflow may
# end the task seconds after its deadline.
_CANCEL_SECONDS = 60.0
_REPORT_SECONDS = 3.0
_ACTIVE = tuple(state for state in JobRunState if state.is_active)
_ENDED = tuple(state for state in JobRunState if state.is_terminal)


def follow_job_run(
    terms: Terms,
    *,
    application_id: str,
    job_run_id: str,
    target_states: Iterable[str],
    cancel_on_timeout: bool = False,
) -> Steps[Facts]:
    """Wait until a job run is in one of ``target_states`` and report it, attempts and log locations included.

    :param cancel_on_timeout: request its cancellation if the wait ends before the job run does
    :raises JobRunFailed, JobRunCancelled: it ended another way than awaited; the facts are as full as the result's
    """
    ids = {"application_id": application_id, "job_run_id": job_run_id}
    targets = [JobRunState(state) for state in target_states]
    try:
        snapshot = yield from await_state(JOB_RUN, ids, targets, terms)
    except EmrError as error:
        error.facts = {**ids, **error.facts}
        if cancel_on_timeout and not isinstance(error, ResourceNotFound) and not _is_over(error.facts.get("state")):
            yield from abandon_job_run(terms, **ids)
        if "attempt" in error.facts:
            error.facts = yield from _job_run_report(terms, error.facts)
        raise
    return (yield from _job_run_report(terms, snapshot.facts))


def cancel_job_run(
    terms: Terms, *, application_id: str, job_run_id: str, shutdown_grace_period_seconds: int | None = None
) -> Steps[Facts]:
    """Cancel a job run unless it has ended, wait until it is really over, and report it."""
    yield from request_cancellation(
        terms,
        application_id=application_id,
        job_run_id=job_run_id,
        shutdown_grace_period_seconds=shutdown_grace_period_seconds,
    )
    return (
        yield from follow_job_run(terms, application_id=application_id, job_run_id=job_run_id, target_states=_ENDED)
    )


def request_cancellation(
    terms: Terms, *, application_id: str, job_run_id: str, shutdown_grace_period_seconds: int | None = None
) -> Steps[Facts]:
    """Cancel a job run without waiting for its end; one that has ended, or ends meanwhile, is left as it is."""
    ids = {"application_id": application_id, "job_run_id": job_run_id}
    request = api.cancel_job_run(terms, **ids, shutdown_grace_period_in_seconds=shutdown_grace_period_seconds)
    return (yield from _insist(terms, JOB_RUN, ids, request, [JobRunState.CANCELLING, *_ENDED]))


def abandon_job_run(terms: Terms, *, application_id: str, job_run_id: str) -> Steps[Facts]:
    """Request the cancellation of a job run that nobody waits for any more, and say so if it cannot be had."""
    terms.log.info("Cancelling job run %s, because nothing waits for it any more", job_run_id)
    brief = _briefly(terms, _CANCEL_SECONDS)
    try:
        return (yield from request_cancellation(brief, application_id=application_id, job_run_id=job_run_id))
    except EmrError as error:
        # What ended the wait is the error to raise; this one is for the log.
        terms.log.warning("Job run %s could not be cancelled and may still run: cancel it. %s", job_run_id, error)
        return {"application_id": application_id, "job_run_id": job_run_id}


def follow_application(terms: Terms, *, application_id: str, target_states: Iterable[str]) -> Steps[Facts]:
    """Wait until an application is in one of ``target_states``."""
    targets = [ApplicationState(state) for state in target_states]
    snapshot = yield from await_state(APPLICATION, {"application_id": application_id}, targets, terms)
    return snapshot.facts


def create_application(terms: Terms, *, application_id: str, start: bool) -> Steps[Facts]:
    """Wait until a new application is ready to be started, and start it if asked."""
    settled = [state for state in ApplicationState if state not in (_A.CREATING, _A.TERMINATED)]
    facts = yield from follow_application(terms, application_id=application_id, target_states=settled)
    return (yield from start_application(terms, application_id=application_id)) if start else facts


def start_application(terms: Terms, *, application_id: str, wait_for_completion: bool = True) -> Steps[Facts]:
    """Start an application, whatever state it is in, and wait until it is STARTED.

    :param wait_for_completion: ``False``: request the start and return
    """
    ids = {"application_id": application_id}
    at_rest = [_A.CREATED, _A.STOPPED, _A.STARTING, _A.STARTED]
    facts = yield from follow_application(terms, **ids, target_states=at_rest)
    if facts["state"] in (_A.CREATED, _A.STOPPED):
        request = api.start_application(terms, application_id)
        facts = yield from _insist(terms, APPLICATION, ids, request, [_A.STARTING, _A.STARTED])
    if not wait_for_completion:
        return facts
    return (yield from follow_application(terms, **ids, target_states=[_A.STARTED]))


def stop_application(
    terms: Terms, *, application_id: str, force_stop: bool = False, wait_for_completion: bool = True
) -> Steps[Facts]:
    """Stop an application and wait until it is at rest; one that never started is at rest already.

    :param force_stop: cancel its job runs first, queued ones included, and wait for their end
    :param wait_for_completion: ``False``: request the stop and return
    """
    ids = {"application_id": application_id}
    at_rest = [_A.CREATED, _A.STOPPED, _A.TERMINATED]
    facts = yield from follow_application(terms, **ids, target_states=[*at_rest, _A.STARTED, _A.STOPPING])
    if facts["state"] == _A.STARTED:
        if force_stop:
            yield from _cancel_all(terms, application_id)
        request = api.stop_application(terms, application_id)
        facts = yield from _insist(terms, APPLICATION, ids, request, [*at_rest, _A.STOPPING])
    if not wait_for_completion:
        return facts
    return (yield from follow_application(terms, **ids, target_states=at_rest))


def delete_application(
    terms: Terms, *, application_id: str, force_stop: bool = False, wait_for_completion: bool = True
) -> Steps[Facts]:
    """Stop an application, delete it and wait until it is gone; one that is gone already is success.

    :param force_stop: cancel its job runs first, queued ones included, and wait for their end
    :param wait_for_completion: ``False``: wait until it has stopped, request the deletion and return
    """
    ids = {"application_id": application_id}
    try:
        facts = yield from stop_application(terms, application_id=application_id, force_stop=force_stop)
        if facts["state"] != _A.TERMINATED:
            request = api.delete_application(terms, application_id)
            facts = yield from _insist(terms, APPLICATION, ids, request, [_A.TERMINATED])
        if not wait_for_completion:
            return facts
        return (yield from follow_application(terms, **ids, target_states=[_A.TERMINATED]))
    except ResourceNotFound:
        terms.log.info("Application %s does not exist (any more)", application_id)
        return {**ids, "state": str(_A.TERMINATED), "state_details": "not found"}


def _insist(
    terms: Terms,
    kind: ResourceKind[State],
    ids: Mapping[str, str],
    request: Steps[Any],
    towards: Iterable[State],
) -> Steps[Facts]:
    """Make a request that changes a resource's state; refused is fine where the resource is on its way already.

    A repetition of a request whose answer was lost is refused that way, and so is one that another was faster with.

    :param towards: the states that the request leads to
    :return: the resource's ids, or its facts where the request was not needed
    """
    try:
        yield from request
    except (RequestRejected, RequestConflict):
        snapshot = yield from look(kind, ids, terms)
        if snapshot.state not in frozenset(towards):
            raise
        terms.log.info("%s is %s: nothing to do", kind.label(ids), snapshot.state)
        return snapshot.facts
    return dict(ids)


def _cancel_all(terms: Terms, application_id: str) -> Steps[None]:
    """Cancel every job run of an application and wait until none is active."""
    while active := (yield from api.list_job_runs(terms, application_id, states=_ACTIVE)):
        terms.log.info("Application %s has %d active job runs; cancelling them", application_id, len(active))
        runs = [{"application_id": application_id, "job_run_id": run["id"]} for run in active]
        for ids in runs:
            yield from request_cancellation(terms, **ids)
        for ids in runs:
            yield from await_state(JOB_RUN, ids, _ENDED, terms)


def _job_run_report(terms: Terms, facts: Facts) -> Steps[Facts]:
    """``facts`` with the attempts and the log locations, application defaults included.

    What may not be read is left out: the outcome of the run is worth more than its decoration.
    """
    brief = _briefly(terms, _REPORT_SECONDS)
    application_id, job_run_id = facts["application_id"], facts["job_run_id"]
    attempts: list[Facts] = []
    monitoring: Mapping[str, Any] = {}
    try:
        listed = yield from api.list_job_run_attempts(brief, application_id, job_run_id)
        attempts = sorted((attempt_facts(attempt) for attempt in listed), key=lambda attempt: attempt["attempt"])
        monitoring = (yield from api.get_application(brief, application_id)).get("monitoringConfiguration", {})
    except EmrError as error:
        terms.log.warning("The report on job run %s is incomplete: %s", job_run_id, error)
    return {**facts, "attempts": attempts, "log_locations": log_locations(facts, monitoring)}


def _briefly(terms: Terms, seconds: float) -> Terms:
    """Terms for what is done after the wait, whose deadline may have passed."""
    return replace(terms, patience=replace(terms.patience, call_patience=seconds, deadline=None))


def _is_over(state: str | None) -> bool:
    return state in JobRunState.__members__ and JobRunState(state).is_terminal


PROCEDURES: Mapping[str, Procedure] = {
    procedure.__name__: procedure
    for procedure in (
        follow_job_run,
        cancel_job_run,
        request_cancellation,
        abandon_job_run,
        follow_application,
        create_application,
        start_application,
        stop_application,
        delete_application,
    )
}
