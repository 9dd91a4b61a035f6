"""Who gets which answer, and who none, in threads that only events move."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import wait

import pytest

from airflow_emrs_ext.plugin.answering import ANSWER_SECONDS, AnswerPool, Asked, NoPlace


class Desk:
    """A pool whose answers come when the test lets them, at a clock that only the test moves."""

    def __init__(self, threads: int = 2, places: int = 4) -> None:
        self.now = 100.0
        self.goes_on = threading.Event()
        self.worked_out = 0
        self.pool: AnswerPool[str] = AnswerPool(threads, places, clock=lambda: self.now)

    def ask(self, key: str, *, is_for_one: bool = False) -> Asked[str]:
        return self.pool.ask(key, lambda: self._answer(key), lambda: f"{key}, too late", is_for_one=is_for_one)

    def deliver(self, asked: Asked[str]) -> str:
        self.goes_on.set()
        wait([asked.future], 10)
        return self.pool.deliver(asked)

    def _answer(self, key: str) -> str:
        self.goes_on.wait(10)
        self.worked_out += 1
        return f"{key} {self.worked_out}"


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.goes_on.set()


def test_who_asks_the_same_meanwhile_gets_the_same_answer(desk: Desk) -> None:
    first, second = desk.ask("a"), desk.ask("a")
    assert first is second
    assert (desk.deliver(first), desk.deliver(second)) == ("a 1", "a 1")


def test_an_answer_is_good_for_a_second(desk: Desk) -> None:
    assert desk.deliver(desk.ask("a")) == "a 1"
    desk.now += 0.9
    assert desk.deliver(desk.ask("a")) == "a 1"
    desk.now += 0.2
    assert desk.deliver(desk.ask("a")) == "a 2"


def test_what_is_good_once_is_handed_out_once(desk: Desk) -> None:
    asked = desk.ask("a", is_for_one=True)
    desk.goes_on.set()
    wait([asked.future], 10)
    desk.now += 5  # who comes back for it finds it
    assert desk.deliver(desk.ask("a", is_for_one=True)) == "a 1"
    assert desk.deliver(desk.ask("a", is_for_one=True)) == "a 2"


def test_what_nobody_has_come_back_for_is_forgotten(desk: Desk) -> None:
    asked = desk.ask("a", is_for_one=True)
    desk.goes_on.set()
    wait([asked.future], 10)
    desk.now += 11
    assert desk.deliver(desk.ask("a", is_for_one=True)) == "a 2"


def test_the_queue_has_an_end(desk: Desk) -> None:
    asked = [desk.ask(str(number)) for number in range(4)]
    assert desk.pool.waiting() == 4
    desk.ask("0")  # joins the first
    with pytest.raises(NoPlace):
        desk.ask("4")
    for one in asked:
        desk.deliver(one)
    assert desk.deliver(desk.ask("4")) == "4 5"


def test_what_nobody_waits_for_any_more_is_not_begun() -> None:
    desk = Desk(threads=1)
    first, second, wanted = desk.ask("a"), desk.ask("b"), desk.ask("c")
    desk.now += ANSWER_SECONDS - 1
    assert desk.ask("c") is wanted  # somebody else asks, too
    desk.now += 2
    assert [desk.deliver(one) for one in (first, second, wanted)] == ["a 1", "b, too late", "c 2"]


def test_an_error_is_for_those_who_asked_and_nobody_else(desk: Desk) -> None:
    def fail() -> str:
        raise ValueError("boom")

    asked = desk.pool.ask("a", fail, str, is_for_one=False)
    wait([asked.future], 10)
    with pytest.raises(ValueError, match="boom"):
        desk.pool.deliver(asked)
    assert desk.deliver(desk.ask("a")) == "a 1"
