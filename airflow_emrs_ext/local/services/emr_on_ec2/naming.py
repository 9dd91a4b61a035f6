"""Ids and ARNs of EMR on EC2."""

from __future__ import annotations

from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.naming import arn_prefix, random_id

PRODUCT = "EMR on EC2"
INVALID = "InvalidRequestException"
"""The error of the API for a request that is not usable, also where it is about something that is not there."""


def new_cluster_id() -> str:
    """An id that looks like one of a cluster, e.g. ``j-2AXXXXXXGAPLF``."""
    return "j-" + random_id(13).upper()


def new_step_id() -> str:
    """An id that looks like one of a step, e.g. ``s-025063721K4U2ASH4YXH``."""
    return "s-" + random_id(20).upper()


def new_session_id() -> str:
    """An id of a session; it is opaque."""
    return random_id(20)


def cluster_arn(config: ServiceConfig, cluster_id: str) -> str:
    """The ARN of a cluster; those of its sessions and steps begin with it."""
    return f"{arn_prefix(config, 'elasticmapreduce')}:cluster/{cluster_id}"
