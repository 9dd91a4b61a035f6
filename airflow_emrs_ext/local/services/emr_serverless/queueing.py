"""The job concurrency that an application is configured with."""

from __future__ import annotations

import math
from collections.abc import Mapping

from airflow_emrs_ext.local.base.errors import validation_error
from airflow_emrs_ext.local.base.releases import Release
from airflow_emrs_ext.local.services.emr_serverless.releases import QUEUING, QUEUING_BY_DEFAULT

MOST_QUEUED = 2000
"""Job runs that may wait in the queues of an account."""

DEFAULT = {"queueTimeoutMinutes": 360, "maxConcurrentRuns": 15}
_RANGES = {"queueTimeoutMinutes": (15, 720), "maxConcurrentRuns": (1, 1000)}


def scheduler_configuration(given: Mapping[str, int] | None, release: Release) -> dict[str, int] | None:
    """The ``schedulerConfiguration`` in force, ``None`` when queuing is off.

    :param given: as in the request; what it leaves open has the service's default
    :param release: the application's; queuing is on by default from 7.3.0
    :raises ApiError: the release has no queuing, or a value is out of range; the member is named
    """
    if given is None:
        return dict(DEFAULT) if release >= QUEUING_BY_DEFAULT else None
    if release < QUEUING:
        raise validation_error("schedulerConfiguration: is supported from release emr-7.0.0")
    for name, value in given.items():
        least, most = _RANGES[name]
        if not least <= value <= most:
            raise validation_error(f"schedulerConfiguration.{name}: must be from {least} to {most}, not {value}")
    return {**DEFAULT, **given}


def most_queued(quota_scale: float) -> float:
    """How many job runs may wait in the queues of an account.

    :param quota_scale: factor on the quota; 0: none
    """
    return MOST_QUEUED * quota_scale if quota_scale else math.inf
