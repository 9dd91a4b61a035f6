"""Answers to clicks, worked out beside Airflow: in a few threads of their own, within a time limit, once for many.

Airflow's own endpoints share one pool of threads, or the few workers of a web server. What waits for AWS there keeps
others waiting; so nothing of this package does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

ANSWER_SECONDS = 10.0
"""How long somebody waits for an answer at most; what is still waiting for a thread then is not begun any more."""

# Each click makes a client, and Python makes one at a time: more threads would keep Airflow's own waiting for it.
_THREADS = 4
_PLACES = 40
# An answer that many may see is good for so long.
_GOOD_SECONDS = 1.0
# So long it is kept for somebody who will ask again.
_KEPT_SECONDS = 10.0


class NoPlace(Exception):
    """Too many are waiting for an answer."""


@dataclass(eq=False)
class Asked(Generic[T]):
    """A question that is being answered, or has been a moment ago.

    :param future: its answer
    :param is_for_one: whether only one may have the answer, once
    :param wanted_until: when nobody waits for it any more
    """

    future: Future[T]
    is_for_one: bool
    wanted_until: float
    answered_at: float | None = None
    is_delivered: bool = False

    def is_good(self, now: float) -> bool:
        """Whether it may still be handed out."""
        if self.answered_at is None:
            return True
        if self.future.exception() is not None or (self.is_for_one and self.is_delivered):
            return False
        return now < self.answered_at + (_GOOD_SECONDS if self.is_delivered else _KEPT_SECONDS)


class AnswerPool(Generic[T]):
    """A few threads that answer questions, with a queue that has an end.

    :param threads: how many questions are answered at once
    :param places: how many may be asked at once, those that wait for a thread included
    :param clock: monotonic time in seconds
    """

    def __init__(
        self, threads: int = _THREADS, places: int = _PLACES, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="emrs-ext-answers")
        self._places = places
        self._clock = clock
        self._lock = threading.Lock()
        self._asked: dict[Hashable, Asked[T]] = {}

    def ask(self, key: Hashable, answer: Callable[[], T], late: Callable[[], T], *, is_for_one: bool) -> Asked[T]:
        """Have a question answered; who asks the same meanwhile, or a moment later, gets the same answer.

        :param key: what makes questions the same
        :param answer: answers it, in a thread of the pool
        :param late: answers it if nobody waits any more when its turn comes
        :param is_for_one: whether only one may have the answer, once
        :raises NoPlace: too many others are waiting
        """
        with self._lock:
            now = self._clock()
            self._asked = {known: asked for known, asked in self._asked.items() if asked.is_good(now)}
            asked = self._asked.get(key)
            if asked is None:
                if self._waiting() >= self._places:
                    raise NoPlace
                asked = self._asked[key] = Asked(Future(), is_for_one, now + ANSWER_SECONDS)
                self._executor.submit(self._answer, asked, answer, late)
            asked.wanted_until = now + ANSWER_SECONDS
            return asked

    def waiting(self) -> int:
        """How many questions have no answer yet."""
        with self._lock:
            return self._waiting()

    def _waiting(self) -> int:
        return sum(not asked.future.done() for asked in self._asked.values())

    def deliver(self, asked: Asked[T]) -> T:
        """The answer, for somebody to see."""
        with self._lock:
            asked.is_delivered = True
        return asked.future.result(timeout=0)

    def _answer(self, asked: Asked[T], answer: Callable[[], T], late: Callable[[], T]) -> None:
        try:
            given = answer() if self._clock() < asked.wanted_until else late()
        except BaseException as error:  # whoever asked gets it
            asked.answered_at = self._clock()
            asked.future.set_exception(error)
        else:
            asked.answered_at = self._clock()
            asked.future.set_result(given)
