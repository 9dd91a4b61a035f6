"""Keep how tasks end in this release, for those after it: ``python -m tests.simulation.record NAME``.

Only where that is no matter of what is being changed: without a fault that this release does not live with.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from tests.simulation.airflow import happen, outcomes
from tests.simulation.driver import simulated
from tests.simulation.histories import History, draw

_COUNT = 240
_FAULTS = frozenset({"throttled", "broken", "lost_before", "lost_after", "stale", "reordered", "dropped"})
_EVENTS = frozenset({"mark_failed", "mark_success", "clear", "lose_worker", "lose_triggerer", "stop_triggerer"})


def _lawful() -> Iterator[History]:
    for seed in range(10_000_000, 10_100_000):
        history = draw(seed)
        if (
            not any(one.place for one in history.tasks)
            and {one.family for one in history.windows} <= _FAULTS
            and {one.what for one in history.events} <= _EVENTS
            and set(history.skews) == {0.0}
            and not any(one.odd for one in history.runs)
        ):
            yield history


def main() -> None:
    kept = []
    with simulated():
        for history in _lawful():
            watcher = happen(history)
            if not watcher.violations:
                ends = [asdict(one) for one in outcomes(watcher.world)]
                kept.append({"history": history.to_json(), "outcomes": ends})
            if len(kept) == _COUNT:
                break
    path = Path(__file__).parent / "corpus" / f"{sys.argv[1]}.json"
    path.write_text("[\n" + ",\n".join(json.dumps(one) for one in kept) + "\n]\n")


if __name__ == "__main__":
    main()
