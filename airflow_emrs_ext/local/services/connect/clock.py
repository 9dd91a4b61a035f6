"""What calls and time do to a host: busy or idle, and the end by its idle timeout or its longest life."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.lifecycle import now
from airflow_emrs_ext.local.services.connect.hosts import ConnectHost

_QUIET, _IDLE, _LIFE = "quiet", "idle", "life"


@dataclass(frozen=True)
class ConnectClock:
    """Turns the calls of clients into busy and idle, and time into ends.

    :param config: ``session_quiet_seconds``, the length of a minute
    :param terminate: ends a host, for the reason given
    """

    config: ServiceConfig
    terminate: Callable[[Any, str], None]

    def started(self, host: ConnectHost) -> None:
        """Clients can connect from now on."""
        self.arm(host)
        if host.in_flight:
            host.became_busy()
        else:
            self._wait_for_quiet(host)

    def call_began(self, host: ConnectHost) -> None:
        """The server works on one more call."""
        host.in_flight += 1
        _cancel(host, _QUIET)
        if host.is_ready:
            host.became_busy()
            _cancel(host, _IDLE)

    def call_ended(self, host: ConnectHost) -> None:
        """The server works on one call less."""
        host.in_flight -= 1
        if not host.in_flight:
            self._wait_for_quiet(host)

    def arm(self, host: ConnectHost) -> None:
        """Let the time run that is left to a host; again after the length of a minute has changed."""
        kind, idle = host.KIND, host.idle_timeout_minutes
        ended = f"{kind.noun.capitalize()} terminated: it"
        if host.idle_since and idle:
            self._end_at(
                host, _IDLE, host.idle_since, idle, f"{ended} was idle for {idle} minutes ({kind.idle_parameter})."
            )
        longest = kind.longest_life_minutes
        if longest and host.started_at and host.is_ready:
            reason = f"{ended} reached the longest life of a {kind.noun}, {longest // 60} hours."
            self._end_at(host, _LIFE, host.started_at, longest, reason)

    def disarm(self, host: ConnectHost) -> None:
        """Forget the time of a host."""
        for timer in list(host.timers):
            _cancel(host, timer)

    def _wait_for_quiet(self, host: ConnectHost) -> None:
        # A client with many short calls keeps the host busy between them.
        if host.is_ready:
            _cancel(host, _QUIET)
            host.timers[_QUIET] = asyncio.get_running_loop().call_later(
                self.config.session_quiet_seconds, self._became_idle, host
            )

    def _became_idle(self, host: ConnectHost) -> None:
        if host.is_ready and not host.in_flight:
            host.became_idle()
            self.arm(host)

    def _end_at(self, host: ConnectHost, timer: str, since: datetime, minutes: int, reason: str) -> None:
        _cancel(host, timer)
        left = minutes * self.config.seconds_per_minute - (now() - since).total_seconds()
        host.timers[timer] = asyncio.get_running_loop().call_later(max(0.0, left), self.terminate, host, reason)


def _cancel(host: ConnectHost, timer: str) -> None:
    handle = host.timers.pop(timer, None)
    if handle:
        handle.cancel()
