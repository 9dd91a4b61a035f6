from __future__ import annotations

from airflow_emrs_ext.plugin.turns import Turns


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now += seconds


def test_a_burst_then_one_each_second() -> None:
    clock = Clock()
    turns = Turns(1, 2, clock=lambda: clock.now, sleep=clock.sleep)
    assert [turns.take("key", 8) for _ in range(5)] == [True] * 5
    assert clock.slept == [1.0, 1.0, 1.0]
    clock.now += 10
    assert [turns.take("key", 0) for _ in range(3)] == [True, True, False]


def test_whoever_would_wait_for_too_long_takes_no_turn() -> None:
    turns = Turns(1, 2, clock=lambda: 0.0, sleep=lambda _: None)
    assert [turns.take("key", 2.5) for _ in range(6)] == [True, True, True, True, False, False]
    assert turns.take("another key", 0)
