"""Tags of applications, job runs and sessions."""

from __future__ import annotations

import re
from collections.abc import Mapping

from airflow_emrs_ext.local.config import ServiceConfig
from airflow_emrs_ext.local.emr_serverless.naming import partition
from airflow_emrs_ext.local.errors import ApiError, validation_error

MOST_TAGS = 200

_ARN = re.compile(
    r"arn:(?P<partition>[^:]+):emr-serverless:(?P<region>[^:]+):(?P<account>[0-9]{12})"
    r":/applications/(?P<application>[0-9a-zA-Z]+)(?:/(?P<kind>jobruns|sessions)/(?P<id>[0-9a-zA-Z]+))?"
)


def check_tags(tags: Mapping[str, str]) -> None:
    """Refuse tags that only AWS may set.

    :raises ApiError: a key begins with ``aws:``
    """
    for key in tags:
        if key.lower().startswith("aws:"):
            raise validation_error(f"tags.{key}: keys that begin with aws: are reserved")


def merge_tags(owned: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """The tags of a resource after TagResource.

    :raises ApiError: a key is reserved, or there would be more than 200
    """
    check_tags(given)
    merged = {**owned, **given}
    if len(merged) > MOST_TAGS:
        raise validation_error(f"tags: a resource has at most {MOST_TAGS} tags, this one would have {len(merged)}")
    return merged


def owner_of(arn: str, config: ServiceConfig) -> tuple[str, str | None, str]:
    """The application that an ARN names, and what of it: ``None``, ``jobruns`` or ``sessions``, and an id.

    :raises ApiError: it is not the ARN of an application, job run or session of this account and Region
    """
    match = _ARN.fullmatch(arn)
    here = (partition(config.region), config.region, config.account_id)
    if match is None or match.group("partition", "region", "account") != here:
        raise ApiError("ResourceNotFoundException", f"Resource {arn} does not exist")
    return match["application"], match["kind"], match["id"] or ""
