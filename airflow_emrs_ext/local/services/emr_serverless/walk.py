"""The life of a job run, from its submission to its end: one task per job run."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from datetime import timedelta

from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.driving import DeliverLogs, EndRequestedError, until
from airflow_emrs_ext.local.base.lifecycle import now, shorten
from airflow_emrs_ext.local.base.queueing import Queues
from airflow_emrs_ext.local.base.regions import region_of
from airflow_emrs_ext.local.base.runner import AttemptResult, AttemptSpec, Runner
from airflow_emrs_ext.local.services.emr_serverless.capacity import CannotRunError, Capacity
from airflow_emrs_ext.local.services.emr_serverless.job_runs import Attempt, Cancellation, JobRun
from airflow_emrs_ext.local.services.emr_serverless.monitoring import (
    DRIVER_NAMES,
    EXECUTOR_LOGS,
    PRODUCT,
    log_destinations,
)
from airflow_emrs_ext.local.services.emr_serverless.submission import BATCH, grace_seconds
from airflow_emrs_ext.shared.states import JobRunState as S

_log = logging.getLogger(__name__)

_MINUTES_PER_HOUR = 60


@dataclass(frozen=True)
class Walker:
    """Leads job runs through their states.

    :param runner: executes the attempts
    :param config: dwell times, the length of a minute
    :param capacity: where the workers come from
    :param queues: where the places to execute come from
    :param deliver_logs: makes what delivers the logs of an attempt, ``None``: nobody
    """

    runner: Runner
    config: ServiceConfig
    capacity: Capacity
    queues: Queues
    deliver_logs: DeliverLogs | None

    async def walk(self, run: JobRun, turn: asyncio.Event) -> None:
        """From SUBMITTED to a terminal state.

        :param run: a job run that has just been submitted and has a place in its application's queue
        :param turn: set when it may execute
        """
        try:
            await self._execute(run, turn)
        except EndRequestedError:
            await self._cancel(run)
        except Exception:
            # A defect must not leave a job run active for ever: whoever waits for it would wait for ever, too.
            _log.exception("job run %s", run.id)
            await run.attempt.stop(0)
            if not run.state.is_terminal:
                end = S.CANCELLED if run.state is S.CANCELLING else S.FAILED
                run.move(end, "Internal error of the local endpoint; see its log.")
        finally:
            if run.timeout:
                run.timeout.cancel()
            self.capacity.release(run.id)
            self.queues.leave(run.owner_id, run.id)
            await run.attempt.end_delivering()

    def cancel(self, run: JobRun, details: str, grace: float) -> None:
        """Begin to cancel a job run that has not ended; one that is being cancelled already goes on as it does.

        :param run: the job run
        :param details: why, for ``stateDetails``
        :param grace: seconds that its driver has to end by itself
        """
        if not run.state.is_terminal and run.state is not S.CANCELLING:
            run.move(S.CANCELLING, details)
            run.cancellation.set_result(Cancellation(details, grace))

    async def _execute(self, run: JobRun, turn: asyncio.Event) -> None:
        await self._dwell(run)
        if not turn.is_set() and not await self._get_turn(run, turn):
            return
        while True:
            try:
                result = await self._attempt(run)
            except CannotRunError as error:
                run.move(S.FAILED, str(error))
                return
            if result.succeeded:
                run.move(S.SUCCESS, shorten(result.details) or "Job completed successfully.")
                return
            details = shorten(result.details) or "Job failed."
            if not self._may_retry(run):
                run.move(S.FAILED, details)
                return
            run.fail_attempt(details)
            run.begin_attempt(f"Attempt {run.attempt.number} failed; it is followed by another.")
            await self._dwell(run)

    async def _get_turn(self, run: JobRun, turn: asyncio.Event) -> bool:
        """Wait in the queue; whether the turn came before the time was up."""
        scheduler = run.owner.settings["schedulerConfiguration"]
        minutes = scheduler["queueTimeoutMinutes"]
        run.move(S.QUEUED, f"Waiting: the application executes {scheduler['maxConcurrentRuns']} job runs at once.")
        try:
            await until(run.cancellation, turn.wait(), self._minutes(minutes))
        except asyncio.TimeoutError:
            run.move(S.FAILED, f"Job run timed out in the queue: it was QUEUED for more than {minutes} minutes.")
            return False
        return True

    async def _attempt(self, run: JobRun) -> AttemptResult:
        """One attempt, from PENDING to the end of its driver."""
        application, attempt = run.owner, run.attempt
        run.move(S.PENDING, "The job run is being scheduled for the application.")
        await self._dwell(run)
        await until(run.cancellation, application.started.wait())
        run.move(S.SCHEDULED, "Workers are being allocated.")
        if run.submission.flaw:
            raise CannotRunError(run.submission.flaw)
        self.capacity.check(application.id, run.submission.demand)
        attempt.executor_count = await until(
            run.cancellation,
            self.capacity.acquire(run.id, application.id, run.submission.demand, f"job run {run.id}", run.describe),
        )
        await self._dwell(run)
        spec = self._spec(run)
        result = await attempt.drive(
            spec,
            lambda: self.runner.launch(spec, lambda: self._on_running(run, attempt)),
            run.cancellation,
            self.deliver_logs,
        )
        attempt.ended_at = now()
        attempt.running = None
        if run.timeout and (result.succeeded or not self._may_retry(run)):
            run.timeout.cancel()
        self.capacity.release(run.id)
        if result.succeeded and run.state is S.SCHEDULED:
            self._on_running(run, attempt)
        await attempt.end_delivering(last=True)
        if run.cancellation.done():
            raise EndRequestedError
        return result

    def _on_running(self, run: JobRun, attempt: Attempt) -> None:
        if run.attempt is not attempt or run.state is not S.SCHEDULED:
            return
        run.move(S.RUNNING, "The driver is running.")
        minutes = run.submission.timeout_minutes
        if minutes and run.timeout is None:
            run.timeout = asyncio.get_running_loop().call_later(
                self._minutes(minutes),
                self.cancel,
                run,
                f"Job run timed out: it ran for more than {minutes} minutes (executionTimeoutMinutes).",
                grace_seconds(None, run.submission.mode),
            )

    async def _cancel(self, run: JobRun) -> None:
        attempt, cancellation = run.attempt, run.cancellation.result()
        await attempt.stop(cancellation.grace_seconds)
        attempt.ended_at = attempt.ended_at or now()
        await attempt.end_delivering(last=True)
        run.move(S.CANCELLED, cancellation.details)

    def _may_retry(self, run: JobRun) -> bool:
        submission = run.submission
        if submission.mode == BATCH:
            return len(run.attempts) < submission.retry_policy["maxAttempts"]
        since = now() - timedelta(seconds=self._minutes(_MINUTES_PER_HOUR))
        failed = sum(1 for attempt in run.attempts if attempt.ended_at and attempt.ended_at >= since)
        return failed < submission.retry_policy["maxFailedAttemptsPerHour"]

    def _spec(self, run: JobRun) -> AttemptSpec:
        submission, application, attempt = run.submission, run.owner, run.attempt
        driver_name = DRIVER_NAMES[application.engine]
        path = f"applications/{application.id}/jobs/{run.id}"
        return AttemptSpec(
            product=PRODUCT,
            owner_id=application.id,
            driver_name=driver_name,
            ui_id=f"{run.id}-{attempt.number}",
            job_run_id=run.id,
            attempt=attempt.number,
            account_id=self.config.account_id,
            region=region_of(self.config),
            name=run.name,
            release_label=run.settings["releaseLabel"],
            execution_role_arn=submission.params["executionRoleArn"],
            job_driver=submission.params["jobDriver"],
            classifications=submission.classifications,
            logs=log_destinations(submission.monitoring, driver_name),
            log_path=f"{path}/attempts/{attempt.number}" if submission.retries else path,
            workers=replace(submission.demand, executor_count=attempt.executor_count),
            work_dir=run.work_dir / f"attempt-{attempt.number}",
            executor_logs=EXECUTOR_LOGS.get(application.engine),
            tags=run.tags,
        )

    async def _dwell(self, run: JobRun) -> None:
        await until(run.cancellation, asyncio.sleep(self.config.scheduling_seconds))

    def _minutes(self, count: float) -> float:
        return count * self.config.seconds_per_minute
