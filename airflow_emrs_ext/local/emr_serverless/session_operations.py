"""The operations of the API on sessions."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_emrs_ext.local.config import ServiceConfig
from airflow_emrs_ext.local.connect.access import ConnectAccess
from airflow_emrs_ext.local.connect.registry import ConnectHosts
from airflow_emrs_ext.local.emr_serverless import records, views
from airflow_emrs_ext.local.emr_serverless.applications import Application, Applications
from airflow_emrs_ext.local.emr_serverless.naming import new_id, session_arn
from airflow_emrs_ext.local.emr_serverless.session_walk import SessionWalker
from airflow_emrs_ext.local.emr_serverless.sessions import Session, read_session_request
from airflow_emrs_ext.local.emr_serverless.transitions import SESSION
from airflow_emrs_ext.local.errors import ApiError, validation_error
from airflow_emrs_ext.local.resources.lifecycle import Lifecycle, Listener
from airflow_emrs_ext.local.resources.pagination import created_within, group, listing, page
from airflow_emrs_ext.local.resources.tags import check_tags
from airflow_emrs_ext.shared.states import SessionState as S

MOST_SESSIONS = 25
"""Sessions that an application may have at once."""


class Sessions(ConnectHosts[Session]):
    """All sessions of the account.

    :param config: account, Region, quotas
    :param applications: told which sessions they have
    :param walker: leads each session through its states
    :param access: mints what GetSessionEndpoint answers
    :param listeners: told of every change of state
    :param work_dir: where the sessions get their directories
    """

    def __init__(
        self,
        config: ServiceConfig,
        applications: Applications,
        walker: SessionWalker,
        access: ConnectAccess,
        listeners: list[Listener],
        work_dir: Path,
    ) -> None:
        super().__init__(walker, access)
        self._config = config
        self._applications = applications
        self._listeners = listeners
        self._work_dir = work_dir

    def find(self, application_id: str, session_id: str) -> Session:
        """The session of an application.

        :raises ApiError: there is none
        """
        application = self._applications.get(application_id)
        session = self._by_id.get(session_id)
        if session is None or session.application is not application:
            raise ApiError(
                "ResourceNotFoundException", f"Session {session_id} of application {application_id} does not exist"
            )
        return session

    def start(self, application: Application, params: Mapping[str, Any]) -> dict[str, Any]:
        """StartSession."""
        check_tags(params.get("tags") or {})
        request = read_session_request(params, application)
        self._applications.check_takes(application, "sessions")
        most = MOST_SESSIONS * self._config.quota_scale if self._config.quota_scale else math.inf
        if len(application.active_sessions) >= most:
            raise ApiError(
                "ServiceQuotaExceededException",
                f"Application {application.application_id} has reached the limit of {most:g} active sessions.",
            )
        session_id = new_id()
        session = Session(
            host_id=session_id,
            arn=session_arn(self._config, application.application_id, session_id),
            number=len(self._by_id),
            application=application,
            request=request,
            settings=application.settings,
            tags=dict(params.get("tags") or {}),
            life=Lifecycle(SESSION, self._listeners),
            idle_timeout_minutes=request.idle_timeout_minutes,
            clock=self._walker.clock,
            work_dir=self._work_dir / application.application_id / session_id,
            end=asyncio.get_running_loop().create_future(),
        )
        session.move(S.SUBMITTED, "The session has been submitted.")
        self._by_id[session_id] = session
        self._applications.work_submitted(application, application.active_sessions, session_id)
        session.task = asyncio.create_task(self._walk(session))
        return {"applicationId": application.application_id, "sessionId": session_id, "arn": session.arn}

    def page(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """ListSessions: newest first, grouped by state when several are asked for."""
        application = self._applications.get(params["applicationId"])
        states = params.get("states")
        shown, token = page(
            "ListSessions",
            (
                session
                for session in self
                if session.application is application
                and (not states or session.state in states)
                and created_within(session.created_at, params.get("createdAtAfter"), params.get("createdAtBefore"))
            ),
            lambda session: (*group(session.state, states), -session.number),
            params,
        )
        return listing("sessions", [views.session_summary(session, self._config) for session in shown], token)

    def terminate(self, session: Session) -> None:
        """TerminateSession: at once TERMINATING; harmless for a session that is TERMINATING already."""
        if session.state.is_terminal:
            raise validation_error(f"Session {session.session_id} is {session.state} and cannot be TERMINATED.")
        self._walker.terminate(session, "Session terminated by request (TerminateSession).")

    async def endpoint(self, session: Session) -> dict[str, Any]:
        """GetSessionEndpoint: a new token each time."""
        url = await self.access.url()
        if not session.is_ready:
            raise validation_error(
                f"Session {session.session_id} is {session.state} and has no endpoint; sessions must be in one of the"
                f" following statuses: [{', '.join(state for state in S if state in session.KIND.ready)}]"
            )
        token, expires_at = self.access.mint(session, self._config.session_token_seconds)
        return {
            "applicationId": session.application.application_id,
            "sessionId": session.session_id,
            "endpoint": url,
            "authToken": token,
            "authTokenExpiresAt": expires_at,
        }

    def records(self, application_id: str | None = None) -> list[dict[str, Any]]:
        """Every session with all that is known of it, oldest first, as plain JSON.

        :param application_id: only those of one application
        """
        return [
            records.session_record(session, self._config)
            for session in self
            if application_id in (None, session.application.application_id)
        ]

    async def _walk(self, session: Session) -> None:
        try:
            await self._walker.walk(session)
        finally:
            self._applications.work_ended(session.application, session.application.active_sessions, session.session_id)
