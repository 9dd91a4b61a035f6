"""Regions: which one a request is signed for, and that none sees the resources of another."""

from __future__ import annotations

from contextvars import ContextVar
from functools import cache

import botocore.session

from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.errors import ApiError

REQUEST_REGION: ContextVar[str | None] = ContextVar("request_region", default=None)
"""The Region that the request is signed for, also in what the request starts; ``None``: there is no request."""


def region_in(arn: str) -> str:
    """The Region that an ARN names."""
    return arn.split(":")[3]


def region_of(config: ServiceConfig) -> str:
    """The Region of the request, or the endpoint's own.

    :param config: the endpoint's Region
    """
    return REQUEST_REGION.get() or config.region


def is_visible(arn: str) -> bool:
    """Whether the request may see a resource: one of its own Region; without a request, all are seen.

    :param arn: of the resource
    """
    region = REQUEST_REGION.get()
    return region is None or region_in(arn) == region


def check_region(region: str, config: ServiceConfig) -> None:
    """Refuse a Region that there is not.

    :param region: the one that a request is signed for
    :param config: the endpoint's Region, which is always one
    :raises ApiError: botocore knows no such Region
    """
    if region != config.region and region not in _known():
        raise ApiError(
            "InvalidSignatureException", f"Credential should be scoped to a valid Region, not {region!r}.", status=403
        )


@cache
def _known() -> frozenset[str]:
    session = botocore.session.get_session()
    partitions = session.get_available_partitions()
    # Every Region has Amazon EC2.
    return frozenset(
        region for name in partitions for region in session.get_available_regions("ec2", partition_name=name)
    )
