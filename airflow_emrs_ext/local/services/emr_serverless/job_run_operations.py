"""The operations of the API on job runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, ClassVar

from airflow_emrs_ext.local.base.collection import OwnedCollection
from airflow_emrs_ext.local.base.dashboards import Dashboards
from airflow_emrs_ext.local.base.errors import ApiError, validation_error
from airflow_emrs_ext.local.base.leniency import enforce
from airflow_emrs_ext.local.base.lifecycle import Lifecycle
from airflow_emrs_ext.local.base.naming import caller_arn
from airflow_emrs_ext.local.base.pagination import CREATED_AT, Spelling, page
from airflow_emrs_ext.local.base.tags import check_tags
from airflow_emrs_ext.local.base.views import filled
from airflow_emrs_ext.local.services.emr_serverless import utilization
from airflow_emrs_ext.local.services.emr_serverless.applications import Application, Applications
from airflow_emrs_ext.local.services.emr_serverless.job_runs import Attempt, JobRun
from airflow_emrs_ext.local.services.emr_serverless.naming import new_id
from airflow_emrs_ext.local.services.emr_serverless.rules import no_uis
from airflow_emrs_ext.local.services.emr_serverless.submission import grace_seconds, read_submission
from airflow_emrs_ext.local.services.emr_serverless.transitions import JOB_RUN
from airflow_emrs_ext.local.services.emr_serverless.walk import Walker
from airflow_emrs_ext.shared.states import JobRunState as S
from airflow_emrs_ext.shared.states import State

_TOO_EARLY = (S.SUBMITTED, S.QUEUED, S.PENDING, S.SCHEDULED)


class JobRuns(OwnedCollection[JobRun]):
    """All job runs of the account; see also :class:`~.collection.OwnedCollection`."""

    NOUN: ClassVar[str] = "Job run"
    MEMBER: ClassVar[str] = "jobRuns"
    BY_STATE: ClassVar[bool] = True
    SPELLING: ClassVar[Spelling] = CREATED_AT
    LOST: ClassVar[tuple[State, ...]] = (S.FAILED, S.CANCELLED)

    _owners: Applications
    _walker: Walker

    def start(self, application: Application, params: Mapping[str, Any]) -> dict[str, Any]:
        """StartJobRun."""
        check_tags(params.get("tags") or {})
        submission = read_submission(params, application, self._config.lenient)
        try:
            self._owners.check_takes(application, "job runs")
        except ApiError as error:  # the API declares no ServiceQuotaExceededException for this operation
            raise validation_error(error.message) from None
        job_run_id = new_id()
        turn = self._walker.queues.enter(application.id, job_run_id)
        run = JobRun(
            id=job_run_id,
            arn=f"{application.arn}/jobruns/{job_run_id}",
            name=params.get("name"),
            owner=application,
            submission=submission,
            settings=application.settings,
            tags=dict(params.get("tags") or {}),
            life=Lifecycle(JOB_RUN, self._listeners),
            work_dir=self._work_dir / application.id / job_run_id,
            cancellation=asyncio.get_running_loop().create_future(),
        )
        run.begin_attempt("The job run has been submitted.")
        self.add(run)
        self._owners.work_submitted(application, application.active_runs, job_run_id)
        run.task = asyncio.create_task(self._walk(run, turn))
        return {"applicationId": application.id, "jobRunId": job_run_id, "arn": run.arn}

    def drivers(self) -> Iterator[Attempt]:
        """What drivers do for them: attempts."""
        return (attempt for run in self for attempt in run.attempts)

    def page_of_attempts(self, run: JobRun, params: Mapping[str, Any]) -> dict[str, Any]:
        """ListJobRunAttempts: the latest first."""
        return page(
            "jobRunAttempts",
            run.attempts,
            params,
            place=lambda attempt: (-attempt.number,),
            view=lambda attempt: self._attempt_summary(run, attempt),
        )

    def cancel(self, run: JobRun, grace_period: int | None) -> None:
        """CancelJobRun: at once CANCELLING; harmless for a job run that is CANCELLING already.

        :param grace_period: ``shutdownGracePeriodInSeconds``
        """
        grace = grace_seconds(grace_period, run.submission.mode)
        if run.state.is_terminal:
            raise validation_error(f"Job run {run.id} is {run.state} and cannot be CANCELLED.")
        self._walker.cancel(run, "Job run cancelled by request (CancelJobRun).", grace)

    def dashboard_url(self, run: JobRun, attempt: Attempt, dashboards: Dashboards) -> str:
        """A URL of the UI of an attempt.

        :raises ApiError: the attempt has no UI, because its driver has not run
        """
        name = f"Attempt {attempt.number} of job run {run.id}"
        if attempt.state in _TOO_EARLY or attempt.started_at is None:
            raise validation_error(f"{name} is {attempt.state} and has no dashboard: it has not been RUNNING")
        enforce(no_uis(run.submission.monitoring), self._config.lenient)
        return dashboards.mint(name, attempt)

    def view(self, run: JobRun, attempt: Attempt) -> dict[str, Any]:
        """The ``JobRun`` structure as one attempt sees it; what is used and billed is the sum of all attempts."""
        params, usages = run.submission.params, run.usages()
        ended = run.state.is_terminal
        return filled(
            applicationId=run.owner_id,
            jobRunId=run.id,
            name=run.name,
            arn=run.arn,
            createdBy=caller_arn(self._config),
            createdAt=run.created_at,
            updatedAt=run.life.changed_at,
            executionRole=params["executionRoleArn"],
            executionIamPolicy=params.get("executionIamPolicy"),
            state=attempt.state,
            stateDetails=attempt.details,
            releaseLabel=run.settings["releaseLabel"],
            configurationOverrides=params.get("configurationOverrides"),
            jobDriver=params["jobDriver"],
            tags=dict(run.tags),
            totalResourceUtilization=utilization.total(usages) if ended and usages else None,
            networkConfiguration=run.settings.get("networkConfiguration"),
            totalExecutionDurationSeconds=utilization.duration(usages) if ended else None,
            executionTimeoutMinutes=run.submission.timeout_minutes,
            billedResourceUtilization=utilization.billed(usages) if ended and usages else None,
            mode=run.submission.mode,
            retryPolicy=run.submission.retry_policy,
            flexExecution=params.get("flexExecution"),
            attempt=attempt.number,
            attemptCreatedAt=attempt.created_at,
            attemptUpdatedAt=attempt.updated_at,
            startedAt=attempt.started_at,
            endedAt=attempt.ended_at if attempt.state.is_terminal else None,
            queuedDurationMilliseconds=round(run.queued_seconds() * 1000),
            imageConfiguration=run.settings.get("imageConfiguration"),
            workerTypeSpecifications=run.settings.get("workerTypeSpecifications"),
        )

    def summary(self, resource: JobRun) -> dict[str, Any]:
        """The ``JobRunSummary`` structure."""
        attempt = resource.attempt
        return filled(
            **self._common(resource),
            createdAt=resource.created_at,
            updatedAt=resource.life.changed_at,
            state=resource.state,
            stateDetails=resource.life.details,
            attempt=attempt.number,
            attemptCreatedAt=attempt.created_at,
            attemptUpdatedAt=attempt.updated_at,
        )

    def record(self, resource: JobRun) -> dict[str, Any]:
        """The ``JobRun`` structure, the request behind it, and what became of it.

        Beside the members of the API: ``clientToken``, ``effectivePolicy``, ``classifications``, ``monitoring`` (both
        merged), ``demand`` and ``attempts``.
        """
        submission = resource.submission
        return {
            **self.view(resource, resource.attempt),
            "state": str(resource.state),
            "clientToken": submission.params["clientToken"],
            "effectivePolicy": submission.policy,
            "classifications": submission.classifications,
            "monitoring": submission.monitoring,
            "demand": asdict(submission.demand),
            "attempts": [self._attempt_record(resource, attempt) for attempt in resource.attempts],
        }

    def _listed(self, params: Mapping[str, Any]) -> Iterator[JobRun]:
        mode = params.get("mode")
        return (run for run in self._of(params["applicationId"]) if mode in (None, run.submission.mode))

    def _attempt_summary(self, run: JobRun, attempt: Attempt) -> dict[str, Any]:
        """The ``JobRunAttemptSummary`` structure."""
        return filled(
            **self._common(run),
            jobCreatedAt=run.created_at,
            createdAt=attempt.created_at,
            updatedAt=attempt.updated_at,
            state=attempt.state,
            stateDetails=attempt.details,
            attempt=attempt.number,
        )

    def _attempt_record(self, run: JobRun, attempt: Attempt) -> dict[str, Any]:
        return {
            **self._attempt_summary(run, attempt),
            "startedAt": attempt.started_at,
            "endedAt": attempt.ended_at,
            "executorCount": attempt.executor_count,
            **attempt.paths(),
        }

    def _common(self, run: JobRun) -> dict[str, Any]:
        return {
            "applicationId": run.owner_id,
            "id": run.id,
            "name": run.name,
            "mode": run.submission.mode,
            "arn": run.arn,
            "createdBy": caller_arn(self._config),
            "executionRole": run.submission.params["executionRoleArn"],
            "releaseLabel": run.settings["releaseLabel"],
            "type": run.owner.engine,
            "flexExecution": run.submission.params.get("flexExecution"),
        }

    async def _walk(self, run: JobRun, turn: asyncio.Event) -> None:
        try:
            await self._walker.walk(run, turn)
        finally:
            self._owners.work_ended(run.owner, run.owner.active_runs, run.id)
