"""How many job runs execute at once, and the line of those that wait."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from airflow_emrs_ext.local.base.errors import validation_error


class Queues:
    """The places in which job runs execute, and the lines before them, one of each per application or virtual cluster.

    :param most_waiting: how many job runs of the account may wait in all lines, asked for each
    """

    def __init__(self, most_waiting: Callable[[], float] = lambda: math.inf) -> None:
        self._most_waiting = most_waiting
        self._places: dict[str, int | None] = {}
        self._executing: dict[str, set[str]] = {}
        self._waiting: dict[str, dict[str, asyncio.Event]] = {}

    def allow(self, owner_id: str, places: int | None) -> None:
        """Set how many job runs of an owner may execute at once, ``None``: any number."""
        self._places[owner_id] = places
        self._executing.setdefault(owner_id, set())
        self._waiting.setdefault(owner_id, {})
        self._admit(owner_id)

    def enter(self, owner_id: str, run_id: str) -> asyncio.Event:
        """Take a place, or get in line.

        :return: an event that is set when the job run may execute
        :raises ApiError: the account has as many queued job runs as it may
        """
        most = self._most_waiting()
        turn = asyncio.Event()
        if self._full(owner_id) and sum(map(len, self._waiting.values())) >= most:
            raise validation_error(f"The account has reached the limit of {most:g} queued job runs.")
        self._waiting[owner_id][run_id] = turn
        self._admit(owner_id)
        return turn

    def leave(self, owner_id: str, run_id: str) -> None:
        """Give up a place or a position in line; harmless when the job run has neither."""
        self._waiting[owner_id].pop(run_id, None)
        self._executing[owner_id].discard(run_id)
        self._admit(owner_id)

    def clear(self) -> None:
        """Forget every owner."""
        self._places.clear()
        self._executing.clear()
        self._waiting.clear()

    def _full(self, owner_id: str) -> bool:
        places = self._places[owner_id]
        return places is not None and len(self._executing[owner_id]) >= places

    def _admit(self, owner_id: str) -> None:
        waiting = self._waiting[owner_id]
        while waiting and not self._full(owner_id):
            run_id = next(iter(waiting))
            waiting.pop(run_id).set()
            self._executing[owner_id].add(run_id)
