"""The structures in which the API shows applications, job runs and sessions."""

from __future__ import annotations

from typing import Any

from airflow_emrs_ext.local.config import ServiceConfig
from airflow_emrs_ext.local.emr_serverless import utilization
from airflow_emrs_ext.local.emr_serverless.applications import Application
from airflow_emrs_ext.local.emr_serverless.job_runs import Attempt, JobRun
from airflow_emrs_ext.local.emr_serverless.sessions import Session
from airflow_emrs_ext.local.resources.naming import caller_arn
from airflow_emrs_ext.local.resources.views import filled


def application(app: Application) -> dict[str, Any]:
    """The ``Application`` structure."""
    return filled(
        applicationId=app.application_id,
        name=app.name,
        arn=app.arn,
        type=app.engine,
        state=app.state,
        stateDetails=app.life.details or None,
        createdAt=app.life.history[0].at,
        updatedAt=app.updated_at,
        tags=dict(app.tags),
        **app.settings,
    )


def application_summary(app: Application) -> dict[str, Any]:
    """The ``ApplicationSummary`` structure."""
    return filled(
        id=app.application_id,
        name=app.name,
        arn=app.arn,
        releaseLabel=app.settings["releaseLabel"],
        type=app.engine,
        state=app.state,
        stateDetails=app.life.details or None,
        createdAt=app.life.history[0].at,
        updatedAt=app.updated_at,
        architecture=app.settings["architecture"],
    )


def job_run(run: JobRun, attempt: Attempt, config: ServiceConfig) -> dict[str, Any]:
    """The ``JobRun`` structure as one attempt sees it; what is used and billed is the sum of all attempts."""
    params, usages = run.submission.params, run.usages()
    ended = run.state.is_terminal
    return filled(
        applicationId=run.application.application_id,
        jobRunId=run.job_run_id,
        name=run.name,
        arn=run.arn,
        createdBy=caller_arn(config),
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
        attempt=attempt.number,
        attemptCreatedAt=attempt.created_at,
        attemptUpdatedAt=attempt.updated_at,
        startedAt=attempt.started_at,
        endedAt=attempt.ended_at if attempt.state.is_terminal else None,
        queuedDurationMilliseconds=round(run.queued_seconds() * 1000),
        imageConfiguration=run.settings.get("imageConfiguration"),
        workerTypeSpecifications=run.settings.get("workerTypeSpecifications"),
    )


def job_run_summary(run: JobRun, config: ServiceConfig) -> dict[str, Any]:
    """The ``JobRunSummary`` structure."""
    attempt = run.attempt
    return filled(
        **_common(run, config),
        createdAt=run.created_at,
        updatedAt=run.life.changed_at,
        state=run.state,
        stateDetails=run.life.details,
        attempt=attempt.number,
        attemptCreatedAt=attempt.created_at,
        attemptUpdatedAt=attempt.updated_at,
    )


def attempt_summary(run: JobRun, attempt: Attempt, config: ServiceConfig) -> dict[str, Any]:
    """The ``JobRunAttemptSummary`` structure."""
    return filled(
        **_common(run, config),
        jobCreatedAt=run.created_at,
        createdAt=attempt.created_at,
        updatedAt=attempt.updated_at,
        state=attempt.state,
        stateDetails=attempt.details,
        attempt=attempt.number,
    )


def session(shown: Session, config: ServiceConfig) -> dict[str, Any]:
    """The ``Session`` structure."""
    usages = shown.usages()
    return filled(
        **session_summary(shown, config),
        startedAt=shown.started_at,
        endedAt=shown.ended_at if shown.state.is_terminal else None,
        idleSince=shown.idle_since,
        configurationOverrides=shown.request.params.get("configurationOverrides"),
        networkConfiguration=shown.settings.get("networkConfiguration"),
        idleTimeoutMinutes=shown.request.idle_timeout_minutes,
        tags=dict(shown.tags),
        totalResourceUtilization=utilization.total(usages) if usages else None,
        billedResourceUtilization=utilization.billed(usages) if usages else None,
        totalExecutionDurationSeconds=utilization.duration(usages) if shown.state.is_terminal else None,
    )


def session_summary(shown: Session, config: ServiceConfig) -> dict[str, Any]:
    """The ``SessionSummary`` structure."""
    return filled(
        applicationId=shown.application.application_id,
        sessionId=shown.session_id,
        arn=shown.arn,
        name=shown.name,
        state=shown.state,
        stateDetails=shown.life.details,
        releaseLabel=shown.settings["releaseLabel"],
        executionRoleArn=shown.request.params["executionRoleArn"],
        createdBy=caller_arn(config),
        createdAt=shown.created_at,
        updatedAt=shown.life.changed_at,
    )


def _common(run: JobRun, config: ServiceConfig) -> dict[str, Any]:
    return {
        "applicationId": run.application.application_id,
        "id": run.job_run_id,
        "name": run.name,
        "mode": run.submission.mode,
        "arn": run.arn,
        "createdBy": caller_arn(config),
        "executionRole": run.submission.params["executionRoleArn"],
        "releaseLabel": run.settings["releaseLabel"],
        "type": run.application.engine,
    }
