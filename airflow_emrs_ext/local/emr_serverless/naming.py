"""Ids and ARNs of EMR Serverless."""

from __future__ import annotations

import secrets

from airflow_emrs_ext.local.config import ServiceConfig
from airflow_emrs_ext.local.resources.naming import ALPHABET, arn_prefix


def new_id() -> str:
    """An id that looks like one of the service's, e.g. ``00f1cb5c6anuij25``."""
    return "00" + "".join(secrets.choice(ALPHABET) for _ in range(14))


def application_arn(config: ServiceConfig, application_id: str) -> str:
    """The ARN of an application."""
    return f"{arn_prefix(config, 'emr-serverless')}:/applications/{application_id}"


def job_run_arn(config: ServiceConfig, application_id: str, job_run_id: str) -> str:
    """The ARN of a job run."""
    return f"{application_arn(config, application_id)}/jobruns/{job_run_id}"


def session_arn(config: ServiceConfig, application_id: str, session_id: str) -> str:
    """The ARN of a session."""
    return f"{application_arn(config, application_id)}/sessions/{session_id}"
