"""Whose tags an ARN means."""

from __future__ import annotations

import re

from airflow_emrs_ext.local.config import ServiceConfig
from airflow_emrs_ext.local.errors import ApiError
from airflow_emrs_ext.local.resources.naming import partition

MOST_TAGS = 200

_ARN = re.compile(
    r"arn:(?P<partition>[^:]+):emr-serverless:(?P<region>[^:]+):(?P<account>[0-9]{12})"
    r":/applications/(?P<application>[0-9a-zA-Z]+)(?:/(?P<kind>jobruns|sessions)/(?P<id>[0-9a-zA-Z]+))?"
)


def owner_of(arn: str, config: ServiceConfig) -> tuple[str, str | None, str]:
    """The application that an ARN names, and what of it: ``None``, ``jobruns`` or ``sessions``, and an id.

    :raises ApiError: it is not the ARN of an application, job run or session of this account and Region
    """
    match = _ARN.fullmatch(arn)
    here = (partition(config.region), config.region, config.account_id)
    if match is None or match.group("partition", "region", "account") != here:
        raise ApiError("ResourceNotFoundException", f"Resource {arn} does not exist")
    return match["application"], match["kind"], match["id"] or ""
