"""Whose tags an ARN means."""

from __future__ import annotations

import re

from airflow_emrs_ext.local.config import ServiceConfig
from airflow_emrs_ext.local.errors import ApiError
from airflow_emrs_ext.local.resources.naming import arn_prefix

MOST_TAGS = 50

_PATH = re.compile(r":/virtualclusters/(?P<cluster>[0-9a-z]+)(?:/(?P<kind>jobruns|endpoints)/(?P<id>[0-9a-z]+))?")


def owner_of(arn: str, config: ServiceConfig) -> tuple[str, str | None, str]:
    """The virtual cluster that an ARN names, and what of it: ``None``, ``jobruns`` or ``endpoints``, and an id.

    The API model admits no ARN of a job template here.

    :raises ApiError: it is not the ARN of a virtual cluster, job run or managed endpoint of this account and Region
    """
    prefix = arn_prefix(config, "emr-containers")
    match = _PATH.fullmatch(arn.removeprefix(prefix)) if arn.startswith(prefix) else None
    if match is None:
        raise ApiError("ResourceNotFoundException", f"Resource {arn} does not exist")
    return match["cluster"], match["kind"], match["id"] or ""
