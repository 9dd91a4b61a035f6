"""The same faults with the Amazon provider's operator and with this package's, side by side.

These tests record what happens; they fail only where a case could not be run. ``docs/explanation/comparison.md`` shows
the table; the lines with hundreds of tasks come from :mod:`tests.faults.test_masses`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

import pytest

from tests.faults.ends import clear, mark, mark_run_failed, pause, time_out
from tests.faults.lost_workers import at_call
from tests.faults.scenes import Scenario, Scene, needs_deployment, outcomes

__all__ = ["outcomes"]

pytestmark = [*needs_deployment, pytest.mark.faults]

SUITE = "comparison"
# Longer than it takes until a lost worker is noticed and the retry has begun; no end.
LONG, ENDLESS = 120.0, 1800.0
# The waiter_delay of each operator is its default.
DEFAULTS: Mapping[str, Mapping[str, Any]] = {"amazon_job_run": {}, "job_run": {"waiter_delay": 30}}


def _scenario(
    kind: str, name: str, act: Callable[[Scene], None], lasts: float = ENDLESS, dag: Any = None, **parameters: Any
) -> Scenario:
    parameters = {"retries": 2, **DEFAULTS[kind], **parameters}
    return Scenario(SUITE, name, kind, False, act, parameters=parameters, dag=dag or {}, lasts=lasts)


SCENARIOS = [
    scenario
    for kind in DEFAULTS
    for scenario in (
        _scenario(kind, "worker killed before StartJobRun", at_call("StartJobRun", "stall"), 30),
        _scenario(
            kind, "worker killed, StartJobRun had its effect, no answer yet", at_call("StartJobRun", "drop"), LONG
        ),
        _scenario(
            kind, "worker killed, StartJobRun had its effect, over at the retry", at_call("StartJobRun", "drop"), 2
        ),
        _scenario(kind, "worker killed, StartJobRun answered", at_call("GetJobRun", "stall"), LONG),
        _scenario(kind, "worker killed while the task waits", at_call("GetJobRun", "stall", after=1), LONG),
        _scenario(kind, "task cleared", clear, 60),
        _scenario(kind, "task marked failed", mark("failed")),
        _scenario(kind, "task marked success", mark("success")),
        _scenario(kind, "DAG run marked failed", mark_run_failed),
        _scenario(kind, "DAG run timed out", time_out, dag={"dagrun_timeout": 45}),
        _scenario(kind, "DAG paused", pause, 15),
        _scenario(kind, "execution_timeout", time_out, execution_timeout=16),
    )
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.id)
def test_it_is_recorded(scenario: Scenario, outcomes: Mapping[str, Future[dict[str, Any]]]) -> None:
    assert None not in outcomes[scenario.id].result().values()
