"""The quotas that the services publish for their APIs, per account and Region."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Quota(NamedTuple):
    """A token bucket.

    :param rate: calls per second, refilled
    :param burst: calls at once
    """

    rate: float
    burst: float


QUOTAS: Mapping[str, Mapping[str, Quota]] = {
    "emr-serverless": {
        "create_application": Quota(1, 25),
        "update_application": Quota(1, 25),
        "delete_application": Quota(1, 25),
        "start_application": Quota(1, 25),
        "stop_application": Quota(1, 25),
        "get_application": Quota(10, 50),
        "list_applications": Quota(10, 50),
        "start_job_run": Quota(1, 25),
        "get_job_run": Quota(10, 50),
        "list_job_runs": Quota(1, 25),
        "cancel_job_run": Quota(1, 25),
        "get_dashboard_for_job_run": Quota(1, 2),
    },
}
"""By botocore's names of service and method; operations without a published quota are left out."""
