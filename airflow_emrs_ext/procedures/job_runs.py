"""What is done with a job run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from airflow_emrs_ext import serverless_api as api
from airflow_emrs_ext.diagnosis import diagnose
from airflow_emrs_ext.driver_logs.following import Follower
from airflow_emrs_ext.driver_logs.reports import LONGEST_EXCERPT, Excerpt, excerpt
from airflow_emrs_ext.exceptions import EmrError, JobRunCancelled, JobRunFailed
from airflow_emrs_ext.models import JOB_RUN, attempt_facts, log_locations
from airflow_emrs_ext.procedures.owned import REPORT_SECONDS, Facts, await_owned, briefly, request_end
from airflow_emrs_ext.states import JobRunState
from airflow_emrs_ext.steps import Steps, Terms
from airflow_emrs_ext.waiting import sleep

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
    follower = None
    if show_driver_logs == "live":
        brief = briefly(terms, REPORT_SECONDS)
        follower = Follower(brief, lambda: _monitoring_of(brief, application_id))
    try:
        return (
            yield from _follow(
                terms, ids, targets, cancel_on_timeout=cancel_on_timeout, show=show_driver_logs, follower=follower
            )
        )
    finally:
        if follower:
            follower.leave()


def _follow(
    terms: Terms,
    ids: Mapping[str, str],
    targets: Iterable[JobRunState],
    *,
    cancel_on_timeout: bool,
    show: ShowDriverLogs,
    follower: Follower | None,
) -> Steps[Facts]:
    rest = follower.rest if follower else sleep
    try:
        snapshot = yield from await_owned(terms, JOB_RUN, ids, targets, end_on_timeout=cancel_on_timeout, rest=rest)
    except EmrError as error:
        if "attempt" in error.facts:
            failed = isinstance(error, (JobRunFailed, JobRunCancelled))
            facts = yield from _job_run_report(terms, error.facts)
            facts = yield from _with_logs(terms, facts, show, follower, failed=failed)
            error.restate(JOB_RUN.end_of(facts) if failed else error.message, facts)
        raise
    facts = yield from _job_run_report(terms, snapshot.facts)
    return (yield from _with_logs(terms, facts, show, follower, failed=False))


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


def _monitoring_of(terms: Terms, application_id: str) -> Steps[Mapping[str, Any]]:
    """The application's MonitoringConfiguration; what may not be read counts as none."""
    try:
        monitoring: Mapping[str, Any] = (yield from api.get_application(terms, application_id)).get(
            "monitoringConfiguration", {}
        )
    except EmrError as error:
        terms.log.warning("Whether application %s has logs is not known: %s", application_id, error)
        return {}
    return monitoring


def _with_logs(
    terms: Terms, facts: Facts, show: ShowDriverLogs, follower: Follower | None, *, failed: bool
) -> Steps[Facts]:
    """The facts of a job run whose wait is over, with what is shown of its drivers' logs, and why it has failed."""
    has_ended = JobRunState(facts["state"]).is_terminal
    excerpts: list[Excerpt] = []
    try:
        if follower:
            yield from follower.finish(facts, has_ended=has_ended)
        if (failed and show != "never") or (has_ended and show in ("always", "live")):
            is_shown = follower is not None and follower.has_shown
            excerpts = yield from _excerpts(terms, facts, failed=failed, waits=not is_shown)
            if not is_shown:
                for one in excerpts:
                    one.show(terms)
    except Exception as error:
        # Whatever a log may hold that nobody foresaw: the outcome of the job run is worth more.
        terms.log.warning("The driver's log cannot be shown: %s: %s", type(error).__name__, error)
    if failed:
        last = excerpts[-1] if excerpts else None
        cause = last.cause if last else None
        diagnosis = diagnose(
            facts["state"],
            facts["state_details"],
            exception=cause.exception if cause else "",
            place=cause.place if cause else "",
            log="\n".join(last.lines) if last else "",
        )
        facts = {**facts, "diagnosis": diagnosis.as_facts()}
    lengths = [LONGEST_EXCERPT // 4] * (len(excerpts) - 1) + [LONGEST_EXCERPT]
    return {**facts, "driver_logs": [one.as_facts(most) for one, most in zip(excerpts, lengths, strict=False)]}


def _excerpts(terms: Terms, facts: Facts, *, failed: bool, waits: bool) -> Steps[list[Excerpt]]:
    """What matters of the logs of each attempt; the newest is read first, in case none can be."""
    brief = briefly(terms, REPORT_SECONDS)
    attempts = facts["attempts"] or [facts]
    found: list[Excerpt] = []
    for attempt in reversed(attempts[-_MOST_ATTEMPTS:]):
        # A driver that has never run has no logs to wait for.
        may_come = waits and facts["started_at"] is not None and attempt is attempts[-1]
        found.append((yield from excerpt(brief, {**facts, **attempt}, failed=failed, waits=may_come)))
        if found[-1].is_refused:
            break
    return found[::-1]
