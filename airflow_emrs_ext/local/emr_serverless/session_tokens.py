"""The tokens with which clients of a session show that they may use it."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from airflow_emrs_ext.local.config import ServiceConfig
from airflow_emrs_ext.local.emr_serverless.sessions import READY, Session
from airflow_emrs_ext.local.resources.lifecycle import now

TOKEN_PREFIX = "emrs-local-session-token-"
"""What every token begins with, so that one which leaks is found wherever it lies."""


class TokenRefusedError(Exception):
    """A token is unknown or has expired."""


class SessionGoneError(Exception):
    """The session of a token has ended or is ending; the message says why."""


def gone(session: Session) -> SessionGoneError:
    """The error that says how a session ended."""
    return SessionGoneError(f"Session {session.session_id} is {session.state}: {session.life.details}")


class SessionTokens:
    """Mints and reads tokens; each is good for its session until it expires, whatever is minted after it.

    :param config: how long a token is good
    """

    def __init__(self, config: ServiceConfig) -> None:
        self._config = config
        self._issued: dict[str, tuple[Session, datetime]] = {}

    def mint(self, session: Session) -> tuple[str, datetime]:
        """A new token, and when it expires."""
        token = TOKEN_PREFIX + secrets.token_urlsafe(48)
        expires_at = now() + timedelta(seconds=self._config.session_token_seconds)
        self._issued[token] = (session, expires_at)
        session.tokens_minted += 1
        return token, expires_at

    def read(self, token: str | None) -> Session:
        """The session that a token is for.

        :raises TokenRefusedError: it is missing, unknown or has expired
        :raises SessionGoneError: the session takes no calls any more
        """
        session, expires_at = self._issued.get(token or "", (None, None))
        if session is None or expires_at is None:
            raise TokenRefusedError("The token of the session is missing or unknown; call GetSessionEndpoint for one.")
        if session.state not in READY:
            raise gone(session)
        if expires_at <= now():
            raise TokenRefusedError("The token of the session has expired; call GetSessionEndpoint for a new one.")
        return session

    def clear(self) -> None:
        """Forget every token."""
        self._issued.clear()
