"""The life of a host, from its request to its end: one task per host."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.driving import DeliverLogs, EndRequestedError
from airflow_emrs_ext.local.base.lifecycle import now, shorten
from airflow_emrs_ext.local.base.runner import AttemptResult, ConnectDriver, ConnectSpec, Runner
from airflow_emrs_ext.local.services.connect.clock import ConnectClock
from airflow_emrs_ext.local.services.connect.hosts import ConnectHost

H = TypeVar("H", bound=ConnectHost)

_log = logging.getLogger(__name__)

_STOP_GRACE_SECONDS = 2.0


class NotLaunchedError(Exception):
    """What a host needs cannot be had; the message says why."""


class ConnectWalker(ABC, Generic[H]):
    """Leads hosts of one kind through their states.

    :param runner: executes their drivers
    :param config: dwell times, the length of a minute
    :param deliver_logs: makes what delivers the logs of a driver, ``None``: nobody
    """

    def __init__(self, runner: Runner, config: ServiceConfig, deliver_logs: DeliverLogs | None) -> None:
        self.clock: ConnectClock = ConnectClock(config, self.terminate)
        self.config = config
        self._runner = runner
        self._deliver_logs = deliver_logs

    @abstractmethod
    async def prepare(self, host: H) -> ConnectSpec:
        """All that comes before the launch of a host's driver.

        :raises EndRequestedError: the host is to end
        :raises NotLaunchedError: there is no way to launch it
        """

    def release(self, host: H) -> None:
        """Give back what :meth:`prepare` took; called more than once."""

    async def walk(self, host: H) -> None:
        """From the request to a terminal state."""
        try:
            try:
                result = await self._execute(host)
            except EndRequestedError:
                await host.stop(_STOP_GRACE_SECONDS)
                result = AttemptResult(True, host.end.result())
            except NotLaunchedError as error:
                result = AttemptResult(False, str(error))
            except Exception as error:
                # A defect must not leave a host active for ever.
                _log.exception("%s", host.label)
                result = AttemptResult(False, str(error) or type(error).__name__)
            await self._finish(host, result)
        finally:
            self.clock.disarm(host)
            self.release(host)
            await host.end_delivering()

    def terminate(self, host: H, reason: str) -> None:
        """Begin to end a host that has not ended; one that is being terminated goes on as it does.

        :param host: the host
        :param reason: sentence for ``stateDetails``
        """
        if not host.state.is_terminal and host.state is not host.KIND.terminating:
            self.clock.disarm(host)
            host.move(host.KIND.terminating, reason)
            host.end.set_result(reason)

    async def _execute(self, host: H) -> AttemptResult:
        spec = await self.prepare(host)

        async def launch() -> ConnectDriver:
            host.server = await self._runner.launch_connect(spec, lambda: self._on_ready(host))
            return host.server

        return await host.drive(spec, launch, host.end, self._deliver_logs)

    def _on_ready(self, host: H) -> None:
        if not host.gone.is_set():
            host.move(host.KIND.began, f"The {host.KIND.noun} is ready.")
            self.clock.started(host)

    async def _finish(self, host: H, result: AttemptResult) -> None:
        """A driver that was not asked to end has failed, unless it ended well."""
        kind = host.KIND
        host.running = host.server = None
        host.ended_at = now()
        self.clock.disarm(host)
        self.release(host)
        await host.end_delivering(last=True)
        if host.state is kind.terminating:
            host.move(kind.terminated, host.end.result())
        elif result.succeeded:
            self.terminate(host, shorten(result.details) or f"The {kind.noun}'s driver ended.")
            host.move(kind.terminated, host.end.result())
        else:
            host.move(kind.failed, shorten(result.details) or f"The {kind.noun}'s driver failed.")
