"""The dashboards of job runs and sessions."""

from __future__ import annotations

from airflow_emrs_ext.local.base.dashboards import Dashboards
from airflow_emrs_ext.local.base.errors import validation_error
from airflow_emrs_ext.local.services.emr_serverless.job_runs import Attempt, JobRun
from airflow_emrs_ext.local.services.emr_serverless.sessions import Session
from airflow_emrs_ext.shared.states import JobRunState as S

_TOO_EARLY = (S.SUBMITTED, S.QUEUED, S.PENDING, S.SCHEDULED)


def of_attempt(dashboards: Dashboards, run: JobRun, attempt: Attempt) -> str:
    """A URL of the UI of an attempt.

    :raises ApiError: the attempt has no UI, because its driver has not run
    """
    name = f"Attempt {attempt.number} of job run {run.id}"
    if attempt.state in _TOO_EARLY or attempt.started_at is None:
        raise validation_error(f"{name} is {attempt.state} and has no dashboard: it has not been RUNNING")
    return dashboards.mint(name, attempt)


def of_session(dashboards: Dashboards, session: Session) -> str | None:
    """A URL of the UI of a session, ``None`` when it has not been STARTED."""
    return dashboards.mint(session.label, session) if session.started_at else None
