"""Whose tags an ARN means."""

from __future__ import annotations

import re

from airflow_emrs_ext.local.config import ServiceConfig
from airflow_emrs_ext.local.errors import ApiError
from airflow_emrs_ext.local.resources.naming import arn_prefix

MOST_TAGS = 50

_PATH = re.compile(
    r":/(?P<kind>virtualclusters|jobtemplates)/(?P<id>[0-9a-z]+)(?:/(?P<part>jobruns|endpoints)/(?P<part_id>[0-9a-z]+))?"
)


def owner_of(arn: str, config: ServiceConfig) -> tuple[str, str, str]:
    """The kind of resource that an ARN names, the id of its virtual cluster or job template, and its own.

    :return: ``virtualclusters``, ``jobtemplates``, ``jobruns`` or ``endpoints``, and the ids
    :raises ApiError: it is not the ARN of a resource of this account and Region
    """
    prefix = arn_prefix(config, "emr-containers")
    match = _PATH.fullmatch(arn.removeprefix(prefix)) if arn.startswith(prefix) else None
    if match is None:
        raise ApiError("ResourceNotFoundException", f"Resource {arn} does not exist")
    return match["part"] or match["kind"], match["id"], match["part_id"] or ""
