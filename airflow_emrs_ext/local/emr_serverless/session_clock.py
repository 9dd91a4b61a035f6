"""IDLE and BUSY, and what ends a session by itself: its idle timeout and the longest life of a session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from airflow_emrs_ext.local.config import ServiceConfig
from airflow_emrs_ext.local.emr_serverless.sessions import READY, Session
from airflow_emrs_ext.local.resources.lifecycle import now
from airflow_emrs_ext.states import SessionState as S

LONGEST_LIFE_MINUTES = 24 * 60

_QUIET, _IDLE, _LIFE = "quiet", "idle", "life"


@dataclass(frozen=True)
class SessionClock:
    """Turns the calls of clients into states, and time into ends.

    :param config: ``session_quiet_seconds``, the length of a minute
    :param terminate: ends a session, for the reason given
    """

    config: ServiceConfig
    terminate: Callable[[Session, str], None]

    def started(self, session: Session) -> None:
        """Clients can connect from now on."""
        self.arm(session)
        if session.in_flight:
            session.move(S.BUSY, "The session is executing.")
        else:
            self._wait_for_quiet(session)

    def call_began(self, session: Session) -> None:
        """The server works on one more call."""
        session.in_flight += 1
        _cancel(session, _QUIET)
        if session.state in READY and session.state is not S.BUSY:
            session.move(S.BUSY, "The session is executing.")
            _cancel(session, _IDLE)

    def call_ended(self, session: Session) -> None:
        """The server works on one call less."""
        session.in_flight -= 1
        if not session.in_flight:
            self._wait_for_quiet(session)

    def arm(self, session: Session) -> None:
        """Let the time run that is left to a session; again after the length of a minute has changed."""
        idle = session.request.idle_timeout_minutes
        if session.idle_since and idle:
            reason = f"Session terminated: it was idle for {idle} minutes (idleTimeoutMinutes)."
            self._end_at(session, _IDLE, session.idle_since, idle, reason)
        if session.started_at and session.state in READY:
            reason = "Session terminated: it reached the longest life of a session, 24 hours."
            self._end_at(session, _LIFE, session.started_at, LONGEST_LIFE_MINUTES, reason)

    def disarm(self, session: Session) -> None:
        """Forget the time of a session."""
        for timer in list(session.timers):
            _cancel(session, timer)

    def _wait_for_quiet(self, session: Session) -> None:
        # A client with many short calls keeps the session BUSY between them.
        if session.state in READY:
            _cancel(session, _QUIET)
            session.timers[_QUIET] = asyncio.get_running_loop().call_later(
                self.config.session_quiet_seconds, self._became_idle, session
            )

    def _became_idle(self, session: Session) -> None:
        if session.state in READY and session.state is not S.IDLE and not session.in_flight:
            session.move(S.IDLE, "The session is idle.")
            self.arm(session)

    def _end_at(self, session: Session, timer: str, since: datetime, minutes: int, reason: str) -> None:
        _cancel(session, timer)
        left = minutes * self.config.seconds_per_minute - (now() - since).total_seconds()
        session.timers[timer] = asyncio.get_running_loop().call_later(max(0.0, left), self.terminate, session, reason)


def _cancel(session: Session, timer: str) -> None:
    handle = session.timers.pop(timer, None)
    if handle:
        handle.cancel()
