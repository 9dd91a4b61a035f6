"""How many calls the services take, per account and Region."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Quota(NamedTuple):
    """A token bucket.

    :param rate: calls per second, refilled
    :param burst: calls at once
    """

    rate: float
    burst: float


Quotas = Mapping[str, Mapping[str, Quota]]

_SLOW = Quota(1, 25)
_FAST = Quota(10, 50)

QUOTAS: Quotas = {
    "emr-serverless": {
        "create_application": _SLOW,
        "update_application": _SLOW,
        "delete_application": _SLOW,
        "start_application": _SLOW,
        "stop_application": _SLOW,
        "get_application": _FAST,
        "list_applications": _FAST,
        "start_job_run": _SLOW,
        "get_job_run": _FAST,
        "list_job_runs": _SLOW,
        "cancel_job_run": _SLOW,
        "get_dashboard_for_job_run": Quota(1, 2),
    },
    # Nothing is published per operation in a form that is known here: a careful guess for each.
    "emr-containers": dict.fromkeys(
        (
            "create_virtual_cluster",
            "update_virtual_cluster",
            "describe_virtual_cluster",
            "list_virtual_clusters",
            "delete_virtual_cluster",
            "start_job_run",
            "describe_job_run",
            "list_job_runs",
            "cancel_job_run",
            "create_job_template",
            "describe_job_template",
            "list_job_templates",
            "delete_job_template",
            "create_managed_endpoint",
            "describe_managed_endpoint",
            "list_managed_endpoints",
            "delete_managed_endpoint",
            "get_managed_endpoint_session_credentials",
        ),
        _SLOW,
    ),
}
"""What the services allow, by botocore's names of service and method; what is not in it has no limit that is known."""


def quotas_of(service: str) -> dict[str, Quota]:
    """The quotas of a service by the API's names of its operations."""
    quotas = QUOTAS.get(service, {})
    return {"".join(word.capitalize() for word in method.split("_")): quota for method, quota in quotas.items()}


def amended(amendments: Mapping[str, Mapping[str, Sequence[float] | None] | None]) -> Quotas:
    """The quotas with those of an account.

    :param amendments: by service and operation (the API's name or botocore's): calls per second and calls at once;
        ``None``, of an operation or a service: without limit
    :raises ValueError: one is no such pair
    """
    quotas = {service: dict(own) for service, own in QUOTAS.items()}
    for service, own in amendments.items():
        if own is None:
            quotas[service] = {}
            continue
        for operation, pair in own.items():
            method = re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()
            quotas.setdefault(service, {}).pop(method, None)
            if pair is not None:
                rate, burst = (float(number) for number in pair)
                if rate <= 0 or burst < 1:
                    raise ValueError(f"{operation} of {service}: {rate:g} calls per second, {burst:g} at once")
                quotas[service][method] = Quota(rate, burst)
    return quotas
