"""URLs to the UI of a driver that are good once and for a limited time."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.driving import Driven
from airflow_emrs_ext.local.base.errors import ApiError
from airflow_emrs_ext.local.base.runner import Runner


@dataclass(frozen=True)
class _Ticket:
    name: str
    driven: Driven
    good_until: float


class Dashboards:
    """Mints and redeems tokens.

    :param runner: knows where the UIs are
    :param config: how long a token is good
    """

    def __init__(self, runner: Runner, config: ServiceConfig) -> None:
        self._runner = runner
        self._config = config
        self._tickets: dict[str, _Ticket] = {}

    def mint(self, name: str, driven: Driven) -> str:
        """A URL of the UI of a driver.

        :param name: what the driver does, to begin a sentence with
        :param driven: the driver
        """
        now = time.monotonic()
        self._tickets = {token: ticket for token, ticket in self._tickets.items() if ticket.good_until > now}
        token = secrets.token_urlsafe(32)
        self._tickets[token] = _Ticket(name, driven, now + self._config.dashboard_url_seconds)
        return f"{self._config.endpoint_url}/_emrs/dashboards/{token}"

    async def redeem(self, token: str) -> str:
        """Where a token leads; it is used up.

        :raises ApiError: the token is unknown, used or expired, or there is no UI
        """
        ticket = self._use(token)
        driven = ticket.driven
        url = driven.running.dashboard_url() if driven.running else None
        if url is None and driven.spec is not None:
            url = await self._runner.history_url(driven.spec)
        if url is None:
            raise ApiError("ResourceNotFoundException", f"{ticket.name} has no dashboard now")
        return url

    def log_file(self, token: str, folder: str, name: str) -> Path:
        """The log that a token leads to below ``/logs/<folder>/<name>``, as the service's dashboards do.

        :param folder: a worker type such as ``SPARK_DRIVER``, with the executor's id: ``SPARK_EXECUTOR/1``
        :param name: ``stdout.gz`` or ``stderr.gz``
        :raises ApiError: as :meth:`redeem`; or there is no such log
        """
        ticket = self._use(token)
        path = ticket.driven.log_files.get((folder, name.removesuffix(".gz").upper()))
        if path is None or not path.exists():
            raise ApiError("ResourceNotFoundException", f"{ticket.name} has no log {folder}/{name}")
        return path

    def _use(self, token: str) -> _Ticket:
        ticket = self._tickets.pop(token, None)
        if ticket is None or ticket.good_until <= time.monotonic():
            raise ApiError(
                "AccessDeniedException",
                "This dashboard URL has expired or was used; ask the API for a new one.",
            )
        return ticket

    def clear(self) -> None:
        """Forget every token."""
        self._tickets.clear()
