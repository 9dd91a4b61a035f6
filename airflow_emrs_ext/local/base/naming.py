"""What ids and ARNs of every service are made of."""

from __future__ import annotations

import secrets

from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.regions import region_of

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


def random_id(length: int) -> str:
    """Digits and small letters that nobody has seen before, which ids are made of."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def partition(region: str) -> str:
    """The partition that a Region belongs to, the second part of an ARN."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def arn_prefix(config: ServiceConfig, service: str) -> str:
    """What the ARNs of a service's resources begin with, up to the account.

    :param config: Region and account
    :param service: e.g. ``emr-serverless``
    """
    region = region_of(config)
    return f"arn:{partition(region)}:{service}:{region}:{config.account_id}"


def caller_arn(config: ServiceConfig) -> str:
    """The identity that ``createdBy`` names: there is only one, who uses the endpoint."""
    return f"arn:{partition(region_of(config))}:iam::{config.account_id}:user/emrs-local"
