"""A few of the scenarios, for every run of the tests: the others are in ``make test-faults``."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

import pytest

from airflow_emrs_ext._compat import AIRFLOW_VERSION
from tests.faults import anew, deletions, ends, lost_answers, lost_workers
from tests.faults.scenes import Scenario, check, needs_deployment, outcomes

__all__ = ["outcomes"]

pytestmark = [
    *needs_deployment,
    pytest.mark.skipif(AIRFLOW_VERSION.release < (3, 3), reason="the newest Airflow is enough"),
]

# Suite, name, kind, whether it is deferrable.
CHOSEN = {
    ("lost worker", "StartJobRun had its effect, over at the retry", "job_run", False),
    ("lost worker", "StartSession had its effect, over at the retry", "session", True),
    ("lost answer", "the answer of StartJobRun is dropped after its effect, twice", "job_run", True),
    ("ends", "marked failed, cancel", "job_run", False),
    ("ends", "marked failed, terminate", "session", True),
    ("deleted", "DAG run marked failed and deleted", "job_run", False),
    ("deleted", "DAG deleted, submitted from the triggerer", "job_run", True),
    ("anew", "arguments changed, cleared while it waits", "job_run", True),
    ("lost worker", "StartJobRun had its effect, over at the retry", "eks_job_run", True),
    ("ends", "marked failed, cancel", "eks_job_run", True),
}
SCENARIOS = [
    scenario
    for suite in (lost_workers, lost_answers, ends, deletions, anew)
    for scenario in suite.SCENARIOS
    if (scenario.suite, scenario.name, scenario.kind, scenario.deferrable) in CHOSEN
]


def test_each_is_there() -> None:
    assert len(SCENARIOS) == len(CHOSEN)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.id)
def test_ownership(scenario: Scenario, outcomes: Mapping[str, Future[dict[str, Any]]]) -> None:
    check(scenario, outcomes)
