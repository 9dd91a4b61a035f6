"""What is held against a history: the invariants as it happens, and what must be the same in another history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.simulation.airflow import happen, outcomes
from tests.simulation.driver import CALL_PATIENCE
from tests.simulation.histories import MODES, History
from tests.simulation.invariants import Violation

# Of how many histories one is compared with others, each of which is another history that is not counted.
_COMPARED = 4


def check(history: History) -> list[Violation]:
    """What a history violates; call it within :func:`~tests.simulation.driver.simulated`."""
    watcher = happen(history)
    if watcher.violations or history.seed % _COMPARED or not is_harmless(history):
        return watcher.violations
    found = outcomes(watcher.world)
    for other in _equal(history):
        another = happen(other)
        if another.violations:
            return another.violations
        if (ends := outcomes(another.world)) != found:
            how = f"{other.tasks[0].mode}, {'with' if other.windows else 'without'} faults"
            return [Violation("unequal", f"{found} here, {ends} {how}", watcher.world.loop.now)]
    return []


def is_harmless(history: History) -> bool:
    """Whether nothing happens but faults that pass within the patience: they must change nothing.

    Whether something was seen running that has failed soon is a matter of when it was looked at, and so is whether a
    failure looks like a state that nobody knows to the next try.
    """
    return (
        not history.events
        and not any(one.timeout is not None or one.place or one.wait_for == "running" for one in history.tasks)
        and sum(one.lasts for one in history.windows) <= 0.7 * CALL_PATIENCE
        and not (
            any(one.family == "odd" for one in history.windows) and any(one.ends == "failure" for one in history.runs)
        )
    )


def _equal(history: History) -> Iterator[History]:
    """The histories that must end as a harmless one: in the other modes, and without the faults."""
    (task,) = history.tasks
    modes = MODES[:2] if task.kind == "session" else MODES
    for mode in modes:
        if mode != task.mode:
            yield replace(history, tasks=(replace(task, mode=mode),))
    if history.windows:
        yield replace(history, windows=())


def fails_alike(kind: str) -> Callable[[History], bool]:
    """Whether a history violates the same invariant."""
    return lambda history: any(one.kind == kind for one in check(history))
