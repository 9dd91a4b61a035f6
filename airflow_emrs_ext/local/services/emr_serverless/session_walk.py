"""What comes before a session's driver is launched: the application's start, and workers."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.driving import DeliverLogs, until
from airflow_emrs_ext.local.base.runner import ConnectSpec, Runner
from airflow_emrs_ext.local.services.connect.walk import ConnectWalker, NotLaunchedError
from airflow_emrs_ext.local.services.emr_serverless.capacity import CannotRunError, Capacity
from airflow_emrs_ext.local.services.emr_serverless.monitoring import DRIVER_NAMES, PRODUCT, log_destinations
from airflow_emrs_ext.local.services.emr_serverless.sessions import Session
from airflow_emrs_ext.shared.states import SessionState as S


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
            host.executor_count = await until(host.end, self._capacity.acquire(host.id, application.id, demand))
        except CannotRunError as error:
            raise NotLaunchedError(str(error)) from error
        await until(host.end, asyncio.sleep(self.config.session_start_seconds))
        return self._spec(host)

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
            region=self.config.region,
            name=session.name,
            release_label=session.settings["releaseLabel"],
            execution_role_arn=request.params["executionRoleArn"],
            classifications=request.classifications,
            logs=log_destinations(request.monitoring, driver_name),
            log_path=f"applications/{application.id}/sessions/{session.id}",
            workers=replace(request.demand, executor_count=session.executor_count),
            work_dir=session.work_dir,
            tags=session.tags,
        )
