"""Looks at many resources at once: one loop of listings for each application or virtual cluster, however many wait."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from airflow_emrs_ext.api_calls import PAGE_SIZE
from airflow_emrs_ext.models import CLAIMED, ClaimedKind
from airflow_emrs_ext.procedures.claims import active
from airflow_emrs_ext.quotas import QUOTAS, Quota
from airflow_emrs_ext.states import State
from airflow_emrs_ext.steps import Glance, Sight, Steps, Terms

log = logging.getLogger(__name__)

Run = Callable[[Steps[list[dict[str, Any]]]], Awaitable[list[dict[str, Any]]]]

# With fewer, each looks for itself: early, then ever more rarely.
_FEWEST = 3
# Not more calls than one for each resource in so many seconds.
_SECONDS_PER_CALL = 30.0
# How long what was asked for last still counts as waited for, and how long a number of pages is believed, in seconds.
_MEMORY_SECONDS = 60.0
# What has come together in this time is answered by one listing.
_GATHER_SECONDS = 0.2
_UNKNOWN = Quota(1, 25)


class Listings:
    """Answers glances.

    :param run: makes the calls of a listing
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._places: dict[tuple[str, ...], _Place] = {}
        self._told: dict[tuple[str, ...], asyncio.Queue[str]] = {}

    def tell(self, kind: str, ids: Mapping[str, str], state: str) -> bool:
        """Answer with what is known from elsewhere.

        :return: whether anybody here waits for it
        """
        told = self._told.get((kind, *ids.values()))
        if told is not None:
            told.put_nowait(state)
        return told is not None

    async def glance(self, step: Glance) -> Sight | None:
        """What the next listing says."""
        *scope, own = step.ids.values()
        if step.queue:
            known = (step.kind, *step.ids.values()) in self._told
            told = self._told.setdefault((step.kind, *step.ids.values()), asyncio.Queue())
            if known:
                try:
                    return Sight(await asyncio.wait_for(told.get(), 600 if step.notified else 1))
                except asyncio.TimeoutError:
                    return None
            return None
        key = (step.kind, *scope)
        if key not in self._places:
            self._places[key] = _Place(CLAIMED[step.kind], tuple(scope), self._run)
        return await self._places[key].ask(own)

    def close(self) -> None:
        """End the loops; nobody waits for them any more."""
        for place in self._places.values():
            place.close()
        self._places.clear()


class _Place:
    """The resources of a kind on one application or virtual cluster."""

    def __init__(self, kind: ClaimedKind[State], scope: tuple[str, ...], run: Run) -> None:
        self._kind = kind
        self._scope = scope
        self._run = run
        self._asking: dict[str, asyncio.Future[Sight | None]] = {}
        self._asked: dict[str, float] = {}
        self._pages = 1
        self._listed = 0.0
        self._task: asyncio.Task[None] | None = None
        quotas = QUOTAS.get(kind.service, {})
        self._list_rate = quotas.get(kind.lists, _UNKNOWN).rate
        self._look_rate = quotas.get(kind.describes, _UNKNOWN).rate

    async def ask(self, own: str) -> Sight | None:
        """What the next listing says of one of them."""
        if own not in self._asking:
            self._asking[own] = asyncio.get_running_loop().create_future()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._answer())
        # One that is not waited for any more may be waited for by another, too.
        return await asyncio.shield(self._asking[own])

    def close(self) -> None:
        """End the loop."""
        if self._task is not None:
            self._task.cancel()

    async def _answer(self) -> None:
        """List as long as somebody asks."""
        clock = asyncio.get_running_loop().time
        while self._asking:
            await asyncio.sleep(_GATHER_SECONDS)
            now = clock()
            self._asked.update(dict.fromkeys(self._asking, now))
            self._asked = {own: asked for own, asked in self._asked.items() if now - asked < _MEMORY_SECONDS}
            if now - self._listed > _MEMORY_SECONDS:
                self._pages = 1
            interval = self._interval()
            if interval is not None:
                await asyncio.sleep(self._listed + interval - now)
            asking, self._asking = self._asking, {}
            seen: dict[str, Sight] = {}
            try:
                if interval is not None:
                    seen = await self._list()
                    self._listed = clock()
            except Exception as error:
                # Whatever keeps the listing from its answer: each looks for itself, and says what is wrong there.
                log.warning("%ss of %s cannot be listed: %s", self._kind.name, " ".join(self._scope), error)
            finally:
                for own, future in asking.items():
                    if not future.done():
                        future.set_result(seen.get(own))

    def _interval(self) -> float | None:
        """The time between two listings, in seconds; ``None``: to look at each is better."""
        waiting = len(self._asked)
        if waiting < _FEWEST:
            return None
        interval = max(self._pages / self._list_rate, _SECONDS_PER_CALL * self._pages / waiting)
        return interval if interval <= max(_SECONDS_PER_CALL, waiting / self._look_rate) else None

    async def _list(self) -> dict[str, Sight]:
        entries = await self._run(active(Terms(), self._kind, *self._scope))
        self._pages = max(1, -(-len(entries) // PAGE_SIZE))
        *_, own = self._kind.id_names
        return {self._kind.ids_of(entry)[own]: Sight(str(entry["state"])) for entry in entries}
