"""All hosts of one kind."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from airflow_emrs_ext.local.base.collection import Collection, OwnedCollection
from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.lifecycle import Listener
from airflow_emrs_ext.local.services.connect.access import ConnectAccess
from airflow_emrs_ext.local.services.connect.walk import ConnectWalker, H


class ConnectHosts(OwnedCollection[H]):
    """All hosts of one kind; see also :class:`~.collection.OwnedCollection`.

    :param access: how clients come in
    """

    _walker: ConnectWalker[H]

    def __init__(
        self,
        config: ServiceConfig,
        listeners: list[Listener],
        owners: Collection[Any],
        work_dir: Path,
        walker: ConnectWalker[H],
        access: ConnectAccess,
    ) -> None:
        super().__init__(config, listeners, owners, work_dir, walker)
        self.access = access

    def hold_busy(self, host_id: str, busy: bool) -> None:
        """Keep a host busy as if a client's call were under way, or let it go again; for tests.

        :param host_id: one that there is
        :param busy: whether to keep or to let go; harmless when that is so already
        """
        self._by_id[host_id].hold_busy(busy)

    def drivers(self) -> Iterable[H]:
        """What drivers do for them: each has one."""
        return self

    def anchors(self) -> tuple[object, ...]:
        """What each refers to that is not kept with it: what leads them, and its clock."""
        return (*super().anchors(), self._walker.clock)

    def arm(self) -> None:
        """Apply a changed length of a minute."""
        for host in self:
            self._walker.clock.arm(host)

    def terminate_all(self, reason: str) -> None:
        """Begin to end every host, for the reason given; their clients hear of it."""
        for host in self:
            self._walker.terminate(host, reason)

    def clear(self) -> None:
        """Forget every host and every token."""
        super().clear()
        self.access.clear()
