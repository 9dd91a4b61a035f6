"""Which Airflow this is: one identity per deployment, however many tasks come first, and none that is guessed."""

from __future__ import annotations

import heapq
import random
import threading
from typing import Any

import pytest

from airflow_emrs_ext._compat import AIRFLOW_3
from airflow_emrs_ext.core import deployment
from airflow_emrs_ext.core.deployment import VARIABLE, agreed, deployment_of
from airflow_emrs_ext.core.deployment import _compat as variables_of
from airflow_emrs_ext.exceptions import DeploymentUnknown
from tests.running import TaskInstance, context_of

PROPOSAL = f"{VARIABLE}_proposal"


class Time:
    """Virtual time for threads: it goes on when all of them wait, to the moment of the one that waits the shortest."""

    def __init__(self, threads: int) -> None:
        self._busy = threads
        self._now = 0.0
        self._order = 0
        self._waiting: list[tuple[float, int, threading.Event]] = []
        self._lock = threading.Lock()

    def sleep(self, seconds: float) -> None:
        come = threading.Event()
        with self._lock:
            self._order += 1
            heapq.heappush(self._waiting, (self._now + seconds, self._order, come))
            self._rest()
        assert come.wait(30)

    def done(self) -> None:
        with self._lock:
            self._rest()

    def _rest(self) -> None:
        self._busy -= 1
        if not self._busy and self._waiting:
            self._now, _, next_one = heapq.heappop(self._waiting)
            self._busy = 1
            next_one.set()


class Overwriting:
    """Variables as a task of Airflow 3 sees them: calls take time, and a later one overwrites.

    :param stalls: the call to make the proposal takes so much longer before it has an effect
    """

    inserts = False

    def __init__(self, stored: dict[str, str], time: Time, chance: random.Random, stalls: float = 0.0) -> None:
        self._stored, self._time, self._chance, self._stalls = stored, time, chance, stalls

    def get(self, key: str) -> str | None:
        self._time.sleep(self._chance.uniform(0, 1))
        found = self._stored.get(key)
        self._time.sleep(self._chance.uniform(0, 1))
        return found

    def put(self, key: str, value: str) -> None:
        self._time.sleep(self._chance.uniform(0, 1) + (self._stalls if key == PROPOSAL else 0))
        self._stored[key] = value
        self._time.sleep(self._chance.uniform(0, 1))


def race(seed: int, racers: int = 5, stalls: float = 0.0) -> tuple[set[str], dict[str, str]]:
    """What first tasks that start at about the same time take for their Airflow's identity, and what is stored."""
    stored: dict[str, str] = {}
    time, chance, found = Time(racers), random.Random(seed), []

    def task(number: int) -> None:
        variables = Overwriting(stored, time, chance, stalls if number == 0 else 0.0)
        time.sleep(chance.uniform(0, 4))
        found.append(agreed(variables, VARIABLE, time.sleep))
        time.done()

    threads = [threading.Thread(target=task, args=(number,)) for number in range(racers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == racers
    return set(found), stored


@pytest.mark.parametrize("stalls", [0.0, 60.0], ids=["all", "one was stopped for a minute"])
def test_first_tasks_that_race_agree(stalls: float) -> None:
    for seed in range(60):
        found, stored = race(seed, stalls=stalls)
        assert found == {stored[VARIABLE]}, f"seed {seed}"


def test_without_a_pause_they_would_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment, "_SETTLE_SECONDS", 0.0)
    assert any(len(race(seed)[0]) > 1 for seed in range(60))


class Stored:
    """Variables that answer at once."""

    def __init__(self, stored: dict[str, str], *, inserts: bool = False) -> None:
        self.stored, self.inserts = stored, inserts
        self.calls = 0

    def get(self, key: str) -> str | None:
        self.calls += 1
        return self.stored.get(key)

    def put(self, key: str, value: str) -> None:
        if not (self.inserts and key in self.stored):
            self.stored[key] = value


def no_pause(seconds: float) -> None:
    """Do not wait."""


def test_what_somebody_deletes_comes_back_the_same() -> None:
    variables = Stored({})
    found = agreed(variables, VARIABLE, no_pause)
    del variables.stored[VARIABLE]
    assert agreed(variables, VARIABLE, no_pause) == found


def test_where_a_key_is_unique_the_first_wins() -> None:
    variables = Stored({}, inserts=True)
    found = agreed(variables, VARIABLE, no_pause)
    assert (found, variables.stored) == (variables.stored[VARIABLE], {VARIABLE: found})


def test_what_does_not_stay_is_not_made_for_ever() -> None:
    class Forgetful(Stored):
        def put(self, key: str, value: str) -> None:
            self.calls += 1

    variables = Forgetful({})
    with pytest.raises(LookupError):
        agreed(variables, VARIABLE, no_pause)
    assert variables.calls < 50


@pytest.fixture
def unnamed(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An Airflow that nobody has given a name."""
    monkeypatch.delenv("AIRFLOW__EMRS_EXT__DEPLOYMENT")
    monkeypatch.setattr(deployment, "_known", {})
    return monkeypatch


CONTEXT = context_of(TaskInstance())


def test_a_given_name_wins_and_asks_nobody(unnamed: pytest.MonkeyPatch) -> None:
    unnamed.setenv("AIRFLOW__EMRS_EXT__DEPLOYMENT", "production")
    unnamed.setattr(deployment, "variables", lambda: pytest.fail("asked"))
    assert deployment_of(CONTEXT) == "production"


def test_a_process_asks_once(unnamed: pytest.MonkeyPatch) -> None:
    variables = Stored({VARIABLE: "0123"})
    unnamed.setattr(deployment, "variables", lambda: variables)
    assert [deployment_of(CONTEXT) for _ in range(3)] == ["0123"] * 3
    assert variables.calls == 1


def test_without_any_airflow_it_is_the_processs_own(unnamed: pytest.MonkeyPatch) -> None:
    def none() -> Any:
        raise variables_of.NoAirflow

    unnamed.setattr(deployment, "variables", none)
    found = deployment_of(CONTEXT)
    assert found
    assert deployment_of(CONTEXT) == found


def test_an_airflow_that_does_not_answer_is_asked_again_and_then_nothing_is_started(
    unnamed: pytest.MonkeyPatch,
) -> None:
    moments = iter(range(0, 10_000, 10))
    pauses: list[float] = []

    class Down(Stored):
        def get(self, key: str) -> str | None:
            self.calls += 1
            raise ConnectionError("no route")

    down = Down({})
    unnamed.setattr(deployment, "variables", lambda: down)
    with pytest.raises(DeploymentUnknown) as refused:
        deployment._looked_up(VARIABLE, pauses.append, lambda: float(next(moments)))
    assert "[emrs_ext] deployment" in str(refused.value)
    assert "no route" in str(refused.value)
    assert down.calls > 10
    assert len(pauses) == down.calls - 1


@pytest.mark.airflow
@pytest.mark.skipif(AIRFLOW_3, reason="its tasks may not use the database")
def test_the_database_of_airflow_2_has_it_once(unnamed: pytest.MonkeyPatch) -> None:
    from airflow.models import Variable
    from airflow.settings import engine

    with pytest.raises(variables_of.NoAirflow):
        variables_of.variables().get(VARIABLE)
    table: Any = Variable.__table__
    table.create(engine)
    try:
        found: list[str] = []
        threads = [
            threading.Thread(target=lambda: found.append(agreed(variables_of.variables(), VARIABLE, no_pause)))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(found) == 4
        assert set(found) == {deployment_of(CONTEXT)}
    finally:
        table.drop(engine)


class Comms:
    """What a task of Airflow 3 asks its supervisor through, as of an API server with these Variables."""

    def __init__(self, stored: dict[str, str], error: str | None = None) -> None:
        self.stored, self.error = stored, error

    def send(self, message: Any) -> Any:
        from airflow.sdk.exceptions import ErrorType
        from airflow.sdk.execution_time.comms import ErrorResponse, GetVariable, VariableResult

        if self.error:
            return ErrorResponse(error=ErrorType[self.error])
        if not isinstance(message, GetVariable):
            self.stored[message.key] = message.value
            return None
        if message.key in self.stored:
            return VariableResult(key=message.key, value=self.stored[message.key])
        return ErrorResponse(error=ErrorType.VARIABLE_NOT_FOUND)


@pytest.mark.airflow
@pytest.mark.skipif(not AIRFLOW_3, reason="the API of Airflow 3")
def test_the_api_of_airflow_3_is_told_from_one_that_fails() -> None:
    from airflow.sdk.exceptions import AirflowRuntimeError

    stored: dict[str, str] = {}
    found = agreed(variables_of.ByApi(Comms(stored)), VARIABLE, no_pause)
    assert stored == {VARIABLE: found, PROPOSAL: found}
    with pytest.raises(AirflowRuntimeError):
        variables_of.ByApi(Comms(stored, error="API_SERVER_ERROR")).get(VARIABLE)
