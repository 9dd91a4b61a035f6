"""Whose look is due of many that are waited for, and who of them is best looked at together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from airflow_emrs_ext.core.effects import Observation, never

MEMORY_SECONDS = 60.0
"""Who has not asked again after an answer for so long has gone."""

QUIET_PAUSE = 600.0
"""The least pause while somebody tells what happens, in seconds."""

# The services take ten times as many looks at one resource as pages of listings.
_LOOKS_PER_PAGE = 10
# The pause between two looks is this part of the age of what is looked at, but no shorter than so many seconds.
_PART_OF_AGE = 1 / 60
_SHORTEST_PAUSE = 2.0
# While others wait for their turn to start something, what was started is looked at together, so seldom, in seconds.
_START_SECONDS = 20.0
# Fewer than so many that were started look for themselves.
_FEW_STARTED = 5
# Where pages have too many others to show, each that was started so long ago, too.
_LATE_START_SECONDS = 1.5 * _START_SECONDS


@dataclass(slots=True, eq=False)
class Waited:
    """A resource that is waited for.

    :param created: when it was created, in seconds since the epoch; ``None``: not known yet
    :param is_started: it was created about that time, in a start that waits to be confirmed
    :param longest: the longest pause between two looks, in seconds
    :param notified: whether somebody tells what happens, so that looks may be rare
    :param told: the states that were told since each asked last, in no order; by their tasks
    :param looked: when it was looked at last, by the event loop's clock
    :param state: what was seen last
    :param listed: whether a listing has shown it, so that not to be in the next one means its end
    :param suspect: whether it was missing where that does not mean its end yet
    :param askers: how many wait for the answer
    """

    answer: asyncio.Future[Observation | None]
    created: float | None = None
    is_started: bool = False
    longest: float = 0.0
    notified: Callable[[], bool] = never
    told: WeakKeyDictionary[asyncio.Task[Any], set[str]] = field(default_factory=WeakKeyDictionary)
    looked: float = -MEMORY_SECONDS
    state: str | None = None
    listed: bool = False
    suspect: bool = False
    askers: int = 0

    @property
    def creation(self) -> float:
        """When it was created, of one of which that is known."""
        assert self.created is not None
        return self.created

    def reply(self, observation: Observation | None) -> None:
        """Answer those who ask."""
        if not self.answer.done():
            self.answer.set_result(observation)

    def due(self, now: float, today: float, *, others_start: bool) -> float:
        """When to look at it, by the event loop's clock (see :func:`choose`)."""
        if self.is_started:
            return self.looked + min(_START_SECONDS, self.longest) if others_start else now
        if self.notified() and self.state is not None:
            return self.looked + max(QUIET_PAUSE, self.longest)
        age = today - self.creation
        return self.looked + min(max(_SHORTEST_PAUSE, age * _PART_OF_AGE), self.longest)


@dataclass(frozen=True)
class Choice:
    """What to do next.

    :param alone: who looks for themselves, now
    :param together: whom the next listing is to show, in the order of their creation
    :param all: whether the next listing is to show everything
    :param pause: in how many seconds the next look is due, if there is no listing
    """

    alone: Sequence[Waited] = field(default_factory=list)
    together: Sequence[Waited] = field(default_factory=list)
    all: bool = False
    pause: float = 0.0


def choose(asking: Iterable[Waited], now: float, today: float, *, most: int, others_start: bool) -> Choice:
    """Choose who of those that ask is looked at now, and how.

    :param now: by the event loop's clock
    :param today: now, in seconds since the epoch
    :param most: how many of them a page of a listing shows; 1: there is none
    :param others_start: whether others wait for their turn to start something
    """
    new: list[Waited] = []
    known: list[Waited] = []
    for one in asking:
        (new if one.created is None else known).append(one)
    if most > 1 and len(new) >= _LOOKS_PER_PAGE * -(-(len(new) + len(known)) // most):
        return Choice(all=True)
    known.sort(key=lambda one: one.creation)
    dues = [one.due(now, today, others_start=others_start and most > 1) for one in known]
    due = [index for index, moment in enumerate(dues) if moment <= now]
    # Listings show those that were created one after another, if most of them are of interest.
    is_listed = most > 1 and len(known) > 1
    # The turn of a listing may be far, where there are many places: few need not wait for it.
    is_few = len(known) <= _LOOKS_PER_PAGE
    is_few_started = sum(one.is_started for one in known) < _FEW_STARTED
    together: list[int] = []
    alone = list(new)
    for index in due:
        one = known[index]
        waited = now - one.looked
        is_apart = one.is_started and (is_few_started or waited > _LATE_START_SECONDS)
        is_late = not one.is_started and is_few and waited > one.longest
        if is_apart or is_late or not is_listed:
            alone.append(one)
        else:
            together.append(index)
    if not together:
        return Choice(alone, pause=min((moment - now for moment in dues if moment > now), default=QUIET_PAUSE))
    # From the first of those that were looked at longest ago: the windows follow one another.
    first = min(together, key=lambda index: known[index].looked)
    first = min(first, max(0, len(known) - most))
    return Choice(alone, together=known[first : first + most])
