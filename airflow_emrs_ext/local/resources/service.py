"""What the services of the endpoint have in common: a beginning without work, an end, and a new beginning."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from airflow_emrs_ext.local.config import ServiceConfig
from airflow_emrs_ext.local.errors import ApiError
from airflow_emrs_ext.local.resources.idempotency import ClientTokens
from airflow_emrs_ext.local.resources.lifecycle import Listener


class Service(ABC):
    """A service, without HTTP.

    :param config: settings, read when they are needed
    :param work_dir: where the attempts get their directories
    """

    def __init__(self, config: ServiceConfig, work_dir: Path) -> None:
        self.config = config
        self.listeners: list[Listener] = []
        """Called, on the event loop, with every :class:`~.lifecycle.Transition` of every resource."""
        self._work_dir = work_dir
        self._tokens = ClientTokens(config)
        self._closed = False

    async def close(self) -> None:
        """Start nothing more and leave everything as it is; what is known can still be asked for.

        The drivers that run are the runner's to end.
        """
        self._closed = True
        await self._end_tasks()

    async def reset(self) -> None:
        """Stop what runs and forget everything; nothing is started meanwhile."""
        was_closed, self._closed = self._closed, True
        try:
            await self._forget()
        finally:
            self._closed = was_closed

    @abstractmethod
    def config_changed(self) -> None:
        """Apply changed settings to what is already waiting."""

    @abstractmethod
    async def _forget(self) -> None:
        """Stop what runs and forget everything."""

    @abstractmethod
    async def _end_tasks(self) -> None:
        """End the tasks that lead resources through their states."""

    def _check_open(self) -> None:
        if self._closed:
            raise ApiError("InternalServerException", "The endpoint is ending and starts nothing more")
