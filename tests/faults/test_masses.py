"""Hundreds of tasks wait in the triggerer, and the triggerer, the service or a person does something to all of them.

The cases that a reader may want to compare run with the Amazon provider's operator, too, and are only recorded then.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.faults import masses
from tests.faults.masses import KILLED, OPERATORS, OUTAGE_SECONDS, WAITING, deferred
from tests.faults.report import record
from tests.faults.scenes import needs_deployment

# The first limit is the one that holds.
pytestmark = [pytest.mark.timeout(5400), *needs_deployment, pytest.mark.faults]

SUITE = "hundreds of tasks"
OURS = "job_run"

both = pytest.mark.parametrize("kind", OPERATORS)


def write_down(kind: str, what: str, facts: dict[str, Any]) -> dict[str, Any]:
    """A line of the table."""
    name = "".join(letter if letter.isalnum() else "_" for letter in f"{what} {kind}")
    return record(SUITE, name, operator=kind.replace("_", " "), what=what, mode="deferrable", **facts)


def test_the_triggerer_is_killed(tmp_path: Path) -> None:
    """Half of the job runs end while there is no triggerer, half when there is a new one; every other one fails."""
    half = WAITING // 2

    def is_good(index: int) -> bool:
        return index % 2 == 0

    with deferred(OURS, "restart", WAITING, tmp_path, retries=0) as (mass, _):
        masses.restart_triggerer(mass, lambda: mass.finish(range(half), is_good))
        mass.wait_until("the first half is over", lambda: mass.states()["deferred"] == WAITING - half, 600)
        mass.finish(succeeds=is_good)
        mass.wait_until("all are over", mass.is_over, 120 + 3 * WAITING)
        outcomes = mass.outcomes()
        right = sum(outcomes[index] == ("success" if is_good(index) else "failed") for index in range(WAITING))
        facts = write_down(OURS, "triggerer killed", {**mass.facts(), "right_outcomes": right})
    assert facts["right_outcomes"] == WAITING
    assert facts["started"] == WAITING
    assert facts["left_active"] == 0


@both
def test_the_service_is_away(kind: str, tmp_path: Path) -> None:
    with deferred(kind, "outage", WAITING, tmp_path) as (mass, forwarder):
        facts = write_down(kind, f"connections refused for {OUTAGE_SECONDS:g} s", masses.outage(mass, forwarder))
    if kind == OURS:
        assert facts["failed_tasks"] == 0
        assert facts["tries"] == 1
        assert facts["started"] == WAITING
        assert facts["left_active"] == 0


@both
def test_all_are_cleared(kind: str, tmp_path: Path) -> None:
    with deferred(kind, "cleared", KILLED, tmp_path) as (mass, _):
        facts = write_down(kind, "all cleared at once", masses.clear(mass))
        if kind == OURS:
            assert mass.waits()
    if kind == OURS:
        assert facts["left_active"] == 0
        assert facts["started"] == 2 * KILLED


@both
def test_all_are_marked_as_failed(kind: str, tmp_path: Path) -> None:
    with deferred(kind, "marked", KILLED, tmp_path) as (mass, _):
        facts = write_down(kind, "all marked failed at once", masses.mark_failed(mass))
    check_marked(kind, facts)


def test_all_are_marked_as_failed_and_the_triggerer_is_killed(tmp_path: Path) -> None:
    with deferred(OURS, "marked", KILLED, tmp_path) as (mass, _):
        facts = masses.mark_failed(mass, kills_triggerer_after=20)
        write_down(OURS, "all marked failed at once, triggerer killed 20 s later", facts)
    check_marked(OURS, facts)


def check_marked(kind: str, facts: dict[str, Any]) -> None:
    """What is to be found with this package's operator."""
    if kind == OURS:
        assert facts["failed_tasks"] == KILLED
        assert facts["left_active"] == 0
        assert facts["started"] == KILLED
