"""Somebody or something ends the task: what it has started goes on or is ended, as the operator's policy says."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any

from tests.faults.deployment import TIMES_LONGER
from tests.faults.kinds import OWN
from tests.faults.scenes import TASK, Scenario, Scene

SUITE = "ends"
LONG = 600.0
# A worker has to have begun by then, on a machine that runs many scenarios at once.
TIMEOUT = 60 * TIMES_LONGER
Act = Callable[[Scene], None]


def mark(state: str) -> Act:
    """A person marks the task."""

    def act(scene: Scene) -> None:
        scene.begin()
        scene.wait_until_it_waits()
        scene.deployment.mark(scene.dag_id, TASK, state)
        scene.wait_until_alone()

    return act


def mark_without_triggerer(scene: Scene) -> None:
    """A person marks the task while no triggerer runs: the next finds it in its journal."""
    scene.begin()
    scene.wait_until_it_waits()
    with scene.without_triggerer():
        scene.deployment.mark(scene.dag_id, TASK, "failed")
    scene.wait_until_alone()


def mark_run_failed(scene: Scene) -> None:
    """A person marks the DAG run."""
    scene.begin()
    scene.wait_until_it_waits()
    scene.deployment.mark_run(scene.dag_id, "failed")
    scene.wait_until_alone()


def clear(scene: Scene) -> None:
    """A person clears the task while it waits."""
    scene.begin()
    scene.wait_until_it_waits()
    scene.clear()


def time_out(scene: Scene) -> None:
    """The time of the DAG run or of the task is up."""
    scene.begin()
    scene.wait_for_end()
    scene.wait_until_alone()


def time_out_in_a_call(scene: Scene) -> None:
    """The time of the task is up while a call hangs."""
    scene.inject(scene.kind.get, "stall", after=2)
    time_out(scene)


def pause(scene: Scene) -> None:
    """A person pauses the DAG until what it waits for is over."""
    scene.begin()
    scene.wait_until_it_waits()
    scene.deployment.pause(scene.dag_id)
    done = {str(state) for state in scene.kind.model.states if state.is_success}
    scene.deployment.wait_for("the work", lambda: {one["state"] for one in scene.started()} <= done, 90)
    scene.deployment.pause(scene.dag_id, False)


def terminate(scene: Scene) -> None:
    """The worker is shut down, as at scale-in: SIGTERM, which no person has asked for."""
    scene.begin()
    scene.wait_until_it_waits()
    scene.deployment.signal_task(scene.dag_id, TASK, signal.SIGTERM)
    scene.wait_until_alone()


def _scenarios() -> Iterator[Scenario]:
    for kind, deferrable in product(OWN, (False, True)):
        where: dict[str, Any] = {"suite": SUITE, "kind": kind, "deferrable": deferrable}
        for ends in (True, False):
            yield from _under_policy(OWN[kind].model.verb, ends, where)
        yield Scenario(name="DAG paused", act=pause, lasts=15.0, **where)


def _under_policy(verb: str, ends: bool, where: Mapping[str, Any]) -> Iterator[Scenario]:
    policy = {f"{verb}_on_kill": ends, f"{verb}_on_timeout": ends}

    def scenario(name: str, act: Act, parameters: Mapping[str, Any] | None = None, **more: Any) -> Scenario:
        named = f"{name}, {verb if ends else 'keep'}"
        return Scenario(name=named, act=act, parameters={**policy, **(parameters or {})}, **{**where, **more})

    left: dict[str, Any] = {"left": 0 if ends else 1, "lasts": LONG}
    failed = {"ends": "failed", **left}
    yield scenario("DAG run timed out", time_out, dag={"dagrun_timeout": 90 * TIMES_LONGER}, **failed)
    yield scenario("execution_timeout", time_out, {"execution_timeout": TIMEOUT}, **failed)
    yield scenario("execution_timeout, a call hangs", time_out_in_a_call, {"execution_timeout": TIMEOUT}, **failed)
    yield scenario("marked failed", mark("failed"), **failed)
    yield scenario("marked success", mark("success"), **left)
    yield scenario("DAG run marked failed", mark_run_failed, **failed)
    if where["deferrable"]:
        yield scenario("marked failed while no triggerer runs", mark_without_triggerer, **failed)
    # Airflow may take the end of the old try's process for the new try's, and fail that one: hence the retries.
    retries = {"retries": 3}
    yield scenario("cleared", clear, retries, lasts=75.0, started=2 if ends else 1)
    if not where["deferrable"]:
        yield scenario("SIGTERM, no retries left", terminate, **failed)
        yield scenario("SIGTERM, retries left", terminate, retries, lasts=30.0)


SCENARIOS = list(_scenarios())
