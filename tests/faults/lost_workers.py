"""A worker is killed at each boundary of what an operator does: the retry goes on, and nothing is there twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from tests.faults.kinds import OWN
from tests.faults.scenes import Scenario, Scene

SUITE = "lost worker"
# Until Airflow has noticed the loss and the retry has begun.
RETRY = {"retries": 2}
# Longer and shorter than that takes.
LONG, SHORT = 45.0, 2.0

Act = Callable[[Scene], None]


def at_call(operation: str, fault: str, *, after: int = 0, of: str = "worker") -> Act:
    """The worker (or triggerer) is killed while a call of it hangs.

    :param fault: ``stall``: the call has had no effect; ``drop``: it has, but the answer does not come
    :param after: how many calls of the operation come before
    """

    def act(scene: Scene) -> None:
        scene.inject(operation, fault, seconds=600, after=after)
        scene.begin()
        scene.wait_for_fault()
        getattr(scene, f"kill_{of}")()

    return act


def at_gate(where: str) -> Act:
    """The worker is killed between two calls or after the last."""

    def act(scene: Scene) -> None:
        reached = scene.gate(where)
        scene.begin()
        scene.deployment.wait_for(f"{scene.dag_id} at its gate", reached.exists, 120)
        scene.kill_worker()

    return act


def twice(scene: Scene) -> None:
    """The retry is killed, too, while it looks for what the first try has left."""
    at_call(scene.kind.start, "drop")(scene)
    scene.inject(scene.kind.list, "stall", seconds=600)
    scene.wait_for_fault()
    scene.kill_worker()


def _scenarios() -> Iterator[Scenario]:
    for kind, model in OWN.items():
        start, get = model.start, model.get
        for deferrable in (False, True):
            where: dict[str, Any] = {"suite": SUITE, "kind": kind, "deferrable": deferrable, "parameters": RETRY}
            at = partial(Scenario, **where, lasts=LONG)
            at_end = partial(Scenario, **where, lasts=SHORT)
            yield at(name=f"before {start}", act=at_call(start, "stall"))
            yield at(name=f"{start} had its effect, no answer yet", act=at_call(start, "drop"))
            yield at_end(name=f"{start} had its effect, over at the retry", act=at_call(start, "drop"))
            yield at(name=f"{start} answered, before the first {get}", act=at_call(get, "stall"))
            yield at(name=f"no answer yet to the first {get}", act=at_call(get, "drop"))
            yield at(name=f"{start} had its effect, and the retry is killed too", act=twice)
            of = "triggerer" if deferrable else "worker"
            yield at(name=f"before a later {get} ({of})", act=at_call(get, "stall", after=1, of=of))
            yield at(name=f"no answer yet to a later {get} ({of})", act=at_call(get, "drop", after=1, of=of))
            for call in model.report:
                yield at_end(name=f"before {call} ({of})", act=at_call(call, "stall", of=of))
                yield at_end(name=f"no answer yet to {call} ({of})", act=at_call(call, "drop", of=of))
            if model.is_job_run:
                failed: dict[str, Any] = {"succeeds": False, "started": 2, "ends": "failed"}
                once = {**where, "parameters": {"retries": 1}, **failed}
                name = f"{start} had its effect, failed at the retry"
                yield Scenario(name=name, act=at_call(start, "drop"), lasts=SHORT, **once)
            if deferrable:
                yield at(name="before the deferral", act=at_gate("deferral"))
            yield at_end(name="after the last call", act=at_gate("end"))


SCENARIOS = list(_scenarios())
