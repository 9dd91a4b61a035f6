"""Job concurrency of an application: how many job runs execute at once, and the line of those that wait."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping

from airflow_emrs_ext.local.config import ServiceConfig
from airflow_emrs_ext.local.emr_serverless.releases import QUEUING, QUEUING_BY_DEFAULT, Release
from airflow_emrs_ext.local.errors import validation_error

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


class Queues:
    """The places in which job runs execute, and the lines before them, one of each per application.

    :param config: ``quota_scale`` scales how many job runs of the account may wait; 0: no limit
    """

    def __init__(self, config: ServiceConfig) -> None:
        self._config = config
        self._places: dict[str, int | None] = {}
        self._executing: dict[str, set[str]] = {}
        self._waiting: dict[str, dict[str, asyncio.Event]] = {}

    def allow(self, application_id: str, places: int | None) -> None:
        """Set how many job runs of an application may execute at once, ``None``: any number."""
        self._places[application_id] = places
        self._executing.setdefault(application_id, set())
        self._waiting.setdefault(application_id, {})
        self._admit(application_id)

    def enter(self, application_id: str, run_id: str) -> asyncio.Event:
        """Take a place, or get in line.

        :return: an event that is set when the job run may execute
        :raises ApiError: the account has as many queued job runs as it may
        """
        scale = self._config.quota_scale
        most = MOST_QUEUED * scale if scale else math.inf
        turn = asyncio.Event()
        if self._full(application_id) and sum(map(len, self._waiting.values())) >= most:
            raise validation_error(f"The account has reached the limit of {most:g} queued job runs.")
        self._waiting[application_id][run_id] = turn
        self._admit(application_id)
        return turn

    def leave(self, application_id: str, run_id: str) -> None:
        """Give up a place or a position in line; harmless when the job run has neither."""
        self._waiting[application_id].pop(run_id, None)
        self._executing[application_id].discard(run_id)
        self._admit(application_id)

    def clear(self) -> None:
        """Forget every application."""
        self._places.clear()
        self._executing.clear()
        self._waiting.clear()

    def _full(self, application_id: str) -> bool:
        places = self._places[application_id]
        return places is not None and len(self._executing[application_id]) >= places

    def _admit(self, application_id: str) -> None:
        waiting = self._waiting[application_id]
        while waiting and not self._full(application_id):
            run_id = next(iter(waiting))
            waiting.pop(run_id).set()
            self._executing[application_id].add(run_id)
