"""The operations of the API on sessions."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, ClassVar

from airflow_emrs_ext.local.base.errors import ApiError
from airflow_emrs_ext.local.base.lifecycle import Lifecycle
from airflow_emrs_ext.local.base.naming import caller_arn
from airflow_emrs_ext.local.base.pagination import CREATED_AT, Spelling
from airflow_emrs_ext.local.base.tags import check_tags
from airflow_emrs_ext.local.base.views import filled
from airflow_emrs_ext.local.services.connect.sessions import SESSION, ConnectSessions
from airflow_emrs_ext.local.services.emr_serverless import utilization
from airflow_emrs_ext.local.services.emr_serverless.applications import Application, Applications
from airflow_emrs_ext.local.services.emr_serverless.naming import new_id
from airflow_emrs_ext.local.services.emr_serverless.session_walk import SessionWalker
from airflow_emrs_ext.local.services.emr_serverless.sessions import Session, read_session_request
from airflow_emrs_ext.shared.states import SessionState as S

MOST_SESSIONS = 25
"""Sessions that an application may have at once."""


class Sessions(ConnectSessions[Session]):
    """All sessions of the account; see also :class:`~.sessions.ConnectSessions`."""

    MEMBER: ClassVar[str] = "sessions"
    BY_STATE: ClassVar[bool] = True
    SPELLING: ClassVar[Spelling] = CREATED_AT

    _owners: Applications
    _walker: SessionWalker

    def start(self, application: Application, params: Mapping[str, Any]) -> dict[str, Any]:
        """StartSession."""
        check_tags(params.get("tags") or {})
        request = read_session_request(params, application, self._config.lenient)
        self._owners.check_takes(application, "sessions")
        most = MOST_SESSIONS * self._config.quota_scale if self._config.quota_scale else math.inf
        if len(application.active_sessions) >= most:
            raise ApiError(
                "ServiceQuotaExceededException",
                f"Application {application.id} has reached the limit of {most:g} active sessions.",
            )
        session_id = new_id()
        session = Session(
            id=session_id,
            arn=f"{application.arn}/sessions/{session_id}",
            name=params.get("name"),
            owner=application,
            request=request,
            settings=application.settings,
            tags=dict(params.get("tags") or {}),
            life=Lifecycle(SESSION, self._listeners),
            idle_timeout_minutes=request.idle_timeout_minutes,
            clock=self._walker.clock,
            work_dir=self._work_dir / application.id / session_id,
            end=asyncio.get_running_loop().create_future(),
            has_work=self._walker.has_work,
        )
        session.move(S.SUBMITTED, "The session has been submitted.")
        self.add(session)
        self._owners.work_submitted(application, application.active_sessions, session_id)
        session.task = asyncio.create_task(self._walk(session))
        return {"applicationId": application.id, "sessionId": session_id, "arn": session.arn}

    def arm(self) -> None:
        """Apply a changed length of a minute, to the executors of idle sessions, too."""
        super().arm()
        for session in self:
            if session.state is S.IDLE and session.executor_count:
                self._walker.has_work(session, False)

    async def endpoint(self, session: Session) -> dict[str, Any]:
        """GetSessionEndpoint: a new token each time."""
        url, token, expires_at = await self.connection(session)
        return {
            "applicationId": session.owner_id,
            "sessionId": session.id,
            "endpoint": url,
            "authToken": token,
            "authTokenExpiresAt": expires_at,
        }

    def view(self, session: Session) -> dict[str, Any]:
        """The ``Session`` structure."""
        usages, ended = session.usages(), session.state.is_terminal
        return filled(
            **self.summary(session),
            startedAt=session.started_at,
            endedAt=session.ended_at if ended else None,
            idleSince=session.idle_since,
            configurationOverrides=session.request.params.get("configurationOverrides"),
            networkConfiguration=session.settings.get("networkConfiguration"),
            idleTimeoutMinutes=session.request.idle_timeout_minutes,
            tags=dict(session.tags),
            totalResourceUtilization=utilization.total(usages) if usages else None,
            billedResourceUtilization=utilization.billed(usages) if usages else None,
            totalExecutionDurationSeconds=utilization.duration(usages[:1]) if ended else None,
        )

    def summary(self, resource: Session) -> dict[str, Any]:
        """The ``SessionSummary`` structure."""
        return filled(
            applicationId=resource.owner_id,
            sessionId=resource.id,
            arn=resource.arn,
            name=resource.name,
            state=resource.state,
            stateDetails=resource.life.details,
            releaseLabel=resource.settings["releaseLabel"],
            executionRoleArn=resource.request.params["executionRoleArn"],
            createdBy=caller_arn(self._config),
            createdAt=resource.created_at,
            updatedAt=resource.life.changed_at,
        )

    def record(self, resource: Session) -> dict[str, Any]:
        """The ``Session`` structure, the request behind it, and what became of it.

        Beside the members of the API: ``clientToken``, ``classifications`` and ``monitoring`` (both merged),
        ``demand``, ``executorCount``, ``tokensMinted``, ``callsInFlight``, ``logPath`` and ``workDir``.
        """
        request = resource.request
        return {
            **self.view(resource),
            "clientToken": request.params["clientToken"],
            "classifications": request.classifications,
            "monitoring": request.monitoring,
            "demand": asdict(request.demand),
            "executorCount": resource.executor_count,
            "tokensMinted": resource.tokens_minted,
            "callsInFlight": resource.in_flight,
            **resource.paths(),
        }

    def _listed(self, params: Mapping[str, Any]) -> Iterator[Session]:
        return self._of(params["applicationId"])

    async def _walk(self, session: Session) -> None:
        try:
            await self._walker.walk(session)
        finally:
            self._owners.work_ended(session.owner, session.owner.active_sessions, session.id)
