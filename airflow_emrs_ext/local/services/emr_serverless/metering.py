"""What the service tells by the clock: metrics to CloudWatch each minute, utilization to EventBridge each half hour."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_emrs_ext.local.base.aws import AwsTarget
from airflow_emrs_ext.local.base.events import Event
from airflow_emrs_ext.local.base.lifecycle import Transition, now
from airflow_emrs_ext.local.base.regions import region_in
from airflow_emrs_ext.local.services.emr_serverless.applications import Application
from airflow_emrs_ext.local.services.emr_serverless.events import utilization_update
from airflow_emrs_ext.local.services.emr_serverless.job_runs import JobRun
from airflow_emrs_ext.local.services.emr_serverless.metrics import NAMESPACE, metrics
from airflow_emrs_ext.local.services.emr_serverless.service import EmrServerless
from airflow_emrs_ext.shared.states import ApplicationState, JobRunState

_log = logging.getLogger(__name__)

# A scaled minute is not taken shorter than this.
_LOOK_SECONDS = 1.0
_UPDATE_MINUTES = 30
# What PutMetricData takes at once.
_BATCH = 1000
_KEPT = timedelta(hours=6)


class Metering:
    """Tells of the applications and job runs of a service for as long as it runs.

    :param service: the service
    :param target: where CloudWatch is
    :param send: sends an event to the event bus of a Region
    """

    def __init__(self, service: EmrServerless, target: AwsTarget, send: Callable[[Event, str], None]) -> None:
        self._service = service
        self._target = target
        self._send = send
        self._ended: list[JobRun] = []
        self._task: asyncio.Task[None] | None = None
        self._failure = ""

    def changed(self, transition: Transition) -> None:
        """Take note of a job run that has ended; a listener of the service."""
        if isinstance(transition.resource, JobRun) and transition.change.state.is_terminal:
            self._ended.append(transition.resource)

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                self._update()
                if time.monotonic() - last >= self._service.config.seconds_per_minute:
                    last = time.monotonic()
                    for region, data in self._minute().items():
                        await asyncio.to_thread(self._put, region, data)
            except Exception:
                # The next minute is told all the same.
                _log.exception("cannot tell of utilization")

    def _update(self) -> None:
        """Send what running job runs have used, of those that have not been told of for half an hour."""
        at, seconds = now(), _UPDATE_MINUTES * self._service.config.seconds_per_minute
        for run in self._service.job_runs:
            started_at = run.attempt.started_at
            if run.state is JobRunState.RUNNING and started_at is not None:
                since = run.told.at if run.told else started_at
                if (at - since).total_seconds() >= seconds:
                    self._send(utilization_update(run, at, is_final=False), region_in(run.arn))

    def _minute(self) -> dict[str, list[dict[str, Any]]]:
        """The metrics of a minute, by Region."""
        ended, self._ended = self._ended, []
        found: dict[str, list[dict[str, Any]]] = {}
        for application in self._told_of(ended):
            workers = self._service.workers_of(application)
            active = [self._service.job_runs.get(run_id) for run_id in application.active_runs]
            runs = {run.id: run for run in active if not run.state.is_terminal}
            data = metrics(application, workers, runs, [run for run in ended if run.owner is application])
            at = now()
            found.setdefault(region_in(application.arn), []).extend({**datum, "Timestamp": at} for datum in data)
        return found

    def _told_of(self, ended: list[JobRun]) -> Iterator[Application]:
        """Applications that are started or have, or had, something to do."""
        for application in self._service.applications:
            if (
                application.state is ApplicationState.STARTED
                or application.active_runs
                or any(run.owner is application for run in ended)
            ):
                yield application

    def _put(self, region: str, data: list[dict[str, Any]]) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        client = self._target.in_region(region).client("cloudwatch")
        try:
            for first in range(0, len(data), _BATCH):
                client.put_metric_data(Namespace=NAMESPACE, MetricData=data[first : first + _BATCH])
            _forget_old(region, self._service.config.account_id)
        except (BotoCoreError, ClientError) as error:
            if str(error) != self._failure:
                self._failure = str(error)
                _log.warning("metrics cannot be delivered to CloudWatch: %s", error)


def _forget_old(region: str, account_id: str) -> None:
    """Keep moto's memory, which never forgets, from growing."""
    moto = sys.modules.get("moto.cloudwatch.models")
    if moto is None:
        return
    backend, since = moto.cloudwatch_backends[account_id][region], now() - _KEPT
    backend.metric_data = [
        datum for datum in backend.metric_data if datum.namespace != NAMESPACE or _aware(datum.timestamp) > since
    ]


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=timezone.utc)
