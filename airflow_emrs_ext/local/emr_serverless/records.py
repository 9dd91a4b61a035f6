"""All that the endpoint knows of applications, job runs and sessions, as plain JSON, for tests."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from airflow_emrs_ext.local.config import ServiceConfig
from airflow_emrs_ext.local.emr_serverless import views
from airflow_emrs_ext.local.emr_serverless.applications import Application
from airflow_emrs_ext.local.emr_serverless.job_runs import Attempt, JobRun
from airflow_emrs_ext.local.emr_serverless.sessions import Session
from airflow_emrs_ext.local.resources.records import history, plain


def application_record(app: Application) -> dict[str, Any]:
    """The ``Application`` structure, ``clientToken``, ``activeJobRuns``, ``activeSessions`` and ``stateHistory``."""
    return {
        **plain(views.application(app)),
        "clientToken": app.client_token,
        "activeJobRuns": sorted(app.active_runs),
        "activeSessions": sorted(app.active_sessions),
        "stateHistory": history(app.life),
    }


def job_run_record(run: JobRun, config: ServiceConfig) -> dict[str, Any]:
    """The ``JobRun`` structure, the request behind it, and what became of it.

    Beside the members of the API: ``clientToken``, ``effectivePolicy``, ``classifications``, ``monitoring`` (both
    merged), ``demand``, ``stateHistory`` and ``attempts``.
    """
    submission = run.submission
    return {
        **plain(views.job_run(run, run.attempt, config)),
        "state": str(run.state),
        "clientToken": submission.params["clientToken"],
        "effectivePolicy": plain(submission.policy),
        "classifications": plain(submission.classifications),
        "monitoring": plain(submission.monitoring),
        "demand": asdict(submission.demand),
        "stateHistory": history(run.life),
        "attempts": [_attempt(run, attempt, config) for attempt in run.attempts],
    }


def session_record(session: Session, config: ServiceConfig) -> dict[str, Any]:
    """The ``Session`` structure, the request behind it, and what became of it.

    Beside the members of the API: ``clientToken``, ``classifications`` and ``monitoring`` (both merged), ``demand``,
    ``executorCount``, ``tokensMinted``, ``callsInFlight``, ``logPath``, ``workDir`` and ``stateHistory``.
    """
    request, spec = session.request, session.spec
    return {
        **plain(views.session(session, config)),
        "clientToken": request.params["clientToken"],
        "classifications": plain(request.classifications),
        "monitoring": plain(request.monitoring),
        "demand": asdict(request.demand),
        "executorCount": session.executor_count,
        "tokensMinted": session.tokens_minted,
        "callsInFlight": session.in_flight,
        "logPath": spec.log_path if spec else None,
        "workDir": str(spec.work_dir) if spec else None,
        "stateHistory": history(session.life),
    }


def _attempt(run: JobRun, attempt: Attempt, config: ServiceConfig) -> dict[str, Any]:
    spec = attempt.spec
    shown: dict[str, Any] = plain(views.attempt_summary(run, attempt, config))
    return {
        **shown,
        "startedAt": plain(attempt.started_at),
        "endedAt": plain(attempt.ended_at),
        "executorCount": attempt.executor_count,
        "logPath": spec.log_path if spec else None,
        "workDir": str(spec.work_dir) if spec else None,
    }
