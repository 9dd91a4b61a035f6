"""What is done with a job run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_emrs_ext.aws.waiting import await_state, sleep
from airflow_emrs_ext.core.effects import Effects, RunContext
from airflow_emrs_ext.exceptions import EmrError, JobRunCancelled, JobRunFailed
from airflow_emrs_ext.resources import JOB_RUNS, JobRunKind
from airflow_emrs_ext.resources.diagnosis import diagnose
from airflow_emrs_ext.shared.states import State
from airflow_emrs_ext.workflows import ShowDriverLogs
from airflow_emrs_ext.workflows.lifecycle import REPORT_SECONDS, Facts, request_end, wait_for_billable, with_timeout
from airflow_emrs_ext.workflows.report import defaults_of, report

# A task that is deferred names what waits for its job run, and reads no log.
if TYPE_CHECKING:
    from airflow_emrs_ext.workflows.driver_logs.following import Follower
    from airflow_emrs_ext.workflows.driver_logs.reports import Excerpt

# Of how many attempts the logs are read, the newest.
_MOST_ATTEMPTS = 10


def wait_for_job_run(
    ctx: RunContext,
    *,
    kind: str,
    ids: Mapping[str, str],
    target_states: Iterable[str],
    cancel_on_timeout: bool = False,
    show_driver_logs: ShowDriverLogs = "on_failure",
) -> Effects[Facts]:
    """Wait until a job run is in one of ``target_states`` and report it, attempts and log locations included.

    :param kind: key of :data:`~airflow_emrs_ext.resources.JOB_RUNS`
    :param cancel_on_timeout: request its cancellation if the deadline comes before the job run ends
    :param show_driver_logs: what of its drivers' logs is written to the log, and when
    :raises JobRunFailed, JobRunCancelled: it ended another way than awaited; the facts are as full as the result's
    """
    job_run = JOB_RUNS[kind]
    targets = [job_run.states.parse(state) for state in target_states]
    follower = None
    if show_driver_logs == "live":
        brief = with_timeout(ctx, REPORT_SECONDS)
        from airflow_emrs_ext.workflows.driver_logs.following import Follower

        follower = Follower(brief, job_run, lambda: defaults_of(brief, job_run, ids))
    try:
        return (
            yield from _follow(
                ctx,
                job_run,
                ids,
                targets,
                cancel_on_timeout=cancel_on_timeout,
                show=show_driver_logs,
                follower=follower,
            )
        )
    finally:
        if follower:
            follower.leave()


def _follow(
    ctx: RunContext,
    kind: JobRunKind[State],
    ids: Mapping[str, str],
    targets: Iterable[State],
    *,
    cancel_on_timeout: bool,
    show: ShowDriverLogs,
    follower: Follower | None,
) -> Effects[Facts]:
    rest = follower.rest if follower else sleep
    try:
        wait = await_state(kind, ids, targets, ctx, rest)
        snapshot = yield from wait_for_billable(ctx, kind, ids, wait, end_on_timeout=cancel_on_timeout)
    except EmrError as error:
        yield from _conclude(ctx, kind, error, show, follower)
        raise
    facts = yield from report(ctx, kind, snapshot.facts)
    return (yield from _with_logs(ctx, kind, facts, show, follower, failed=False))


def conclude_job_run(
    ctx: RunContext, error: EmrError, *, kind: str, show_driver_logs: ShowDriverLogs = "on_failure", **_: Any
) -> Effects[Facts]:
    """Let the error that has ended a wait elsewhere say all that :func:`wait_for_job_run`'s would.

    :param error: changed
    """
    yield from _conclude(ctx, JOB_RUNS[kind], error, show_driver_logs, None)
    return error.facts


def _conclude(
    ctx: RunContext, kind: JobRunKind[State], error: EmrError, show: ShowDriverLogs, follower: Follower | None
) -> Effects[None]:
    if "attempt" in error.facts:
        failed = isinstance(error, (JobRunFailed, JobRunCancelled))
        facts = yield from report(ctx, kind, error.facts)
        facts = yield from _with_logs(ctx, kind, facts, show, follower, failed=failed)
        error.restate(kind.end_of(facts) if failed else error.message, facts)


def cancel_job_run(
    ctx: RunContext,
    *,
    kind: str,
    ids: Mapping[str, str],
    shutdown_grace_period_seconds: int | None = None,
    step_cancellation_option: str | None = None,
) -> Effects[Facts]:
    """Cancel a job run unless it has ended, wait until it is really over, and report it.

    :param kind: key of :data:`~airflow_emrs_ext.resources.JOB_RUNS`
    :param shutdown_grace_period_seconds: of EMR Serverless
    :param step_cancellation_option: of a step
    """
    yield from request_cancellation(
        ctx,
        kind=kind,
        ids=ids,
        shutdown_grace_period_seconds=shutdown_grace_period_seconds,
        step_cancellation_option=step_cancellation_option,
    )
    ended = [str(state) for state in JOB_RUNS[kind].states if state.is_terminal]
    return (yield from wait_for_job_run(ctx, kind=kind, ids=ids, target_states=ended))


def request_cancellation(
    ctx: RunContext,
    *,
    kind: str,
    ids: Mapping[str, str],
    shutdown_grace_period_seconds: int | None = None,
    step_cancellation_option: str | None = None,
) -> Effects[Facts]:
    """Cancel a job run without waiting for its end; one that has ended, or ends meanwhile, is left as it is."""
    members = {
        "shutdownGracePeriodInSeconds": shutdown_grace_period_seconds,
        "StepCancellationOption": step_cancellation_option,
    }
    given = {name: value for name, value in members.items() if value is not None}
    return (yield from request_end(ctx, JOB_RUNS[kind], ids, **given))


def _with_logs(
    ctx: RunContext,
    kind: JobRunKind[State],
    facts: Facts,
    show: ShowDriverLogs,
    follower: Follower | None,
    *,
    failed: bool,
) -> Effects[Facts]:
    """The facts of a job run whose wait is over, with what is shown of its drivers' logs, and why it has failed."""
    has_ended = kind.states.parse(facts["state"]).is_terminal
    excerpts: list[Excerpt] = []
    try:
        if follower:
            yield from follower.finish(facts, has_ended=has_ended)
        if (failed and show != "never") or (has_ended and show in ("always", "live")):
            is_shown = follower is not None and follower.has_shown
            excerpts = yield from _excerpts(ctx, kind, facts, failed=failed, waits=not is_shown)
            if not is_shown:
                for one in excerpts:
                    one.show(ctx)
    except Exception as error:
        # Whatever a log may hold that nobody foresaw: the outcome of the job run is worth more.
        ctx.log.warning("The driver's log cannot be shown: %s: %s", type(error).__name__, error)
    if failed:
        last = excerpts[-1] if excerpts else None
        cause = last.cause if last else None
        diagnosis = diagnose(
            facts["state"],
            facts["state_details"],
            exception=cause.exception if cause else "",
            place=cause.place if cause else "",
            log="\n".join(last.lines) if last else "",
            service=kind.service,
        )
        facts = {**facts, "diagnosis": diagnosis.as_facts()}
    from airflow_emrs_ext.workflows.driver_logs.reports import LONGEST_EXCERPT

    lengths = [LONGEST_EXCERPT // 4] * (len(excerpts) - 1) + [LONGEST_EXCERPT]
    return {**facts, "driver_logs": [one.as_facts(most) for one, most in zip(excerpts, lengths, strict=False)]}


def _excerpts(
    ctx: RunContext, kind: JobRunKind[State], facts: Facts, *, failed: bool, waits: bool
) -> Effects[list[Excerpt]]:
    """What matters of the logs of each attempt; the newest is read first, in case none can be."""
    brief = with_timeout(ctx, REPORT_SECONDS)
    attempts = facts["attempts"] or [facts]
    from airflow_emrs_ext.workflows.driver_logs.reports import excerpt

    found: list[Excerpt] = []
    for attempt in reversed(attempts[-_MOST_ATTEMPTS:]):
        # A driver that has never run has no logs to wait for.
        may_come = waits and kind.has_driver(facts) and attempt is attempts[-1]
        found.append((yield from excerpt(brief, {**facts, **attempt}, failed=failed, waits=may_come)))
        if found[-1].is_refused:
            break
    return found[::-1]
