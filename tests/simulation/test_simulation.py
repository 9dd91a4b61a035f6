"""Histories that were kept, and some that nobody has seen yet."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from dataclasses import asdict

import pytest

from airflow_emrs_ext._compat import AIRFLOW_3
from tests.simulation.airflow import happen, outcomes
from tests.simulation.checking import check, fails_alike
from tests.simulation.driver import simulated
from tests.simulation.histories import History, Kept, corpus, draw, shrunk
from tests.simulation.mutants import MUTANTS, mutated

pytestmark = pytest.mark.airflow

KEPT = corpus()
FOUND = [one for one in KEPT if not one.outcomes and not one.fault]
RECORDED = [one for one in KEPT if one.outcomes]
OF_FAULTS = [one for one in KEPT if one.fault]

# As many as take a few seconds.
_FRESH = 300


@pytest.fixture(scope="module", autouse=True)
def in_virtual_time() -> Iterator[None]:
    """A pass of the garbage collector over all of Airflow's modules takes longer than many histories."""
    gc.collect()
    gc.freeze()
    with simulated():
        yield
    gc.unfreeze()


@pytest.mark.parametrize("kept", FOUND, ids=lambda kept: kept.name)
def test_what_was_found_once(kept: Kept) -> None:
    assert check(kept.history) == []


def test_what_was_recorded_ends_as_it_did() -> None:
    differing = {}
    for kept in RECORDED:
        watcher = happen(kept.history)
        ends = [asdict(one) for one in outcomes(watcher.world)]
        if watcher.violations or ends != kept.outcomes:
            differing[kept.name] = (watcher.violations, ends, kept.outcomes)
    assert differing == {}


def test_histories_that_nobody_has_seen() -> None:
    # The same each time, so that a change is what decides; `make simulate FIRST=…` takes others.
    first = 1_000_000
    for seed in range(first, first + _FRESH):
        violations = check(draw(seed))
        if violations:
            small = shrunk(draw(seed), fails_alike(violations[0].kind))
            pytest.fail(f"{violations[0]}\nIn the corpus it would be:\n{json.dumps({'history': small.to_json()})}")


@pytest.mark.skipif(not AIRFLOW_3, reason="two of the faults are put back where Airflow 3 is asked")
@pytest.mark.parametrize("kept", OF_FAULTS, ids=lambda kept: kept.fault)
def test_each_fault_that_is_put_back_is_found(kept: Kept) -> None:
    with mutated(kept.fault):
        assert check(kept.history)
    assert not check(kept.history)


def test_there_is_a_history_for_each_fault() -> None:
    assert {kept.fault for kept in OF_FAULTS} == set(MUTANTS)


def test_a_history_is_the_same_each_time() -> None:
    for seed in (1, 2, 3, 5, 8):
        first, second = (happen(draw(seed)) for _ in range(2))
        assert outcomes(first.world) == outcomes(second.world)
        assert first.world.service.calls == second.world.service.calls


@pytest.mark.parametrize("seed", [0, 7, 21])
def test_a_history_is_plain_data(seed: int) -> None:
    history = draw(seed)
    assert History.from_json(json.loads(json.dumps(history.to_json()))) == history
