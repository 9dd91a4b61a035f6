"""All hosts of one kind."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Generic

from airflow_emrs_ext.local.connect.access import ConnectAccess
from airflow_emrs_ext.local.connect.walk import ConnectWalker, H


class ConnectHosts(Generic[H]):
    """Knows the hosts of one kind by their ids.

    :param walker: leads each through its states
    :param access: how clients come in
    """

    def __init__(self, walker: ConnectWalker[H], access: ConnectAccess) -> None:
        self.access = access
        self._walker = walker
        self._by_id: dict[str, H] = {}

    def __iter__(self) -> Iterator[H]:
        return iter(self._by_id.values())

    def __contains__(self, host_id: str) -> bool:
        return host_id in self._by_id

    def hold_busy(self, host_id: str, busy: bool) -> None:
        """Keep a host busy as if a client's call were under way, or let it go again; for tests.

        :param host_id: one that there is
        :param busy: whether to keep or to let go; harmless when that is so already
        """
        self._by_id[host_id].hold_busy(busy)

    def arm(self) -> None:
        """Apply a changed length of a minute."""
        for host in self:
            self._walker.clock.arm(host)

    def terminate_all(self, reason: str) -> None:
        """Begin to end every host, for the reason given; their clients hear of it."""
        for host in self:
            self._walker.terminate(host, reason)

    async def end_tasks(self) -> None:
        """Leave every host in the state that it is in."""
        tasks = [host.task for host in self if host.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def clear(self) -> None:
        """Forget every host and every token."""
        self._by_id.clear()
        self.access.clear()
