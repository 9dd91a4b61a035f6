"""The life of a job run, from its submission to its end: one task per job run."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.driving import DeliverLogs, EndRequestedError, until
from airflow_emrs_ext.local.base.lifecycle import now, shorten
from airflow_emrs_ext.local.base.queueing import Queues
from airflow_emrs_ext.local.base.regions import region_of
from airflow_emrs_ext.local.base.runner import AttemptResult, AttemptSpec, Runner
from airflow_emrs_ext.local.services.emr_containers.job_runs import Attempt, JobRun
from airflow_emrs_ext.local.services.emr_containers.monitoring import log_destinations
from airflow_emrs_ext.local.services.emr_containers.naming import driver_names
from airflow_emrs_ext.shared.states import EksJobRunState as S

_log = logging.getLogger(__name__)

PRODUCT = "EMR on EKS"

# What Kubernetes gives a pod to end by itself.
_GRACE_SECONDS = 30.0
_LONGEST_PAUSE_SECONDS = 360.0


@dataclass(frozen=True)
class Walker:
    """Leads job runs through their states.

    :param runner: executes the attempts
    :param config: dwell times, the pause before a retry
    :param queues: where the places to execute come from
    :param deliver_logs: makes what delivers the logs of an attempt, ``None``: nobody
    """

    runner: Runner
    config: ServiceConfig
    queues: Queues
    deliver_logs: DeliverLogs | None

    async def walk(self, run: JobRun) -> None:
        """From PENDING to a terminal state.

        :param run: a job run that has just been submitted
        """
        cluster_id = run.owner_id
        turn = self.queues.enter(cluster_id, run.id)
        try:
            await self._execute(run, turn)
        except EndRequestedError:
            await self._cancel(run)
        except Exception:
            # A defect must not leave a job run active for ever: whoever waits for it would wait for ever, too.
            _log.exception("job run %s", run.id)
            for attempt in run.attempts[-1:]:
                await attempt.stop(0)
            if not run.state.is_terminal:
                details = "Internal error of the local endpoint; see its log."
                if run.state is S.CANCEL_PENDING:
                    run.move(S.CANCELLED, details)
                else:
                    run.fail("INTERNAL_ERROR", details)
        finally:
            self.queues.leave(cluster_id, run.id)
            for attempt in run.attempts[-1:]:
                await attempt.end_delivering()

    def cancel(self, run: JobRun, reason: str) -> None:
        """Begin to cancel a job run that has not ended; one that is being cancelled already goes on as it does.

        :param run: the job run
        :param reason: sentence for ``stateDetails``
        """
        if not run.state.is_terminal and run.state is not S.CANCEL_PENDING:
            run.move(S.CANCEL_PENDING, reason)
            run.end.set_result(reason)

    async def _execute(self, run: JobRun, turn: asyncio.Event) -> None:
        await until(run.end, asyncio.sleep(self.config.scheduling_seconds))
        await until(run.end, turn.wait())
        run.move(S.SUBMITTED, "The job run was submitted to the virtual cluster.")
        await until(run.end, asyncio.sleep(self.config.scheduling_seconds))
        most = run.submission.max_attempts or 1
        while True:
            attempt = Attempt(number=len(run.attempts) + 1)
            run.attempts.append(attempt)
            result = await self._attempt(run, attempt)
            details = shorten(result.details)
            if result.succeeded:
                run.move(S.COMPLETED, details or "Job run completed successfully.")
                return
            if attempt.number >= most:
                run.fail("USER_ERROR", details or "The driver failed.")
                return
            pause = self.config.eks_retry_seconds * 2 ** min(attempt.number - 1, 10)
            await until(run.end, asyncio.sleep(min(pause, _LONGEST_PAUSE_SECONDS)))

    async def _attempt(self, run: JobRun, attempt: Attempt) -> AttemptResult:
        spec = self._spec(run, attempt)
        result = await attempt.drive(
            spec,
            lambda: self.runner.launch(spec, lambda: self._on_running(run, attempt)),
            run.end,
            self.deliver_logs,
        )
        if result.succeeded:
            self._on_running(run, attempt)
        attempt.end(S.COMPLETED if result.succeeded else S.FAILED, result.details)
        await attempt.end_delivering(last=True)
        if run.end.done():
            raise EndRequestedError
        return result

    def _on_running(self, run: JobRun, attempt: Attempt) -> None:
        if attempt.ended_at is None and attempt.started_at is None:
            attempt.state, attempt.started_at = S.RUNNING, now()
            if run.state is S.SUBMITTED:
                run.move(S.RUNNING, "The driver is running.")

    async def _cancel(self, run: JobRun) -> None:
        for attempt in run.attempts[-1:]:
            if attempt.ended_at is None:
                await attempt.stop(_GRACE_SECONDS)
                attempt.end(S.CANCELLED, run.end.result())
                await attempt.end_delivering(last=True)
        run.move(S.CANCELLED, run.end.result())

    def _spec(self, run: JobRun, attempt: Attempt) -> AttemptSpec:
        submission, cluster_id = run.submission, run.owner_id
        spark_application_id, driver_name = driver_names(run.id, retries=(submission.max_attempts or 1) > 1)
        return AttemptSpec(
            product=PRODUCT,
            owner_id=cluster_id,
            driver_name=driver_name,
            ui_id=spark_application_id,
            job_run_id=run.id,
            attempt=attempt.number,
            account_id=self.config.account_id,
            region=region_of(self.config),
            name=run.name,
            release_label=submission.release_label,
            execution_role_arn=submission.execution_role_arn,
            job_driver=submission.job_driver,
            classifications=submission.classifications,
            logs=log_destinations(submission.monitoring),
            log_path=f"{cluster_id}/jobs/{run.id}/containers/{spark_application_id}",
            workers=submission.pods,
            work_dir=run.work_dir / f"attempt-{attempt.number}",
            tags=run.tags,
        )
