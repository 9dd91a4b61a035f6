"""Ids and ARNs."""

from __future__ import annotations

import secrets

from airflow_emrs_ext.local.config import ServiceConfig

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


def new_id() -> str:
    """An id that looks like one of the service's, e.g. ``00f1cb5c6anuij25``."""
    return "00" + "".join(secrets.choice(_ALPHABET) for _ in range(14))


def partition(region: str) -> str:
    """The partition that a Region belongs to, the second part of an ARN."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def application_arn(config: ServiceConfig, application_id: str) -> str:
    """The ARN of an application."""
    return (
        f"arn:{partition(config.region)}:emr-serverless:{config.region}:{config.account_id}"
        f":/applications/{application_id}"
    )


def job_run_arn(config: ServiceConfig, application_id: str, job_run_id: str) -> str:
    """The ARN of a job run."""
    return f"{application_arn(config, application_id)}/jobruns/{job_run_id}"


def session_arn(config: ServiceConfig, application_id: str, session_id: str) -> str:
    """The ARN of a session."""
    return f"{application_arn(config, application_id)}/sessions/{session_id}"


def caller_arn(config: ServiceConfig) -> str:
    """The identity that ``createdBy`` names: there is only one, who uses the endpoint."""
    return f"arn:{partition(config.region)}:iam::{config.account_id}:user/emrs-local"
