"""A worker is killed at each boundary of what an operator does: the retry goes on, and nothing is there twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any

import pytest

from airflow_emrs_ext._compat import AIRFLOW_VERSION
from tests.faults.scenes import Scenario, Scene, check, outcomes

__all__ = ["outcomes"]

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.faults,
    pytest.mark.timeout(900),
    pytest.mark.skipif(AIRFLOW_VERSION.release < (2, 11), reason="the deployments are of Airflow 2.11 and 3.3"),
]

SUITE = "lost worker"
# Until Airflow has noticed the loss and the retry has begun.
RETRY = {"retries": 2}
# Longer and shorter than that takes.
LONG, SHORT = 40.0, 2.0

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
    at_call(f"Start{scene.operation}", "drop")(scene)
    scene.inject(f"List{scene.operation}s", "stall", seconds=600)
    scene.wait_for_fault()
    scene.kill_worker()


def _scenarios() -> Iterator[Scenario]:
    def scenario(name: str, act: Act, lasts: float = LONG, **more: Any) -> Scenario:
        return Scenario(SUITE, name, kind, deferrable, act, lasts=lasts, **{"parameters": RETRY, **more})

    for kind, noun in (("job_run", "JobRun"), ("session", "Session")):
        start, get = f"Start{noun}", f"Get{noun}"
        for deferrable in (False, True):
            yield scenario(f"before {start}", at_call(start, "stall"))
            yield scenario(f"{start} had its effect, no answer yet", at_call(start, "drop"))
            yield scenario(f"{start} had its effect, over at the retry", at_call(start, "drop"), SHORT)
            yield scenario(f"{start} answered, before the first {get}", at_call(get, "stall"))
            yield scenario(f"no answer yet to the first {get}", at_call(get, "drop"))
            yield scenario(f"{start} had its effect, and the retry is killed too", twice)
            of = "triggerer" if deferrable else "worker"
            yield scenario(f"before a later {get} ({of})", at_call(get, "stall", after=1, of=of))
            yield scenario(f"no answer yet to a later {get} ({of})", at_call(get, "drop", after=1, of=of))
            if kind == "job_run":
                for operation in ("ListJobRunAttempts", "GetApplication"):
                    yield scenario(f"before {operation} ({of})", at_call(operation, "stall", of=of), SHORT)
                    yield scenario(f"no answer yet to {operation} ({of})", at_call(operation, "drop", of=of), SHORT)
            if deferrable:
                yield scenario("before the deferral", at_gate("deferral"))
            yield scenario("after the last call", at_gate("end"), SHORT)
        deferrable = False
        failed = {"lasts": SHORT, "succeeds": False, "started": 2, "ends": "failed", "parameters": {"retries": 1}}
        if kind == "job_run":
            yield scenario(f"{start} had its effect, failed at the retry", at_call(start, "drop"), **failed)


SCENARIOS = list(_scenarios())


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.id)
def test_the_retry_goes_on(scenario: Scenario, outcomes: Mapping[str, Future[dict[str, Any]]]) -> None:
    check(scenario, outcomes)
