"""What is done with a job run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from airflow_emrs_ext import serverless_api as api
from airflow_emrs_ext.diagnosis import diagnose
from airflow_emrs_ext.driver_logs.reports import LONGEST_EXCERPT, Excerpt, excerpt
from airflow_emrs_ext.exceptions import EmrError, JobRunCancelled, JobRunFailed
from airflow_emrs_ext.models import JOB_RUN, attempt_facts, log_locations
from airflow_emrs_ext.procedures.owned import REPORT_SECONDS, Facts, await_owned, briefly, request_end
from airflow_emrs_ext.states import JobRunState
from airflow_emrs_ext.steps import Steps, Terms

ShowDriverLogs = Literal["on_failure", "always", "live", "never"]
"""What of the drivers' logs is written to the log of a task, and when."""

# Of how many attempts the logs are read, the newest.
_MOST_ATTEMPTS = 10
_ENDED = tuple(state for state in JobRunState if state.is_terminal)


def follow_job_run(
    terms: Terms,
    *,
    application_id: str,
    job_run_id: str,
    target_states: Iterable[str],
    cancel_on_timeout: bool = False,
    show_driver_logs: ShowDriverLogs = "on_failure",
) -> Steps[Facts]:
    """Wait until a job run is in one of ``target_states`` and report it, attempts and log locations included.

    :param cancel_on_timeout: request its cancellation if the wait ends before the job run does
    :param show_driver_logs: what of its drivers' logs is written to the log, and when
    :raises JobRunFailed, JobRunCancelled: it ended another way than awaited; the facts are as full as the result's
    """
    ids = {"application_id": application_id, "job_run_id": job_run_id}
    targets = [JobRunState(state) for state in target_states]
    try:
        snapshot = yield from await_owned(terms, JOB_RUN, ids, targets, end_on_timeout=cancel_on_timeout)
    except EmrError as error:
        if "attempt" in error.facts:
            facts = yield from _job_run_report(terms, error.facts)
            if isinstance(error, (JobRunFailed, JobRunCancelled)):
                facts = yield from _explained(terms, facts, show=show_driver_logs)
                error.restate(JOB_RUN.end_of(facts), facts)
            else:
                error.facts = facts
        raise
    facts = yield from _job_run_report(terms, snapshot.facts)
    if show_driver_logs == "always" and snapshot.state.is_terminal:
        excerpts = yield from _excerpts(terms, facts, failed=False)
        facts["driver_logs"] = _shown(terms, excerpts)
    return facts


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
    monitoring = application.get("monitoringConfiguration", {})
    for attempt in attempts:
        attempt["log_locations"] = log_locations({**facts, "attempt": attempt["attempt"]}, monitoring)
    return {
        **facts,
        "attempts": attempts,
        "architecture": application.get("architecture"),
        "log_locations": log_locations(facts, monitoring),
        "diagnosis": None,
        "driver_logs": [],
    }


def _explained(terms: Terms, facts: Facts, show: ShowDriverLogs) -> Steps[Facts]:
    """The facts of a job run that has ended badly, with what its driver's log says about it."""
    excerpts: list[Excerpt] = []
    if show != "never":
        excerpts = yield from _excerpts(terms, facts, failed=True)
    logs = _shown(terms, excerpts)
    last = excerpts[-1] if excerpts else None
    cause = last.cause if last else None
    diagnosis = diagnose(
        facts["state"],
        facts["state_details"],
        exception=cause.exception if cause else "",
        place=cause.place if cause else "",
        log="\n".join(last.lines) if last else "",
    )
    return {**facts, "diagnosis": diagnosis.as_facts(), "driver_logs": logs}


def _excerpts(terms: Terms, facts: Facts, *, failed: bool) -> Steps[list[Excerpt]]:
    """What matters of the logs of each attempt; the newest is read first, in case none can be."""
    brief = briefly(terms, REPORT_SECONDS)
    attempts = facts["attempts"] or [facts]
    found: list[Excerpt] = []
    for attempt in reversed(attempts[-_MOST_ATTEMPTS:]):
        # A driver that has never run has no logs to wait for.
        waits = facts["started_at"] is not None and attempt is attempts[-1]
        found.append((yield from excerpt(brief, attempt, failed=failed, waits=waits)))
        if found[-1].is_refused:
            break
    return found[::-1]


def _shown(terms: Terms, excerpts: Sequence[Excerpt]) -> list[Facts]:
    """The excerpts as facts, the last one at length; they are written to the log."""
    for one in excerpts:
        one.show(terms)
    return [one.as_facts(LONGEST_EXCERPT if one is excerpts[-1] else LONGEST_EXCERPT // 4) for one in excerpts]
