"""A person clears a task that was done with, or changes its arguments: that starts something new."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

from tests.faults.kinds import OWN
from tests.faults.scenes import Scenario, Scene

SUITE = "anew"
RETRY = {"retries": 2}


def clear_after_success(scene: Scene) -> None:
    """A person clears a task that has succeeded."""
    scene.begin()
    scene.wait_for_end()
    scene.clear()


def clear_after_its_end(scene: Scene) -> None:
    """A person clears a task that has succeeded, and whose session has ended since."""
    scene.begin()
    scene.wait_for_end()
    (session,) = scene.started()
    scene.emr.end_session(session["sessionId"], succeeded=True)
    scene.clear()


def clear_after_failure(scene: Scene) -> None:
    """A person clears a task that has failed."""
    scene.begin()
    scene.wait_for_end()
    scene.will_last(4.0)
    scene.clear()


def change_after_success(scene: Scene) -> None:
    """A person changes an argument, then clears the task that has succeeded."""
    scene.begin()
    scene.wait_for_end()
    scene.change_argument("30")
    scene.clear()


def change_while_it_waits(scene: Scene) -> None:
    """A person changes an argument, then clears the task while it waits."""
    scene.begin()
    scene.wait_until_it_waits()
    scene.will_last(4.0)
    scene.change_argument("30")
    scene.clear()


def change_and_lose_the_worker(scene: Scene) -> None:
    """An argument changes between a try whose worker is lost and the next."""
    scene.begin()
    scene.wait_until_it_waits()
    scene.will_last(4.0)
    scene.change_argument("30")
    scene.kill_worker()


def with_arguments(*expected: str) -> Callable[[Scene], None]:
    """What was started, one after the other, has these arguments."""

    def look(scene: Scene) -> None:
        assert scene.arguments() == list(expected)

    return look


def _scenarios() -> Iterator[Scenario]:
    for kind, deferrable in product(OWN, (False, True)):
        where: dict[str, Any] = {"suite": SUITE, "kind": kind, "deferrable": deferrable}
        done: dict[str, Any] = {**where, "lasts": 4.0, "parameters": RETRY}
        two: dict[str, Any] = {"started": 2, "then": with_arguments("15", "15")}
        other: dict[str, Any] = {"started": 2, "then": with_arguments("15", "30")}
        if OWN[kind].is_job_run:
            yield Scenario(name="cleared after success", act=clear_after_success, **done, **two)
            failed = {**where, "lasts": 4.0, "succeeds": False}
            yield Scenario(name="cleared after failure", act=clear_after_failure, **failed, **two)
        else:
            yield Scenario(name="cleared after success, ended since", act=clear_after_its_end, **done, **two)
            there = "cleared after success, still there"
            yield Scenario(name=there, act=clear_after_success, **done, **two)
            kept: dict[str, Any] = {**done, "parameters": {**RETRY, "terminate_on_kill": False}}
            one = with_arguments("15")
            yield Scenario(name=f"{there}, keep", act=clear_after_success, then=one, **kept)
        changed = "arguments changed"
        yield Scenario(name=f"{changed}, cleared after success", act=change_after_success, **done, **other)
        waits = {**done, **other, "lasts": 600.0}
        yield Scenario(name=f"{changed}, cleared while it waits", act=change_while_it_waits, **waits)
        if not deferrable:
            yield Scenario(name=f"{changed}, worker lost", act=change_and_lose_the_worker, **waits)


SCENARIOS = list(_scenarios())
