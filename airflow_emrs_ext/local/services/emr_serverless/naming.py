"""Ids and ARNs of EMR Serverless."""

from __future__ import annotations

from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.naming import arn_prefix, random_id


def new_id() -> str:
    """An id that looks like one of the service's, e.g. ``00f1cb5c6anuij25``."""
    return "00" + random_id(14)


def application_arn(config: ServiceConfig, application_id: str) -> str:
    """The ARN of an application; those of its job runs and sessions begin with it."""
    return f"{arn_prefix(config, 'emr-serverless')}:/applications/{application_id}"
