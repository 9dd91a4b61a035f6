"""The operations of the API on job runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, ClassVar

from airflow_emrs_ext.local.base.collection import OwnedCollection
from airflow_emrs_ext.local.base.errors import validation_error
from airflow_emrs_ext.local.base.lifecycle import Lifecycle
from airflow_emrs_ext.local.base.naming import caller_arn
from airflow_emrs_ext.local.base.views import filled
from airflow_emrs_ext.local.services.emr_containers.job_runs import Attempt, JobRun
from airflow_emrs_ext.local.services.emr_containers.naming import new_numbered_id
from airflow_emrs_ext.local.services.emr_containers.submission import Submission
from airflow_emrs_ext.local.services.emr_containers.transitions import JOB_RUN
from airflow_emrs_ext.local.services.emr_containers.virtual_clusters import VirtualCluster
from airflow_emrs_ext.local.services.emr_containers.walk import Walker
from airflow_emrs_ext.shared.states import EksJobRunState as S
from airflow_emrs_ext.shared.states import State


class JobRuns(OwnedCollection[JobRun]):
    """All job runs of the account; see also :class:`~.collection.OwnedCollection`."""

    NOUN: ClassVar[str] = "Job run"
    MEMBER: ClassVar[str] = "jobRuns"
    LOST: ClassVar[tuple[State, ...]] = (S.FAILED, S.CANCELLED)

    _walker: Walker

    def drivers(self) -> Iterator[Attempt]:
        """What drivers do for them: attempts."""
        return (attempt for run in self for attempt in run.attempts)

    def start(self, cluster: VirtualCluster, submission: Submission) -> dict[str, Any]:
        """StartJobRun.

        :raises ApiError: the virtual cluster's queue is full
        """
        most, queued = cluster.scheduler.get("maxInQueueJobRuns"), cluster.count(S.PENDING, S.SUBMITTED)
        if most is not None and queued >= most:
            raise validation_error(
                f"Virtual cluster {cluster.id} has {queued} job runs in its queue, as many as its"
                f" schedulerConfiguration allows (maxInQueueJobRuns)."
            )
        job_run_id = new_numbered_id()
        run = JobRun(
            id=job_run_id,
            arn=f"{cluster.arn}/jobruns/{job_run_id}",
            name=submission.params.get("name"),
            owner=cluster,
            submission=submission,
            tags=dict(submission.tags),
            life=Lifecycle(JOB_RUN, self._listeners),
            work_dir=self._work_dir / cluster.id / job_run_id,
            end=asyncio.get_running_loop().create_future(),
        )
        run.move(S.PENDING, "The job run waits to be submitted to the virtual cluster.")
        self.add(run)
        cluster.active_runs[job_run_id] = run.life
        run.task = asyncio.create_task(self._walk(run))
        return filled(id=run.id, name=run.name, arn=run.arn, virtualClusterId=cluster.id)

    def cancel(self, run: JobRun) -> None:
        """CancelJobRun: at once CANCEL_PENDING; harmless for a job run that is CANCEL_PENDING already."""
        if run.state.is_terminal:
            raise validation_error(f"Job run {run.id} is {run.state} and cannot be cancelled.")
        self._walker.cancel(run, "Job run cancelled by request (CancelJobRun).")

    def summary(self, resource: JobRun) -> dict[str, Any]:
        """The ``JobRun`` structure."""
        submission = resource.submission
        return filled(
            id=resource.id,
            name=resource.name,
            virtualClusterId=resource.owner_id,
            arn=resource.arn,
            state=resource.state,
            clientToken=submission.params["clientToken"],
            executionRoleArn=submission.execution_role_arn,
            releaseLabel=submission.release_label,
            configurationOverrides=submission.configuration_overrides,
            jobDriver=submission.job_driver,
            createdAt=resource.life.created_at,
            createdBy=caller_arn(self._config),
            finishedAt=resource.life.changed_at if resource.state.is_terminal else None,
            stateDetails=resource.life.details or None,
            failureReason=resource.failure_reason,
            tags=dict(resource.tags),
            retryPolicyConfiguration=submission.params.get("retryPolicyConfiguration"),
            # From the first on, also while it waits: whether the service says 0 then is not known.
            retryPolicyExecution={"currentAttemptCount": max(1, len(resource.attempts))}
            if submission.max_attempts is not None
            else None,
        )

    def record(self, resource: JobRun) -> dict[str, Any]:
        """The ``JobRun`` structure, the request behind it, and what became of it.

        Beside the members of the API, whose job driver and configuration are those after substitution:
        ``jobTemplateId``, ``jobTemplateParameters``, ``classifications`` and ``monitoring`` (in force), ``pods`` and
        ``attempts``.
        """
        submission = resource.submission
        return {
            **self.summary(resource),
            **filled(
                jobTemplateId=submission.params.get("jobTemplateId"),
                jobTemplateParameters=submission.params.get("jobTemplateParameters"),
            ),
            "classifications": submission.classifications,
            "monitoring": submission.monitoring,
            "pods": asdict(submission.pods),
            "attempts": [_attempt_record(attempt) for attempt in resource.attempts],
        }

    def _listed(self, params: Mapping[str, Any]) -> Iterator[JobRun]:
        name, runs = params.get("name"), self._of(params["virtualClusterId"], code="ValidationException")
        return (run for run in runs if name in (None, run.name))

    def _lose(self, resource: JobRun, state: State, details: str) -> None:
        for attempt in resource.attempts:
            if not attempt.state.is_terminal:
                attempt.end(state, details)
        if state is S.FAILED:
            resource.fail("INTERNAL_ERROR", details)
        else:
            super()._lose(resource, state, details)

    async def _walk(self, run: JobRun) -> None:
        try:
            await self._walker.walk(run)
        finally:
            run.owner.active_runs.pop(run.id, None)


def _attempt_record(attempt: Attempt) -> dict[str, Any]:
    return {
        "attempt": attempt.number,
        "state": attempt.state,
        "startedAt": attempt.started_at,
        "endedAt": attempt.ended_at,
        "details": attempt.details,
        **attempt.paths(),
    }
