"""The life of a session, from its start to its end: one task per session."""

from __future__ import annotations

import asyncio
import logging

from airflow_emrs_ext.local.config import ServiceConfig
from airflow_emrs_ext.local.emr_serverless.capacity import Capacity, NeverFitsError
from airflow_emrs_ext.local.emr_serverless.monitoring import DRIVER_NAMES, PRODUCT, log_destinations
from airflow_emrs_ext.local.emr_serverless.session_clock import SessionClock
from airflow_emrs_ext.local.emr_serverless.sessions import Session
from airflow_emrs_ext.local.resources.driving import DeliverLogs, EndRequestedError, until
from airflow_emrs_ext.local.resources.lifecycle import now, shorten
from airflow_emrs_ext.local.runner import AttemptResult, Runner, SessionSpec
from airflow_emrs_ext.states import SessionState as S

_log = logging.getLogger(__name__)

_STOP_GRACE_SECONDS = 2.0


class SessionWalker:
    """Leads sessions through their states.

    :param runner: executes their drivers
    :param config: dwell times, the length of a minute
    :param capacity: where the workers come from
    :param deliver_logs: makes what delivers the logs of a driver, ``None``: nobody
    """

    def __init__(
        self, runner: Runner, config: ServiceConfig, capacity: Capacity, deliver_logs: DeliverLogs | None
    ) -> None:
        self.clock = SessionClock(config, self.terminate)
        self._runner = runner
        self._config = config
        self._capacity = capacity
        self._deliver_logs = deliver_logs

    async def walk(self, session: Session) -> None:
        """From SUBMITTED to a terminal state."""
        try:
            try:
                result = await self._execute(session)
            except EndRequestedError:
                await session.stop(_STOP_GRACE_SECONDS)
                result = AttemptResult(True, session.end.result())
            except NeverFitsError as error:
                result = AttemptResult(False, str(error))
            except Exception as error:
                # Whatever the runner cannot do is the end of this session, not of the endpoint.
                _log.exception("session %s", session.session_id)
                await session.stop(0)
                result = AttemptResult(False, str(error) or type(error).__name__)
            await self._finish(session, result)
        finally:
            self.clock.disarm(session)
            self._capacity.release(session.session_id)
            await session.end_delivering()

    def terminate(self, session: Session, reason: str) -> None:
        """Begin to end a session that has not ended; one that is being terminated goes on as it does.

        :param session: the session
        :param reason: sentence for ``stateDetails``
        """
        if not session.state.is_terminal and session.state is not S.TERMINATING:
            self.clock.disarm(session)
            session.move(S.TERMINATING, reason)
            session.end.set_result(reason)

    async def _execute(self, session: Session) -> AttemptResult:
        application, demand = session.application, session.request.demand
        await until(session.end, asyncio.sleep(self._config.scheduling_seconds))
        await until(session.end, application.started.wait())
        session.move(S.STARTING, "Workers are being allocated.")
        self._capacity.check(application.application_id, demand)
        session.executor_count = await until(
            session.end, self._capacity.acquire(session.session_id, application.application_id, demand)
        )
        await until(session.end, asyncio.sleep(self._config.session_start_seconds))
        spec = self._spec(session)
        session.spec = spec
        spec.work_dir.mkdir(parents=True)
        session.server = await self._runner.launch_session(spec, lambda: self._on_ready(session))
        session.running = session.server
        session.begin_delivering(self._deliver_logs)
        return await until(session.end, session.server.wait())

    def _on_ready(self, session: Session) -> None:
        if session.state is S.STARTING:
            session.move(S.STARTED, "The session is ready.")
            self.clock.started(session)

    async def _finish(self, session: Session, result: AttemptResult) -> None:
        """A driver that was not asked to end has failed, unless it ended well."""
        session.running = session.server = None
        session.ended_at = now()
        self.clock.disarm(session)
        self._capacity.release(session.session_id)
        await session.end_delivering(last=True)
        if session.state is S.TERMINATING:
            session.move(S.TERMINATED, session.end.result())
        elif result.succeeded:
            self.terminate(session, shorten(result.details) or "The session's driver ended.")
            session.move(S.TERMINATED, session.end.result())
        else:
            session.move(S.FAILED, shorten(result.details) or "The session's driver failed.")

    def _spec(self, session: Session) -> SessionSpec:
        request, application = session.request, session.application
        driver_name = DRIVER_NAMES[application.engine]
        return SessionSpec(
            product=PRODUCT,
            owner_id=application.application_id,
            driver_name=driver_name,
            ui_id=session.session_id,
            session_id=session.session_id,
            account_id=self._config.account_id,
            region=self._config.region,
            name=session.name,
            release_label=session.settings["releaseLabel"],
            execution_role_arn=request.params["executionRoleArn"],
            classifications=request.classifications,
            logs=log_destinations(request.monitoring, driver_name),
            log_path=f"applications/{application.application_id}/sessions/{session.session_id}",
            driver=request.demand.driver,
            executor=request.demand.executor,
            executor_count=session.executor_count,
            work_dir=session.work_dir,
            tags=session.tags,
        )
