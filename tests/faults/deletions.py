"""A person deletes what a task belongs to: nobody owns any more what it has started."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

from tests.faults.kinds import OWN
from tests.faults.scenes import Scenario, Scene

SUITE = "deleted"

# Another scenario may have stopped the triggerer just when this one needs it, and a worker may take up what is deleted:
# the journal is worked off every five minutes.
_JOURNAL_SECONDS = 360.0

Act = Callable[[Scene], None]


def delete_run(scene: Scene) -> None:
    """A person marks the DAG run as failed and deletes it at once: Airflow 3 deletes none that runs."""
    scene.begin()
    scene.wait_until_it_waits()
    scene.delete_run()
    scene.wait_until_alone()


def delete_dag(scene: Scene) -> None:
    """A person deletes the DAG; Airflow deletes none with a task that runs in a worker."""
    scene.begin()
    scene.wait_until_it_waits()
    scene.delete_dag()
    scene.wait_until_alone()


def delete_before_the_answer(scene: Scene) -> None:
    """A person deletes the DAG run while the answer to the start does not come, which has had its effect."""
    scene.inject(scene.kind.start, "drop", seconds=600)
    scene.begin()
    scene.wait_for_fault()
    scene.delete_run()
    scene.wait_until_alone()


def delete_without_triggerer(scene: Scene) -> None:
    """A person marks the DAG run as failed and deletes it while no triggerer runs: the next finds it in its journal."""
    scene.begin()
    scene.wait_until_it_waits()
    with scene.without_triggerer():
        scene.delete_run()
    scene.wait_until_alone()


def _scenarios() -> Iterator[Scenario]:
    acts: dict[str, Act] = {
        "DAG run marked failed and deleted": delete_run,
        "DAG deleted": delete_dag,
        "DAG run deleted before the answer to its start": delete_before_the_answer,
    }
    for (kind, model), deferrable in product(OWN.items(), (False, True)):
        where: dict[str, Any] = {
            "suite": SUITE,
            "kind": kind,
            "deferrable": deferrable,
            "lasts": 600.0,
            "ends": "gone",
            "within": _JOURNAL_SECONDS,
        }
        for name, act in acts.items():
            yield Scenario(name=name, act=act, **where)
            if model.is_job_run:
                parameters = {"submit_from": "triggerer"}
                yield Scenario(name=f"{name}, submitted from the triggerer", act=act, parameters=parameters, **where)
        if deferrable:
            name = "DAG run deleted while no triggerer runs"
            yield Scenario(name=name, act=delete_without_triggerer, **where)
        kept = {f"{model.model.verb}_on_kill": False}
        yield Scenario(name="DAG run marked failed and deleted, keep", act=delete_run, parameters=kept, left=1, **where)


SCENARIOS = list(_scenarios())
