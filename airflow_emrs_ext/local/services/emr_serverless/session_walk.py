"""What comes before a session's driver is launched: the application's start, and workers."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.driving import DeliverLogs, until
from airflow_emrs_ext.local.base.regions import region_of
from airflow_emrs_ext.local.base.runner import ConnectSpec, Runner
from airflow_emrs_ext.local.services.connect.walk import ConnectWalker, NotLaunchedError
from airflow_emrs_ext.local.services.emr_serverless.capacity import CannotRunError, Capacity
from airflow_emrs_ext.local.services.emr_serverless.monitoring import (
    DRIVER_NAMES,
    EXECUTOR_LOGS,
    PRODUCT,
    log_destinations,
)
from airflow_emrs_ext.local.services.emr_serverless.sessions import Session
from airflow_emrs_ext.shared.states import SessionState as S

_log = logging.getLogger(__name__)

_EXECUTORS = "executors"


class SessionWalker(ConnectWalker[Session]):
    """Leads sessions through their states.

    :param runner: executes their drivers
    :param config: dwell times, the length of a minute
    :param capacity: where the workers come from
    :param deliver_logs: makes what delivers the logs of a driver, ``None``: nobody
    """

    def __init__(
        self, runner: Runner, config: ServiceConfig, capacity: Capacity, deliver_logs: DeliverLogs | None
    ) -> None:
        super().__init__(runner, config, deliver_logs)
        self._capacity = capacity

    async def prepare(self, host: Session) -> ConnectSpec:
        """From SUBMITTED to STARTING, with the workers that it needs."""
        application, demand = host.owner, host.request.demand
        await until(host.end, asyncio.sleep(self.config.scheduling_seconds))
        await until(host.end, application.started.wait())
        host.move(S.STARTING, "Workers are being allocated.")
        try:
            self._capacity.check(application.id, demand)
            acquired = self._capacity.acquire(host.id, application.id, demand, f"session {host.id}", host.life.describe)
            host.set_executors(await until(host.end, acquired))
        except CannotRunError as error:
            raise NotLaunchedError(str(error)) from error
        await until(host.end, asyncio.sleep(self.config.session_start_seconds))
        return self._spec(host)

    def has_work(self, host: Session, is_busy: bool) -> None:
        """Give executors back that have had no work for a while, and take them again with work: dynamic allocation.

        :param host: the session
        :param is_busy: whether a call is under way
        """
        demand = host.request.demand
        timer = host.timers.pop(_EXECUTORS, None)
        if timer:
            timer.cancel()
        if is_busy:
            self._resize(host, demand.executor_count)
        else:
            after = demand.idle_minutes * self.config.seconds_per_minute
            host.timers[_EXECUTORS] = asyncio.get_running_loop().call_later(
                after, self._resize, host, demand.idle_executors
            )

    def _resize(self, host: Session, count: int) -> None:
        if count == host.executor_count:
            return
        host.set_executors(self._capacity.resize(host.id, count))
        if not host.executor_count and count:
            _log.warning("%s goes on with its driver alone, as no worker is free; on AWS it waits", host.label)

    def release(self, host: Session) -> None:
        """Give the workers back."""
        self._capacity.release(host.id)

    def _spec(self, session: Session) -> ConnectSpec:
        request, application = session.request, session.owner
        driver_name = DRIVER_NAMES[application.engine]
        return ConnectSpec(
            product=PRODUCT,
            owner_id=application.id,
            driver_name=driver_name,
            ui_id=session.id,
            host_id=session.id,
            account_id=self.config.account_id,
            region=region_of(self.config),
            name=session.name,
            release_label=session.settings["releaseLabel"],
            execution_role_arn=request.params["executionRoleArn"],
            classifications=request.classifications,
            logs=log_destinations(request.monitoring, driver_name),
            log_path=f"applications/{application.id}/sessions/{session.id}",
            workers=replace(request.demand, executor_count=session.executor_count),
            work_dir=session.work_dir,
            executor_logs=EXECUTOR_LOGS.get(application.engine),
            tags=session.tags,
        )
