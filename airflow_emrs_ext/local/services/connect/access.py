"""How clients of Spark Connect come in: the URL, and the tokens with which they show that they may."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.lifecycle import now
from airflow_emrs_ext.local.services.connect.hosts import ConnectHost

TOKEN_PREFIX = "emrs-local-session-token-"
"""What every token begins with, so that one which leaks is found wherever it lies."""


class TokenRefusedError(Exception):
    """A token is unknown or has expired."""


class HostGoneError(Exception):
    """The host of a token has ended or is ending; the message says why."""


def gone(host: ConnectHost) -> HostGoneError:
    """The error that says how a host ended."""
    return HostGoneError(f"{host.label} is {host.state}: {host.life.details}")


class ConnectAccess:
    """Mints and reads tokens; each is good for its host until it expires, whatever is minted after it.

    :param config: ``endpoint_url``
    """

    def __init__(self, config: ServiceConfig) -> None:
        self.gateway_url: Callable[[], Awaitable[str]] | None = None
        """Where clients reach every host; set by the endpoint."""
        self._config = config
        self._issued: dict[str, tuple[ConnectHost, datetime]] = {}

    async def url(self) -> str:
        """The URL for clients, the same for every host: the token says which."""
        return await self.gateway_url() if self.gateway_url else self._config.endpoint_url

    def mint(self, host: ConnectHost, seconds: float) -> tuple[str, datetime]:
        """A new token, and when it expires.

        :param host: what it is for
        :param seconds: how long it is good
        """
        token = TOKEN_PREFIX + secrets.token_urlsafe(48)
        expires_at = now() + timedelta(seconds=seconds)
        self._issued[token] = (host, expires_at)
        host.tokens_minted += 1
        return token, expires_at

    def read(self, token: str | None) -> ConnectHost:
        """The host that a token is for.

        :raises TokenRefusedError: it is missing, unknown or has expired
        :raises HostGoneError: the host takes no calls any more
        """
        host, expires_at = self._issued.get(token or "", (None, None))
        if host is None or expires_at is None:
            raise TokenRefusedError(
                "The token is missing or unknown; call GetSessionEndpoint or GetManagedEndpointSessionCredentials"
                " for one."
            )
        if not host.is_ready:
            raise gone(host)
        if expires_at <= now():
            raise TokenRefusedError(
                f"The token of the {host.KIND.noun} has expired; call {host.KIND.token_operation} for a new one."
            )
        return host

    def clear(self) -> None:
        """Forget every token."""
        self._issued.clear()
