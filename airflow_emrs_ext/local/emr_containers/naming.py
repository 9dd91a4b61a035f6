"""Ids and ARNs of EMR on EKS."""

from __future__ import annotations

import secrets

from airflow_emrs_ext.local.config import ServiceConfig
from airflow_emrs_ext.local.resources.naming import ALPHABET, arn_prefix

_CLUSTER_ID_LENGTH = 25
_NUMBERED_ID_PREFIX, _NUMBERED_ID_RANDOM = "0000000", 12


def new_cluster_id() -> str:
    """An id that looks like one of a virtual cluster or managed endpoint, e.g. ``y5mblr7mzfg5d6vl0kh4kn5c2``."""
    return _random(_CLUSTER_ID_LENGTH)


def new_numbered_id() -> str:
    """An id that looks like one of a job run or job template, e.g. ``0000000352tmq9vb1ka``."""
    return _NUMBERED_ID_PREFIX + _random(_NUMBERED_ID_RANDOM)


def new_spark_application_id() -> str:
    """An id as Spark on Kubernetes gives its applications."""
    return f"spark-{secrets.token_hex(16)}"


def virtual_cluster_arn(config: ServiceConfig, virtual_cluster_id: str) -> str:
    """The ARN of a virtual cluster."""
    return f"{arn_prefix(config, 'emr-containers')}:/virtualclusters/{virtual_cluster_id}"


def job_run_arn(config: ServiceConfig, virtual_cluster_id: str, job_run_id: str) -> str:
    """The ARN of a job run."""
    return f"{virtual_cluster_arn(config, virtual_cluster_id)}/jobruns/{job_run_id}"


def managed_endpoint_arn(config: ServiceConfig, virtual_cluster_id: str, endpoint_id: str) -> str:
    """The ARN of a managed endpoint."""
    return f"{virtual_cluster_arn(config, virtual_cluster_id)}/endpoints/{endpoint_id}"


def job_template_arn(config: ServiceConfig, job_template_id: str) -> str:
    """The ARN of a job template."""
    return f"{arn_prefix(config, 'emr-containers')}:/jobtemplates/{job_template_id}"


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
