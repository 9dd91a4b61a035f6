"""What is done with a job run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_emrs_ext import serverless_api as api
from airflow_emrs_ext.exceptions import EmrError
from airflow_emrs_ext.models import JOB_RUN, attempt_facts, log_locations
from airflow_emrs_ext.procedures.owned import REPORT_SECONDS, Facts, await_owned, briefly, request_end
from airflow_emrs_ext.states import JobRunState
from airflow_emrs_ext.steps import Steps, Terms

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
        snapshot = yield from await_owned(terms, JOB_RUN, ids, targets, end_on_timeout=cancel_on_timeout)
    except EmrError as error:
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
    grace = shutdown_grace_period_seconds
    members = {} if grace is None else {"shutdownGracePeriodInSeconds": grace}
    return (yield from request_end(terms, JOB_RUN, ids, **members))


def _job_run_report(terms: Terms, facts: Facts) -> Steps[Facts]:
    """``facts`` with the attempts and the log locations, application defaults included.

    What may not be read is left out: the outcome of the run is worth more than its decoration.
    """
    brief = briefly(terms, REPORT_SECONDS)
    application_id, job_run_id = facts["application_id"], facts["job_run_id"]
    attempts: list[Facts] = []
    application: Mapping[str, Any] = {}
    try:
        listed = yield from api.list_job_run_attempts(brief, application_id, job_run_id)
        attempts = sorted((attempt_facts(attempt) for attempt in listed), key=lambda attempt: attempt["attempt"])
        application = yield from api.get_application(brief, application_id)
    except EmrError as error:
        terms.log.warning("The report on job run %s is incomplete: %s", job_run_id, error)
    return {
        **facts,
        "attempts": attempts,
        "architecture": application.get("architecture"),
        "log_locations": log_locations(facts, application.get("monitoringConfiguration", {})),
    }
