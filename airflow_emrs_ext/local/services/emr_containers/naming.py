"""Ids and ARNs of EMR on EKS."""

from __future__ import annotations

import secrets

from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.naming import arn_prefix, random_id


def new_cluster_id() -> str:
    """An id that looks like one of a virtual cluster or managed endpoint, e.g. ``y5mblr7mzfg5d6vl0kh4kn5c2``."""
    return random_id(25)


def new_numbered_id() -> str:
    """An id that looks like one of a job run or job template, e.g. ``0000000352tmq9vb1ka``."""
    return "0000000" + random_id(12)


def driver_names(resource_id: str, *, retries: bool = False) -> tuple[str, str]:
    """The Spark application id of a driver, and the name of its pod: both are folders of its logs.

    :param resource_id: the job run or managed endpoint
    :param retries: whether there may be more than one driver: each has a random suffix then
    """
    suffix = f"-{secrets.token_hex(8)}" if retries else ""
    return f"spark-{resource_id}{suffix}", f"spark-{resource_id}-driver{suffix}"


def virtual_cluster_arn(config: ServiceConfig, virtual_cluster_id: str) -> str:
    """The ARN of a virtual cluster; those of its job runs and managed endpoints begin with it."""
    return f"{arn_prefix(config, 'emr-containers')}:/virtualclusters/{virtual_cluster_id}"


def job_template_arn(config: ServiceConfig, job_template_id: str) -> str:
    """The ARN of a job template."""
    return f"{arn_prefix(config, 'emr-containers')}:/jobtemplates/{job_template_id}"
