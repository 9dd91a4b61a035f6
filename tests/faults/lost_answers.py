"""The service does not answer the start, or refuses it for a while: the task waits, and one thing is started."""

from __future__ import annotations

import os
import threading

from tests.faults.kinds import OWN
from tests.faults.scenes import Scenario, Scene

SUITE = "lost answer"
THROTTLED_SECONDS = float(os.environ.get("EMRS_FAULTS_THROTTLED_SECONDS", "180"))


def dropped(scene: Scene) -> None:
    """The service starts it, and its answer is lost."""
    scene.inject(scene.kind.start, "drop", times=2)
    scene.begin()


def reset(scene: Scene) -> None:
    """The connection is closed before the service has understood."""
    scene.inject(scene.kind.start, "reset", times=3)
    scene.begin()


def broken(scene: Scene) -> None:
    """The service answers with its own errors."""
    scene.inject(scene.kind.start, "error", times=5)
    scene.begin()


def broken_while_it_waits(scene: Scene) -> None:
    """The looks at what was started fail one after the other, in each way."""
    for fault in ("error", "reset", "throttle"):
        scene.inject(scene.kind.get, fault, times=3, after=1 if fault == "error" else 0)
    scene.begin()


def throttled_start(scene: Scene) -> None:
    """The service throttles every call."""
    scene.inject("*", "throttle", times=None)
    scene.begin()
    _wait_and_relent(scene)


def throttled_wait(scene: Scene) -> None:
    """The service throttles every call as soon as the task waits."""
    scene.begin()
    scene.wait_until_it_waits()
    scene.inject("*", "throttle", times=None)
    _wait_and_relent(scene)


def _wait_and_relent(scene: Scene) -> None:
    threading.Event().wait(THROTTLED_SECONDS)
    scene.emr.clear_faults(scene.place)


SCENARIOS = [
    Scenario(SUITE, name, kind, deferrable, act, lasts=10.0, tries=1)
    for kind, model in OWN.items()
    for deferrable in (False, True)
    for name, act in (
        # Those that take long come first.
        (f"every call is throttled for {THROTTLED_SECONDS:g} s, from the start", throttled_start),
        (f"every call is throttled for {THROTTLED_SECONDS:g} s, while the task waits", throttled_wait),
        (f"the answer of {model.start} is dropped after its effect, twice", dropped),
        (f"the connection of {model.start} is reset, three times", reset),
        (f"{model.start} answers 500, five times", broken),
        (f"{model.get} answers 500, is reset, is throttled, three times each", broken_while_it_waits),
    )
]
