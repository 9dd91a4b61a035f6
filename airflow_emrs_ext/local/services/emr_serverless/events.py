"""The events of the service; their members are those of the samples in its guide. Of sessions it tells nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.events import Event, spelled
from airflow_emrs_ext.local.base.lifecycle import Change, Transition, now
from airflow_emrs_ext.local.base.naming import caller_arn
from airflow_emrs_ext.local.base.views import filled
from airflow_emrs_ext.local.services.emr_serverless import utilization
from airflow_emrs_ext.local.services.emr_serverless.applications import Application
from airflow_emrs_ext.local.services.emr_serverless.job_runs import JobRun, Told
from airflow_emrs_ext.shared.states import JobRunState as S

SOURCE = "aws.emr-serverless"


def events(transition: Transition, config: ServiceConfig) -> Iterator[Event]:
    """The events of a change, told once the change is complete."""
    resource, change = transition.resource, transition.change
    if isinstance(resource, Application):
        yield _event("Application State Change", change, _application(resource, change))
    elif isinstance(resource, JobRun):
        detail = {**_job_run(resource, change, config), "state": str(change.state)}
        if transition.previous is not None:
            detail["previousState"] = str(transition.previous)
        yield _event("Job Run State Change", change, detail)
        if change.state is S.SUBMITTED and transition.previous is not None:
            yield _event("Job Run Retry", change, {**_job_run(resource, change, config), **_retry(resource, change)})
        if change.state.is_terminal:
            yield utilization_update(resource, resource.attempt.ended_at or change.at, is_final=True)


def utilization_update(run: JobRun, at: datetime, *, is_final: bool) -> Event:
    """What a job run has used, in all and since the last update.

    :param run: the job run; it keeps what it has told
    :param at: up to when
    :param is_final: it has ended
    """
    attempt, usages, before = run.attempt, run.usages(at), run.told
    used, billed = utilization.total(usages), utilization.billed(usages)
    run.told = Told(at, used, billed)
    detail = filled(
        applicationId=run.owner_id,
        jobRunId=run.id,
        attempt=attempt.number,
        mode=run.submission.mode,
        createdAt=spelled(run.created_at),
        startedAt=spelled(attempt.started_at) if attempt.started_at else None,
        calculatedFrom=spelled(before.at if before else run.created_at),
        calculatedTo=spelled(at),
        resourceUtilizationFinal=is_final,
        resourceUtilizationForInterval=_since(before.used if before else {}, used),
        billedResourceUtilizationForInterval=_since(before.billed if before else {}, billed),
        totalResourceUtilization=used,
        totalBilledResourceUtilization=billed,
    )
    return Event(SOURCE, "EMR Serverless Job Resource Utilization Update", now(), detail, [run.arn])


def _since(before: Mapping[str, float], total: Mapping[str, float]) -> dict[str, float]:
    return {name: utilization.rounded(value - before.get(name, 0.0)) for name, value in total.items()}


def _event(subject: str, change: Change, detail: dict[str, Any]) -> Event:
    return Event(SOURCE, f"EMR Serverless {subject}", change.at, detail)


def _application(application: Application, change: Change) -> dict[str, Any]:
    auto_stop = application.settings["autoStopConfiguration"]
    return filled(
        applicationId=application.id,
        applicationName=application.name,
        arn=application.arn,
        releaseLabel=application.settings["releaseLabel"],
        state=str(change.state),
        type=application.engine.upper(),
        createdAt=spelled(application.life.created_at),
        updatedAt=spelled(change.at),
        autoStopConfig=filled(enabled=auto_stop["enabled"], idleTimeout=auto_stop.get("idleTimeoutMinutes")),
        autoStartConfig={"enabled": application.settings["autoStartConfiguration"]["enabled"]},
    )


def _job_run(run: JobRun, change: Change, config: ServiceConfig) -> dict[str, Any]:
    return {
        "jobRunId": run.id,
        "applicationId": run.owner_id,
        "arn": run.arn,
        "releaseLabel": run.settings["releaseLabel"],
        "createdBy": caller_arn(config),
        "updatedAt": spelled(change.at),
        "createdAt": spelled(run.created_at),
    }


def _retry(run: JobRun, change: Change) -> dict[str, Any]:
    assert change.attempt is not None
    previous = run.attempt_number(change.attempt - 1)
    return {
        "previousAttempt": previous.number,
        "previousAttemptState": str(previous.state),
        "previousAttemptCreatedAt": spelled(previous.created_at),
        "previousAttemptEndedAt": spelled(previous.ended_at or change.at),
        "newAttempt": change.attempt,
        "newAttemptCreatedAt": spelled(change.at),
    }
