"""Sessions: what those of every service have in common, their states first of all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, TypeVar

from airflow_emrs_ext.local.base.errors import validation_error
from airflow_emrs_ext.local.services.connect.hosts import ConnectHost, HostKind
from airflow_emrs_ext.local.services.connect.registry import ConnectHosts
from airflow_emrs_ext.shared.states import SessionState as S
from airflow_emrs_ext.shared.states import State

DEFAULT_IDLE_MINUTES = 60
"""The idle timeout of a session that is asked for without one."""

SESSION: Mapping[State, frozenset[State]] = {
    S.SUBMITTED: frozenset({S.STARTING, S.TERMINATING, S.FAILED}),
    S.STARTING: frozenset({S.STARTED, S.TERMINATING, S.FAILED}),
    S.STARTED: frozenset({S.IDLE, S.BUSY, S.TERMINATING, S.FAILED}),
    S.IDLE: frozenset({S.BUSY, S.TERMINATING, S.FAILED}),
    S.BUSY: frozenset({S.IDLE, S.TERMINATING, S.FAILED}),
    S.TERMINATING: frozenset({S.TERMINATED}),
    S.FAILED: frozenset(),
    S.TERMINATED: frozenset(),
}
"""Which state of a session may follow which."""


def session_kind(idle_parameter: str, longest_life_minutes: int | None = None) -> HostKind:
    """What makes a host a session.

    :param idle_parameter: parameter of the API that limits the time without calls
    :param longest_life_minutes: how long one may be ready; ``None``: as long as it is wanted
    """
    return HostKind(
        noun="session",
        token_operation="GetSessionEndpoint",
        idle_parameter=idle_parameter,
        began=S.STARTED,
        ready=frozenset({S.STARTED, S.IDLE, S.BUSY}),
        terminating=S.TERMINATING,
        terminated=S.TERMINATED,
        failed=S.FAILED,
        busy=S.BUSY,
        idle=S.IDLE,
        longest_life_minutes=longest_life_minutes,
    )


H = TypeVar("H", bound=ConnectHost)


class ConnectSessions(ConnectHosts[H]):
    """All sessions of a service; see also :class:`~.registry.ConnectHosts`."""

    NOUN: ClassVar[str] = "Session"
    LOST: ClassVar[tuple[State, ...]] = (S.FAILED, S.TERMINATED)

    def terminate(self, session: H) -> None:
        """TerminateSession: at once TERMINATING; harmless for a session that is TERMINATING already.

        :raises ApiError: it has ended
        """
        if session.state.is_terminal:
            raise validation_error(f"Session {session.id} is {session.state} and cannot be TERMINATED.")
        self._walker.terminate(session, "Session terminated by request (TerminateSession).")

    async def connection(self, session: H) -> tuple[str, str, datetime]:
        """What GetSessionEndpoint answers: the URL, a new token each time, and when it expires.

        :raises ApiError: clients cannot connect to it (yet, or any more)
        """
        url = await self.access.url()
        if not session.is_ready:
            raise validation_error(
                f"Session {session.id} is {session.state} and has no endpoint; sessions must be in one of the"
                f" following statuses: [{', '.join(state for state in S if state in session.KIND.ready)}]"
            )
        return (url, *self.access.mint(session, self._config.session_token_seconds))
