"""Whatever happens to a task: nothing of it is lost, there twice, or left to run that should not."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

import pytest

from tests.faults import anew, deletions, ends, lost_answers, lost_workers
from tests.faults.scenes import Scenario, check, needs_deployment, outcomes

__all__ = ["outcomes"]

pytestmark = [*needs_deployment, pytest.mark.faults]

SCENARIOS = [*lost_answers.SCENARIOS, *lost_workers.SCENARIOS, *ends.SCENARIOS, *deletions.SCENARIOS, *anew.SCENARIOS]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.id)
def test_ownership(scenario: Scenario, outcomes: Mapping[str, Future[dict[str, Any]]]) -> None:
    check(scenario, outcomes)
