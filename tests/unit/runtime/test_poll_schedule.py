"""Whose look is due, and who is looked at together: the choice without a loop or a service."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from airflow_emrs_ext.runtime.poll_schedule import QUIET_PAUSE, Choice, Waited, choose

NOW = 1000.0
TODAY = 1_700_000_000.0
MOST = 48


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def waited(
    loop: asyncio.AbstractEventLoop, *, age: float | None = 120.0, looked_ago: float = 10.0, is_started: bool = False
) -> Waited:
    created = None if age is None else TODAY - age
    return Waited(loop.create_future(), created, is_started, longest=30.0, looked=NOW - looked_ago)


def chosen(asking: list[Waited], *, most: int = MOST, others_start: bool = False) -> Choice:
    return choose(asking, NOW, TODAY, most=most, others_start=others_start)


def test_many_whose_creation_is_not_known_are_listed_with_everything(loop: asyncio.AbstractEventLoop) -> None:
    assert chosen([waited(loop, age=None) for _ in range(10)]).all
    few = [waited(loop, age=None) for _ in range(9)]
    assert chosen(few) == Choice(few, pause=QUIET_PAUSE)


def test_one_is_never_worth_a_page(loop: asyncio.AbstractEventLoop) -> None:
    one = waited(loop)
    assert chosen([one]).alone == [one]


def test_where_there_are_no_pages_each_looks_for_itself(loop: asyncio.AbstractEventLoop) -> None:
    asking = [waited(loop) for _ in range(30)]
    assert chosen(asking, most=1) == Choice(asking, pause=QUIET_PAUSE)


def test_a_page_shows_those_that_were_created_after_the_one_looked_at_longest_ago(
    loop: asyncio.AbstractEventLoop,
) -> None:
    asking = [waited(loop, age=600 - number, looked_ago=20 if number == 30 else 15) for number in range(100)]
    choice = chosen(asking)
    assert choice.alone == []
    assert choice.together == asking[30:78]
    asking[90].looked = NOW - 25
    assert chosen(asking).together == asking[52:], "a full page"


@pytest.mark.parametrize(("age", "pause"), [(5.0, 2.0), (600.0, 10.0), (86_400.0, 30.0)])
def test_the_pause_grows_with_the_age_within_bounds(loop: asyncio.AbstractEventLoop, age: float, pause: float) -> None:
    asking = [waited(loop, age=age, looked_ago=0.5) for _ in range(20)]
    assert chosen(asking) == Choice(pause=pytest.approx(pause - 0.5, abs=0.01))


def test_few_that_waited_too_long_for_a_page_look_for_themselves(loop: asyncio.AbstractEventLoop) -> None:
    late, other = waited(loop, looked_ago=31.0), waited(loop, looked_ago=20.0)
    assert chosen([late, other]) == Choice([late], [late, other])


def test_who_is_told_looks_rarely(loop: asyncio.AbstractEventLoop) -> None:
    asking = [waited(loop, looked_ago=QUIET_PAUSE - 1) for _ in range(3)]
    for one in asking:
        one.notified = lambda: True
    assert chosen(asking).alone == asking, "the first look is soon all the same"
    for one in asking:
        one.state = "RUNNING"
    assert chosen(asking).pause == 1.0


def test_what_was_started_waits_for_others_only_while_they_wait_for_their_turn(
    loop: asyncio.AbstractEventLoop,
) -> None:
    asking = [waited(loop, age=10.0 - number, looked_ago=10.0 - number, is_started=True) for number in range(8)]
    assert chosen(asking, others_start=True) == Choice(pause=10.0)
    assert chosen(asking).together == asking
    asking[0].looked -= 10
    assert chosen(asking, others_start=True).together == asking, "the first takes the others along"
    few = asking[:4]
    assert chosen(few).alone == few


def test_what_was_started_does_not_wait_for_many_pages_of_others(loop: asyncio.AbstractEventLoop) -> None:
    others = [waited(loop, age=600 - number, looked_ago=100) for number in range(200)]
    asking = [waited(loop, age=25.0, looked_ago=25.0, is_started=True) for _ in range(8)]
    assert chosen([*others, *asking], others_start=True) == Choice([], others[:MOST])
    for one in asking:
        one.looked -= 10
    assert chosen([*others, *asking], others_start=True).alone == asking


def test_what_was_started_waits_for_no_page_where_there_are_none(loop: asyncio.AbstractEventLoop) -> None:
    asking = [waited(loop, age=1.0, looked_ago=1.0, is_started=True) for _ in range(8)]
    assert chosen(asking, most=1, others_start=True).alone == asking
