"""What all that waits on one event loop with one connection shares: clients, a governor, listings."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from airflow_emrs_ext.hooks.base import EmrHook, answer_of, drive
from airflow_emrs_ext.hooks.listings import Listings
from airflow_emrs_ext.hooks.notifications import Notifications
from airflow_emrs_ext.models import CLAIMED
from airflow_emrs_ext.refusals import is_about_access
from airflow_emrs_ext.steps import Call, Fetch, Glance, Sight, Steps

T = TypeVar("T")

_drivers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, SharedDriver]] = WeakKeyDictionary()


class SharedDriver:
    """Drives the steps of many with the clients of one.

    :param parameters: arguments of :class:`~airflow_emrs_ext.hooks.base.EmrHook`
    """

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.users = 0
        self.recent: dict[str, tuple[float, Any]] = {}
        """See :class:`~airflow_emrs_ext.steps.Terms`."""
        self._hook = EmrHook(**parameters)
        self.service = self._hook.service_clock
        self.listings = Listings(self.run, self._hook.governor)
        self._notifications: dict[str, Notifications] = {}
        self._clients: dict[str, Any] = {}
        self._closing = AsyncExitStack()
        self._opening = asyncio.Lock()

    async def run(self, steps: Steps[T]) -> T:
        """Drive steps; steps that are interrupted are closed."""
        return await drive(steps, self._perform, self._hook.governor)

    async def close(self) -> None:
        """Close the clients."""
        for notifications in self._notifications.values():
            notifications.close()
        self.listings.close()
        await self._closing.aclose()

    async def _perform(self, step: Call | Fetch | Glance) -> Any:
        if isinstance(step, Glance):
            return await self._glance(step)
        if isinstance(step, Fetch):
            return await answer_of(step, self._client_of)
        client = self._clients.get(step.service)
        try:
            return await answer_of(step, self._client_of)
        except Exception as error:
            # The connection is read once more, for all that have used the same client.
            if is_about_access(error, step.service) and self._clients.get(step.service) is client:
                self._clients.clear()
                self._hook.forget_connection()
            raise

    async def _glance(self, step: Glance) -> Sight | None:
        if not step.queue or not CLAIMED[step.kind].events:
            return await self.listings.glance(step)
        if step.queue not in self._notifications:
            self._notifications[step.queue] = Notifications(
                step.queue, self.run, self.listings.tell, self.listings.reconsider
            )
        return await self._notifications[step.queue].glance(step, self.listings.glance)

    async def _client_of(self, service: str) -> Any:
        async with self._opening:
            if service not in self._clients:
                opened = await self._hook.open_client(service)
                self._clients[service] = await self._closing.enter_async_context(opened)
        return self._clients[service]


@asynccontextmanager
async def shared_driver(parameters: Mapping[str, Any]) -> AsyncIterator[SharedDriver]:
    """The driver of all on this event loop with these parameters; it ends with the last of them.

    :param parameters: arguments of :class:`~airflow_emrs_ext.hooks.base.EmrHook`
    """
    drivers = _drivers.setdefault(asyncio.get_running_loop(), {})
    key = json.dumps(parameters, sort_keys=True, default=str)
    driver = drivers[key] = drivers.get(key) or SharedDriver(parameters)
    driver.users += 1
    try:
        yield driver
    finally:
        driver.users -= 1
        if not driver.users:
            del drivers[key]
            await driver.close()
