"""What a job run's attempt and a session have in common: a driver, its logs, and an end that may be asked for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from airflow_emrs_ext.local.base import runner as runners
from airflow_emrs_ext.local.base.runner import AttemptResult, DriverSpec

T = TypeVar("T")

_log = logging.getLogger(__name__)

_LAST_DELIVERY_SECONDS = 30.0


class LogDelivery(Protocol):
    """Delivers the logs of one driver while it runs."""

    async def run(self) -> None:
        """Deliver again and again until cancelled."""

    async def finish(self) -> None:
        """Deliver for the last time."""


DeliverLogs = Callable[[DriverSpec, Mapping[tuple[str, str], Path]], LogDelivery]


class EndRequestedError(Exception):
    """The work is to end before its time; what it was waiting for does not matter any more."""


async def until(end: asyncio.Future[Any], waiting: Coroutine[Any, Any, T], seconds: float | None = None) -> T:
    """Wait for something, but not when the work is to end.

    :param end: done when it is
    :param waiting: what to wait for
    :param seconds: how long at most
    :raises EndRequestedError: the work is to end
    :raises asyncio.TimeoutError: ``seconds`` are over
    """
    task = asyncio.create_task(waiting)
    try:
        first: set[asyncio.Future[Any]] = {task, end}
        await asyncio.wait(first, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if end.done():
            raise EndRequestedError
        if not task.done():
            raise asyncio.TimeoutError
        return task.result()
    finally:
        task.cancel()


@dataclass(kw_only=True)
class Driven:
    """Something that a driver does.

    :param spec: what the runner was given
    :param running: what the runner gave back, until the driver has ended
    :param own_logs: what the service itself writes of it, beside its driver, in the form of ``log_files``
    :param log_files: what its driver has written, also afterwards
    """

    spec: DriverSpec | None = None
    running: runners.Attempt | None = None
    own_logs: Mapping[tuple[str, str], Path] = field(default_factory=dict)
    log_files: Mapping[tuple[str, str], Path] = field(default_factory=dict)
    delivery: LogDelivery | None = None
    delivering: asyncio.Task[None] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """What another process can go on with."""
        return {**vars(self), "running": None, "delivery": None, "delivering": None}

    def paths(self) -> dict[str, str | None]:
        """Where its logs and its files are, for a record of it: ``logPath`` and ``workDir``."""
        spec = self.spec
        return {
            "logPath": spec.log_path if spec else None,
            "workDir": str(spec.work_dir) if spec else None,
        }

    async def drive(
        self,
        spec: DriverSpec,
        launch: Callable[[], Awaitable[runners.Attempt]],
        end: asyncio.Future[Any],
        deliver_logs: DeliverLogs | None,
    ) -> AttemptResult:
        """Launch the driver, and deliver its logs until it has ended.

        :param spec: what the runner is given
        :param launch: has the runner launch it
        :param end: done when the work is to end before its time
        :param deliver_logs: makes what delivers the logs, ``None``: nobody
        :raises EndRequestedError: the work is to end; the driver may still run
        """
        self.spec = spec
        try:
            spec.work_dir.mkdir(parents=True)
            self.running = await launch()
            self.log_files = {**self.running.log_files, **self.own_logs}
            if deliver_logs:
                self.delivery = deliver_logs(spec, self.log_files)
                self.delivering = asyncio.create_task(self.delivery.run())
            return await until(end, self.running.wait())
        except EndRequestedError:
            raise
        except Exception as error:
            # Whatever the runner cannot do is the end of this driver, not of the endpoint.
            _log.exception("the driver of %s", self._label)
            await self.stop(0)
            return AttemptResult(False, str(error) or type(error).__name__)

    async def stop(self, grace_seconds: float) -> None:
        """End the driver, if there is one."""
        if self.running:
            try:
                await self.running.stop(grace_seconds)
            except Exception:
                # It is over for its owner whether or not the runner could clean up behind it.
                _log.exception("cannot stop %s", self._label)
            self.running = None

    async def end_delivering(self, *, last: bool = False) -> None:
        """End the repeated delivery of the logs; deliver what is new since the last time when asked to."""
        delivery, delivering = self.delivery, self.delivering
        if delivery is None or delivering is None:
            return
        self.delivery = self.delivering = None
        delivering.cancel()
        outcome = await asyncio.gather(delivering, return_exceptions=True)
        if isinstance(outcome[0], Exception):
            _log.error("cannot deliver the logs of %s", self._label, exc_info=outcome[0])
        if last:
            try:
                await asyncio.wait_for(delivery.finish(), _LAST_DELIVERY_SECONDS)
            except Exception:
                # A missing log bucket is no reason for a job run not to end.
                _log.exception("cannot deliver the logs of %s", self._label)

    @property
    def _label(self) -> str:
        return self.spec.log_path if self.spec else "a driver that was not launched"
