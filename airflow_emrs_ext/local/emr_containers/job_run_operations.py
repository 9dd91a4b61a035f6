"""The operations of the API on job runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from airflow_emrs_ext.local.config import ServiceConfig
from airflow_emrs_ext.local.emr_containers.job_runs import Attempt, JobRun
from airflow_emrs_ext.local.emr_containers.naming import job_run_arn, new_numbered_id
from airflow_emrs_ext.local.emr_containers.submission import Submission
from airflow_emrs_ext.local.emr_containers.transitions import JOB_RUN
from airflow_emrs_ext.local.emr_containers.virtual_clusters import VirtualCluster, VirtualClusters
from airflow_emrs_ext.local.emr_containers.walk import Walker
from airflow_emrs_ext.local.errors import ApiError, validation_error
from airflow_emrs_ext.local.resources.lifecycle import Lifecycle, Listener
from airflow_emrs_ext.local.resources.naming import caller_arn
from airflow_emrs_ext.local.resources.pagination import created_within, listing, page
from airflow_emrs_ext.local.resources.records import history, plain
from airflow_emrs_ext.local.resources.views import filled
from airflow_emrs_ext.shared.states import EksJobRunState as S


class JobRuns:
    """All job runs of the account.

    :param config: account and Region
    :param clusters: the virtual clusters, told which job runs they have
    :param walker: leads each job run through its states
    :param listeners: told of every change of state
    :param work_dir: where the job runs get their directories
    """

    def __init__(
        self,
        config: ServiceConfig,
        clusters: VirtualClusters,
        walker: Walker,
        listeners: list[Listener],
        work_dir: Path,
    ) -> None:
        self._config = config
        self._clusters = clusters
        self._walker = walker
        self._listeners = listeners
        self._work_dir = work_dir
        self._by_id: dict[str, JobRun] = {}

    def __iter__(self) -> Iterator[JobRun]:
        return iter(self._by_id.values())

    def find(self, virtual_cluster_id: str, job_run_id: str, *, code: str = "ResourceNotFoundException") -> JobRun:
        """The job run of a virtual cluster.

        :param code: the error where the operation declares another one
        :raises ApiError: there is none
        """
        cluster = self._clusters.get(virtual_cluster_id, code=code)
        run = self._by_id.get(job_run_id)
        if run is None or run.cluster is not cluster:
            raise ApiError(code, f"Job run {job_run_id} of virtual cluster {virtual_cluster_id} does not exist")
        return run

    def start(self, cluster: VirtualCluster, submission: Submission) -> JobRun:
        """StartJobRun.

        :raises ApiError: the virtual cluster's queue is full
        """
        most, queued = cluster.scheduler.get("maxInQueueJobRuns"), cluster.count(S.PENDING, S.SUBMITTED)
        if most is not None and queued >= most:
            raise validation_error(
                f"Virtual cluster {cluster.virtual_cluster_id} has {queued} job runs in its queue, as many as its"
                f" schedulerConfiguration allows (maxInQueueJobRuns)."
            )
        job_run_id = new_numbered_id()
        run = JobRun(
            job_run_id=job_run_id,
            arn=job_run_arn(self._config, cluster.virtual_cluster_id, job_run_id),
            number=len(self._by_id),
            cluster=cluster,
            submission=submission,
            tags=dict(submission.tags),
            life=Lifecycle(JOB_RUN, self._listeners),
            work_dir=self._work_dir / cluster.virtual_cluster_id / job_run_id,
            end=asyncio.get_running_loop().create_future(),
        )
        run.move(S.PENDING, "The job run waits to be submitted to the virtual cluster.")
        self._by_id[job_run_id] = run
        cluster.active_runs[job_run_id] = run.life
        run.task = asyncio.create_task(self._walk(run))
        return run

    def cancel(self, run: JobRun) -> None:
        """CancelJobRun: at once CANCEL_PENDING; harmless for a job run that is CANCEL_PENDING already."""
        if run.state.is_terminal:
            raise validation_error(f"Job run {run.job_run_id} is {run.state} and cannot be cancelled.")
        self._walker.cancel(run, "Job run cancelled by request (CancelJobRun).")

    def page(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """ListJobRuns: newest first."""
        cluster = self._clusters.get(params["virtualClusterId"], code="ValidationException")
        states, name = params.get("states"), params.get("name")
        shown, token = page(
            "ListJobRuns",
            (
                run
                for run in self
                if run.cluster is cluster
                and (not states or run.state in states)
                and name in (None, run.name)
                and created_within(run.life.created_at, params.get("createdAfter"), params.get("createdBefore"))
            ),
            lambda run: (-run.number,),
            params,
        )
        return listing("jobRuns", [self.view(run) for run in shown], token)

    def view(self, run: JobRun) -> dict[str, Any]:
        """The ``JobRun`` structure."""
        submission = run.submission
        return filled(
            id=run.job_run_id,
            name=run.name,
            virtualClusterId=run.cluster.virtual_cluster_id,
            arn=run.arn,
            state=run.state,
            clientToken=submission.params["clientToken"],
            executionRoleArn=submission.execution_role_arn,
            releaseLabel=submission.release_label,
            configurationOverrides=submission.configuration_overrides,
            jobDriver=submission.job_driver,
            createdAt=run.life.created_at,
            createdBy=caller_arn(self._config),
            finishedAt=run.life.changed_at if run.state.is_terminal else None,
            stateDetails=run.life.details or None,
            failureReason=run.failure_reason,
            tags=dict(run.tags),
            retryPolicyConfiguration=submission.params.get("retryPolicyConfiguration"),
            # From the first on, also while it waits: whether the service says 0 then is not known.
            retryPolicyExecution={"currentAttemptCount": max(1, len(run.attempts))}
            if submission.max_attempts is not None
            else None,
        )

    def records(self, virtual_cluster_id: str | None = None) -> list[dict[str, Any]]:
        """Every job run with all that is known of it, oldest first, as plain JSON.

        Beside the members of the API, whose job driver and configuration are those after substitution:
        ``jobTemplateId``, ``jobTemplateParameters``, ``classifications`` and ``monitoring`` (in force), ``pods``,
        ``stateHistory`` and ``attempts``.

        :param virtual_cluster_id: only those of one virtual cluster
        """
        return [
            {
                **plain(self.view(run)),
                **filled(
                    jobTemplateId=run.submission.params.get("jobTemplateId"),
                    jobTemplateParameters=run.submission.params.get("jobTemplateParameters"),
                ),
                "classifications": plain(run.submission.classifications),
                "monitoring": plain(run.submission.monitoring),
                "pods": asdict(run.submission.pods),
                "stateHistory": history(run.life),
                "attempts": [_attempt_record(attempt) for attempt in run.attempts],
            }
            for run in self
            if virtual_cluster_id in (None, run.cluster.virtual_cluster_id)
        ]

    async def end_tasks(self) -> None:
        """Leave every job run in the state that it is in."""
        tasks = [run.task for run in self if run.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def clear(self) -> None:
        """Forget every job run."""
        self._by_id.clear()

    async def _walk(self, run: JobRun) -> None:
        try:
            await self._walker.walk(run)
        finally:
            run.cluster.active_runs.pop(run.job_run_id, None)


def _attempt_record(attempt: Attempt) -> dict[str, Any]:
    spec = attempt.spec
    return {
        "attempt": attempt.number,
        "state": str(attempt.state),
        "startedAt": plain(attempt.started_at),
        "endedAt": plain(attempt.ended_at),
        "details": attempt.details,
        "logPath": spec.log_path if spec else None,
        "workDir": str(spec.work_dir) if spec else None,
    }
