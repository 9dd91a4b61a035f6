"""What all that waits on one event loop with one connection shares: clients, a rate limiter, listings."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Protocol, TypeVar
from weakref import WeakKeyDictionary

from airflow_emrs_ext.core.effects import Call, Effects, Fetch, Observation, PollState
from airflow_emrs_ext.core.service_clock import ServiceClock
from airflow_emrs_ext.resources import RESOURCES
from airflow_emrs_ext.resources.api_errors import is_about_access
from airflow_emrs_ext.runtime.driver import answer_of, drive
from airflow_emrs_ext.runtime.event_queue import Notifications
from airflow_emrs_ext.runtime.poller import Poller
from airflow_emrs_ext.runtime.rate_limiter import RateLimiter

T = TypeVar("T")


class Connection(Protocol):
    """Where the clients of a driver come from: a hook."""

    @property
    def rate_limiter(self) -> RateLimiter:
        """What paces the calls."""

    @property
    def service_clock(self) -> ServiceClock:
        """What the services' answers have told of their clock."""

    async def open_client(self, service: str) -> Any:
        """An asynchronous client as a context manager that is yet to be entered."""

    def forget_connection(self) -> None:
        """Let the next client be made of the connection as it is by then."""


_drivers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, SharedDriver]] = WeakKeyDictionary()


class SharedDriver:
    """Drives the effects of many with the clients of one.

    :param connection: where they come from
    """

    def __init__(self, connection: Connection) -> None:
        self.users = 0
        self.recent: dict[str, tuple[float, Any]] = {}
        """See :class:`~airflow_emrs_ext.core.effects.RunContext`."""
        self._connection = connection
        self.service: ServiceClock = connection.service_clock
        self.poller: Poller = Poller(self.run, connection.rate_limiter)
        self._notifications: dict[str, Notifications] = {}
        self._clients: dict[str, Any] = {}
        self._closing = AsyncExitStack()
        self._opening = asyncio.Lock()

    async def run(self, effects: Effects[T]) -> T:
        """Drive effects; effects that are interrupted are closed."""
        return await drive(effects, self._perform, self._connection.rate_limiter)

    async def close(self) -> None:
        """Close the clients."""
        for notifications in self._notifications.values():
            notifications.close()
        self.poller.close()
        await self._closing.aclose()

    async def _perform(self, effect: Call | Fetch | PollState) -> Any:
        if isinstance(effect, PollState):
            return await self._poll_state(effect)
        if isinstance(effect, Fetch):
            return await answer_of(effect, self._client_of)
        client = self._clients.get(effect.service)
        try:
            return await answer_of(effect, self._client_of)
        except Exception as error:
            # The connection is read once more, for all that have used the same client.
            if is_about_access(error, effect.service) and self._clients.get(effect.service) is client:
                self._clients.clear()
                self._connection.forget_connection()
            raise

    async def _poll_state(self, effect: PollState) -> Observation | None:
        if not effect.queue or not RESOURCES[effect.kind].events:
            return await self.poller.poll_state(effect)
        if effect.queue not in self._notifications:
            self._notifications[effect.queue] = Notifications(
                effect.queue, self.run, self.poller.notify, self.poller.reconsider
            )
        return await self._notifications[effect.queue].poll_state(effect, self.poller.poll_state)

    async def _client_of(self, service: str) -> Any:
        async with self._opening:
            if service not in self._clients:
                opened = await self._connection.open_client(service)
                self._clients[service] = await self._closing.enter_async_context(opened)
        return self._clients[service]


@asynccontextmanager
async def shared_driver(
    parameters: Mapping[str, Any], connect: Callable[..., Connection]
) -> AsyncIterator[SharedDriver]:
    """The driver of all on this event loop with these parameters; it ends with the last of them.

    :param parameters: arguments of ``connect``, plain JSON
    :param connect: makes the connection of the first of them: a class of hooks
    """
    drivers = _drivers.setdefault(asyncio.get_running_loop(), {})
    key = json.dumps(parameters, sort_keys=True, default=str)
    driver = drivers[key] = drivers.get(key) or SharedDriver(connect(**parameters))
    driver.users += 1
    try:
        yield driver
    finally:
        driver.users -= 1
        if not driver.users:
            del drivers[key]
            await driver.close()
