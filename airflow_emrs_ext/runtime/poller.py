"""Looks at many resources at once: one loop of listings for each application or virtual cluster, however many wait.

A page of a listing answers for as many resources as it holds. What was created within a certain time and has not ended
fits a page, if that time is chosen well: whoever is waited for and is not on it has ended.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any, NamedTuple, cast

from airflow_emrs_ext.aws.calls import PAGE_SIZE
from airflow_emrs_ext.aws.dispatch import active
from airflow_emrs_ext.core.effects import Effects, Observation, PollState, RunContext, WaitPolicy
from airflow_emrs_ext.resources import RESOURCES, ResourceKind
from airflow_emrs_ext.runtime.poll_schedule import MEMORY_SECONDS, Waited, choose
from airflow_emrs_ext.runtime.rate_limiter import RateLimiter
from airflow_emrs_ext.shared.states import State

log: logging.Logger = logging.getLogger(__name__)

Run = Callable[[Effects[list[dict[str, Any]]]], Awaitable[list[dict[str, Any]]]]

# What comes together in this time is looked at together, in seconds.
_GATHER_SECONDS = 0.2
# How many of those that are waited for one page is to show; some that have been created at the same time may be others.
_MOST_PER_PAGE = 0.96 * PAGE_SIZE
# How long a listing of everything answers those who are new, in seconds: hundreds of tasks are not deferred at once.
_FRESH_SECONDS = 10.0
# How many are answered before others have their turn on the event loop.
_AT_ONCE = 25
# Around the times of creation that a listing is to cover, where they are whole seconds and where they are not.
_MARGIN, _FINE_MARGIN = 1.0, 0.001
# The same, where only the second is known in which a start was answered.
_WIDE_MARGIN = 2.0
# How much of the listings is other people's is believed less with each look that did without a listing.
_FORGETTING = 1.05
# After a listing that cannot be had, or has left something out, each looks for itself so long.
_WITHOUT_SECONDS = 300.0


# Who may not list is not kept waiting: each looks for itself then.
_TERMS = RunContext(wait_policy=WaitPolicy(access_patience=0.0))


class Poller:
    """Answers polls for a state.

    :param run: makes the calls of a listing
    :param rate_limiter: paces them
    """

    def __init__(self, run: Run, rate_limiter: RateLimiter) -> None:
        self.run = run
        self.rate_limiter = rate_limiter
        self.trusted: set[str] = set()
        """The kinds of resources of which a look has confirmed that what is not listed any more has ended."""
        self._scopes: dict[tuple[str, ...], _ScopePoller] = {}

    async def poll_state(self, effect: PollState) -> Observation | None:
        """What is seen next; ``None``: the resource has to be looked at by itself."""
        *scope, own = effect.ids.values()
        key = (effect.kind, *scope)
        if key not in self._scopes:
            self._scopes[key] = _ScopePoller(self, RESOURCES[effect.kind], tuple(scope))
        return await self._scopes[key].ask(own, effect)

    def notify(self, kind: str, ids: Mapping[str, str], state: str) -> bool:
        """Answer with what is known from elsewhere.

        :param kind: key of :data:`~airflow_emrs_ext.resources.RESOURCES`
        :param state: as the API spells it
        :return: whether anybody here waits for it
        """
        *scope, own = ids.values()
        place = self._scopes.get((kind, *scope))
        return place is not None and place.notify(own, state)

    def reconsider(self) -> None:
        """See anew when to look: whether somebody tells what happens has changed."""
        for place in self._scopes.values():
            place.reconsider()

    def close(self) -> None:
        """End the loops; nobody waits for them any more."""
        for place in self._scopes.values():
            place.close()
        self._scopes.clear()


class _Entry(NamedTuple):
    """What a listing says of a resource.

    :param created: when it was created, in seconds since the epoch
    """

    state: str
    created: float


class _ScopePoller:
    """The resources of a kind on one application or virtual cluster."""

    def __init__(self, poller: Poller, kind: ResourceKind[State], scope: tuple[str, ...]) -> None:
        self._poller = poller
        self._kind = kind
        self._scope = scope
        self._waited: dict[str, Waited] = {}
        self._ours_per_page = _MOST_PER_PAGE
        self._margin = _MARGIN
        self._without_until = 0.0
        self._shown: Mapping[str, _Entry] = {}
        self._shown_at = -_FRESH_SECONDS
        self._turn: float | None = None
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._clock = asyncio.get_running_loop().time

    async def ask(self, own: str, effect: PollState) -> Observation | None:
        """What is seen next of one of them."""
        one = self._waited.get(own)
        if one is None or one.answer.done():
            answer: asyncio.Future[Observation | None] = asyncio.get_running_loop().create_future()
            one = self._waited.setdefault(own, Waited(answer))
            one.answer = answer
        one.longest, one.notified, one.state = effect.longest, effect.notified, effect.state
        # A start may have led to one that has been here for long.
        one.is_started = effect.is_started and not one.listed
        if effect.created_at is not None and one.is_started == effect.is_started:
            one.created = datetime.fromisoformat(effect.created_at).timestamp()
        if one.is_started:
            # It has only just been there.
            one.looked = self._clock()
        if one.suspect and effect.state is not None:
            # Who has looked at it meanwhile has seen it; who is new has not.
            self._mistrust(own)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look_on())
        self._news.set()
        told = one.told.setdefault(cast("asyncio.Task[Any]", asyncio.current_task()), set())
        if not one.is_started:
            news = told - {effect.state}
            told.clear()
            if news:
                # Told since the answer before was made; which of several is the newest is for a look to say.
                return Observation(news.pop()) if len(news) == 1 else None
        one.askers += 1
        try:
            # Others may wait for the same resource.
            return await asyncio.wait_for(asyncio.shield(one.answer), max(0.0, effect.within))
        except asyncio.TimeoutError:
            return None if one.state is None else Observation(one.state)
        finally:
            one.askers -= 1

    def notify(self, own: str, state: str) -> bool:
        """Answer with what is known from elsewhere; who is about to ask again is told then."""
        one = self._waited.get(own)
        if one is None:
            return False
        for told in one.told.values():
            told.add(state)
        # Of one that was started it is asked when that was.
        if not one.is_started:
            one.reply(Observation(state))
        return one.askers > 0

    def reconsider(self) -> None:
        """See anew when to look."""
        self._news.set()

    def close(self) -> None:
        """End the loop."""
        if self._task is not None:
            self._task.cancel()

    async def _look_on(self) -> None:
        """Look as long as somebody asks."""
        while self._asking():
            self._news.clear()
            await asyncio.sleep(_GATHER_SECONDS)
            try:
                pause = await self._look(self._asking())
            except Exception as error:
                # Whatever keeps a listing from its answer: each looks for itself, and says what is wrong there.
                log.warning("%ss of %s cannot be listed: %s", self._kind.name, " ".join(self._scope), error)
                self._do_without()
                continue
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._news.wait(), pause)

    def _asking(self) -> dict[str, Waited]:
        now = self._clock()
        self._waited = {
            own: one for own, one in self._waited.items() if one.askers or now - one.looked < MEMORY_SECONDS
        }
        return {own: one for own, one in self._waited.items() if one.askers and not one.answer.done()}

    async def _look(self, asking: Mapping[str, Waited]) -> float:
        """Have a look at those whose time has come.

        :return: when the time of the next comes, in seconds, unless somebody else asks before
        """
        now = self._clock()
        most = 1 if now < self._without_until else max(1, int(self._ours_per_page))
        if now - self._shown_at < _FRESH_SECONDS:
            for own, one in asking.items():
                if one.created is None and own in self._shown:
                    self._compare(one, self._shown[own], self._shown_at)
        choice = choose(
            [one for one in asking.values() if not one.answer.done()],
            now,
            time.time(),
            most=most,
            others_start=self._poller.rate_limiter.is_behind(self._kind.service, self._kind.starts),
        )
        for one in choice.alone:
            one.looked = now
            one.reply(None)
            self._ours_per_page = min(_MOST_PER_PAGE, self._ours_per_page * _FORGETTING)
        if choice.all:
            return await self._list(None)
        if choice.together:
            return await self._list(choice.together)
        return choice.pause

    async def _list(self, batch: Sequence[Waited] | None) -> float:
        """List what was created when those of a batch were, when the turn comes.

        :param batch: ``None``: list everything
        :return: in how many seconds the turn comes
        """
        rate_limiter, kind = self._poller.rate_limiter, self._kind
        if self._turn is None:
            self._turn = self._clock() + rate_limiter.take_look(kind.service, kind.lists)
        if (pause := self._turn - self._clock()) > 0:
            return pause
        self._turn = None
        first, last = -math.inf, math.inf
        filters: dict[str, datetime] = {}
        if batch is not None:
            first, last = batch[0].creation, batch[-1].creation
            margin = _WIDE_MARGIN if any(one.is_started for one in batch) else self._margin
            filters["created_at_after"] = _moment(first - margin)
            filters["created_at_before"] = _moment(last + margin)
        asked = self._asking()
        listed = await self._poller.run(active(_TERMS, kind, *self._scope, **filters))
        if len(listed) > PAGE_SIZE:
            rate_limiter.take_look(kind.service, kind.lists, -(-len(listed) // PAGE_SIZE) - 1)
        created, state = kind.member("created_at"), kind.member("state")
        if any(entry[created].microsecond for entry in listed):
            self._margin = _FINE_MARGIN
        *_, own_name = kind.id_names
        count = len(listed)
        entries = {
            kind.ids_of(one)[own_name]: _Entry(str(kind.states.parse(one[state])), one[created].timestamp())
            for one in listed
        }
        # Pages of a thousand are megabytes.
        listed.clear()
        # Who has asked meanwhile is answered by what is there only.
        covered = {own: one for own, one in asked.items() if one.created is None or first <= one.created <= last}
        covered.update((own, one) for own, one in self._asking().items() if own in entries)
        now = self._clock()
        if batch is None:
            self._shown, self._shown_at = entries, now
        for number, (own, one) in enumerate(covered.items(), 1):
            self._compare(one, entries.get(own), now)
            if number % _AT_ONCE == 0:
                # Others are to have their turn on the event loop.
                await asyncio.sleep(0)
        if count:
            ours = len(entries.keys() & covered.keys())
            self._ours_per_page = max(1.0, _MOST_PER_PAGE * ours / count)
        return 0.0

    def _compare(self, one: Waited, entry: _Entry | None, listed_at: float) -> None:
        """Answer where a listing shows something new."""
        one.looked = listed_at
        if entry is not None:
            one.created, one.is_started, one.listed = entry.created, False, True
            if entry.state != one.state:
                one.reply(Observation(entry.state, entry.created))
        elif one.listed and self._kind.key in self._poller.trusted:
            one.reply(Observation(None))
        else:
            if one.listed:
                one.suspect = True
                self._poller.trusted.add(self._kind.key)
            one.reply(None)

    def _mistrust(self, own: str) -> None:
        log.warning("%s %s is not over, though it is not listed: each looks for itself", self._kind.name, own)
        self._waited[own].suspect = False
        self._poller.trusted.discard(self._kind.key)
        self._do_without()

    def _do_without(self) -> None:
        self._without_until = self._clock() + _WITHOUT_SECONDS


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
