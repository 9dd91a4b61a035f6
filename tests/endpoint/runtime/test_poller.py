"""Looks at many resources at once: what a listing answers, what it does not, and what happens where there is none."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import permutations
from typing import Any

import pytest
from aiobotocore.session import AioSession
from botocore.loaders import JSONFileLoader

from airflow_emrs_ext.core.effects import Call, Effects, Observation, PollState, RunContext, WaitPolicy
from airflow_emrs_ext.exceptions import RequestRejected, WaitTimeout
from airflow_emrs_ext.hooks.base import EmrHook
from airflow_emrs_ext.hooks.serverless import EmrServerlessHook
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from airflow_emrs_ext.runtime import poll_schedule, poller
from airflow_emrs_ext.runtime.poller import Poller
from airflow_emrs_ext.runtime.rate_limiter import RateLimiter
from airflow_emrs_ext.runtime.shared_driver import shared_driver
from airflow_emrs_ext.shared import service_model
from airflow_emrs_ext.shared.quotas import Quota
from airflow_emrs_ext.workflows.lifecycle import wait_until_changed
from tests.polling import eventually

ROLE = "arn:aws:iam::123456789012:role/job"
BEGAN = datetime(2026, 1, 1, tzinfo=timezone.utc)


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poller, "_GATHER_SECONDS", 0.02)
    monkeypatch.setattr(poll_schedule, "_SHORTEST_PAUSE", 0.05)
    monkeypatch.setattr(poll_schedule, "_PART_OF_AGE", 0.0)


class Service:
    """Job runs as a listing shows them, one created each second."""

    def __init__(self, count: int) -> None:
        self.states = dict.fromkeys((str(number) for number in range(count)), "RUNNING")
        self.requests: list[dict[str, Any]] = []
        self.hidden: set[str] = set()
        self.error: Exception | None = None

    async def run(self, steps: Effects[list[dict[str, Any]]]) -> list[dict[str, Any]]:
        answer: Any = None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as stop:
                return list(stop.value)
            answer = self.answer(step) if isinstance(step, Call) else 0.0

    def answer(self, call: Call) -> dict[str, Any]:
        assert call.operation == "list_job_runs"
        if self.error is not None:
            raise self.error
        self.requests.append(dict(call.parameters))
        after = call.parameters.get("createdAtAfter", BEGAN - timedelta(days=1))
        before = call.parameters.get("createdAtBefore", BEGAN + timedelta(days=1))
        shown = [
            {"applicationId": "app", "id": own, "state": state, "createdAt": created(own)}
            for own, state in self.states.items()
            if after < created(own) < before and own not in self.hidden
        ]
        first = int(call.parameters.get("nextToken", 0))
        more = {"nextToken": str(first + 50)} if len(shown) > first + 50 else {}
        return {"jobRuns": shown[first : first + 50], **more}


def created(own: str) -> datetime:
    return BEGAN + timedelta(seconds=int(own))


def poll_state(own: str, *, state: str | None = None, known: bool = False, within: float = 20.0) -> PollState:
    ids = {"application_id": "app", "job_run_id": own}
    return PollState("job_run", ids, state, created(own).isoformat() if known else None, 30.0, within)


async def wait_for(looks: Poller, service: Service, own: str, looked: Counter[str]) -> str:
    """Wait as a task does, until it is over; ``looked`` counts who has to look for itself."""
    state: str | None = None
    known = False
    while True:
        observation = await looks.poll_state(poll_state(own, state=state, known=known))
        if observation is None:
            looked[own] += 1
            if own not in service.states:
                return own
            state, known = service.states[own], True
        elif observation.state is None:
            return own
        else:
            state = observation.state


def waiters(looks: Poller, service: Service, owns: Iterable[str], looked: Counter[str]) -> set[asyncio.Task[str]]:
    return {asyncio.create_task(wait_for(looks, service, own, looked)) for own in owns}


async def until(condition: Callable[[], bool]) -> None:
    await asyncio.to_thread(eventually, condition)


def made(service: Service) -> Poller:
    return Poller(service.run, RateLimiter({}))


async def test_pages_answer_for_many() -> None:
    service, looked = Service(240), Counter[str]()
    looks = made(service)
    tasks = waiters(looks, service, service.states, looked)
    await until(lambda: len(service.requests) > 10)
    ended = {"3", "77", "150"}
    for own in ended:
        del service.states[own]
    await until(lambda: sum(task.done() for task in tasks) == 3)
    assert {task.result() for task in tasks if task.done()} == ended
    assert sum(looked.values()) <= 1, "no more than the first look that confirms what a listing leaves out"
    windows = [request for request in service.requests if "createdAtAfter" in request]
    assert all("nextToken" not in request for request in windows), "a window fits a page"
    seen = {(request["createdAtAfter"], request["createdAtBefore"]) for request in windows[:5]}
    assert len(seen) == 5, "one window after another"
    looks.close()


async def test_a_change_of_state_is_told_and_nothing_else() -> None:
    service = Service(30)
    looks = made(service)
    tasks = waiters(looks, service, [str(number) for number in range(1, 30)], Counter())
    assert await looks.poll_state(poll_state("0")) == Observation("RUNNING", created("0").timestamp())
    silence = asyncio.create_task(looks.poll_state(poll_state("0", state="RUNNING")))
    await until(lambda: len(service.requests) > 3)
    assert not silence.done()
    service.states["0"] = "CANCELLING"
    assert await silence == Observation("CANCELLING", created("0").timestamp())
    assert not any(task.done() for task in tasks)
    looks.close()


async def test_without_news_the_last_sight_is_the_answer() -> None:
    looks = made(Service(30))
    assert await looks.poll_state(poll_state("1", state="RUNNING", within=0.01)) == Observation("RUNNING")
    assert await looks.poll_state(poll_state("2", within=0)) is None
    looks.close()


async def test_few_that_are_new_look_for_themselves_and_then_are_listed() -> None:
    service, looked = Service(5), Counter[str]()
    looks = made(service)
    tasks = waiters(looks, service, service.states, looked)
    await until(lambda: len(service.requests) > 2)
    assert looked == dict.fromkeys(service.states, 1)
    service.states.clear()
    await asyncio.wait(tasks)
    looks.close()


async def test_one_alone_looks_for_itself() -> None:
    service, looked = Service(1), Counter[str]()
    looks = made(service)
    tasks = waiters(looks, service, ["0"], looked)
    await until(lambda: looked["0"] > 3)
    assert service.requests == []
    for task in tasks:
        task.cancel()
    looks.close()


async def test_who_is_few_among_many_others_looks_for_itself() -> None:
    service, looked = Service(400), Counter[str]()
    looks = made(service)
    waiters(looks, service, ["0", "399"], looked)
    await until(lambda: sum(looked.values()) > 8)
    assert len(service.requests) <= 8, "one listing of eight pages was enough to know"
    looks.close()


async def test_what_is_not_listed_and_not_over_ends_the_trust(caplog: pytest.LogCaptureFixture) -> None:
    service, looked = Service(30), Counter[str]()
    looks = made(service)
    tasks = waiters(looks, service, service.states, looked)
    await until(lambda: len(service.requests) > 2)
    service.hidden.add("7")
    await until(lambda: looked["7"] > 0 and min(looked[own] for own in service.states) > 0)
    assert [record.args for record in caplog.records if record.levelname == "WARNING"] == [("Job run", "7")]
    assert not any(task.done() for task in tasks)
    looks.close()


async def test_who_is_new_casts_no_doubt_on_an_end(caplog: pytest.LogCaptureFixture) -> None:
    service = Service(30)
    looks = made(service)
    waiters(looks, service, [str(number) for number in range(1, 30)], Counter())
    assert await looks.poll_state(poll_state("0")) == Observation("RUNNING", created("0").timestamp())
    del service.states["0"]
    assert await looks.poll_state(poll_state("0", state="RUNNING")) is None, "to be confirmed by a look"
    assert await looks.poll_state(poll_state("0")) == Observation(None), "for a sensor, say"
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
    looks.close()


async def sights(looks: Poller, *asked: PollState) -> list[Observation | None]:
    """What somebody sees who asks again and again."""
    return [await looks.poll_state(effect) for effect in asked]


def started(own: str) -> PollState:
    """Just now, as far as is known: the answer of a start tells the second."""
    answered = created(own) + timedelta(seconds=0.9)
    return replace(poll_state(own), created_at=answered.isoformat(), is_started=True)


def others_start() -> RateLimiter:
    """Of a connection with which others wait for their turn."""
    rate_limiter = RateLimiter({"emr-serverless": {"start_job_run": Quota(0.001, 1)}})
    rate_limiter.take("emr-serverless", "start_job_run")
    rate_limiter.take("emr-serverless", "start_job_run")
    return rate_limiter


async def test_what_is_started_is_seen_together_while_others_wait_for_their_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(poll_schedule, "_START_SECONDS", 0.3)
    monkeypatch.setattr(poller, "_MARGIN", 0.001)
    service = Service(20)
    looks = Poller(service.run, others_start())
    service.hidden.add("7")
    sights = await asyncio.gather(*(looks.poll_state(started(str(number))) for number in range(5, 15)))
    seen = [Observation("RUNNING", created(str(number)).timestamp()) for number in range(5, 15)]
    # What is older than its start's answer, or over, is not shown.
    seen[2:3] = [None]
    assert sights == seen
    assert len(service.requests) == 1
    looks.close()


async def test_a_start_that_leads_to_what_is_listed_already_misses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poll_schedule, "_START_SECONDS", 0.1)
    service, looked = Service(20), Counter[str]()
    looks = Poller(service.run, others_start())
    waiters(looks, service, service.states, looked)
    await until(lambda: len(service.requests) > 2)
    late = replace(started("0"), created_at=created("19").isoformat())
    assert await looks.poll_state(late) == Observation("RUNNING", created("0").timestamp())
    assert looked.total() == 0
    looks.close()


async def test_what_is_told_of_a_start_comes_when_it_has_been_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poll_schedule, "_START_SECONDS", 0.3)
    service = Service(20)
    looks = Poller(service.run, others_start())
    first = asyncio.create_task(sights(looks, started("0"), poll_state("0")))
    others = asyncio.gather(*(looks.poll_state(started(str(number))) for number in range(1, 6)))
    await asyncio.sleep(0.05)
    assert looks.notify("job_run", poll_state("0").ids, "SUCCESS")
    assert await first == [Observation("RUNNING", created("0").timestamp()), Observation("SUCCESS")]
    await others
    looks.close()


async def test_what_is_started_is_looked_at_at_once_if_nobody_waits_for_a_turn() -> None:
    service = Service(20)
    looks = made(service)
    assert await asyncio.gather(*(looks.poll_state(started(str(number))) for number in range(3))) == [None] * 3
    assert service.requests == []
    looks.close()


async def test_a_listing_that_is_refused_leaves_each_to_itself(caplog: pytest.LogCaptureFixture) -> None:
    service, looked = Service(30), Counter[str]()
    service.error = RequestRejected("Not allowed to list.")
    looks = made(service)
    waiters(looks, service, service.states, looked)
    await until(lambda: len(looked) == 30)
    (warning,) = (record for record in caplog.records if record.levelname == "WARNING")
    assert service.error in warning.args
    looks.close()


async def test_who_is_told_need_not_look() -> None:
    service = Service(30)
    looks = made(service)
    tasks = waiters(looks, service, service.states, Counter())
    await until(lambda: len(service.requests) > 2)
    ids = {"application_id": "app", "job_run_id": "4"}
    pending = asyncio.create_task(looks.poll_state(poll_state("4", state="RUNNING", known=True)))
    await asyncio.sleep(0)
    assert looks.notify("job_run", ids, "SUCCESS")
    assert await pending == Observation("SUCCESS")
    assert not looks.notify("job_run", {**ids, "job_run_id": "400"}, "SUCCESS")
    assert not looks.notify("eks_job_run", {"virtual_cluster_id": "app", "job_run_id": "4"}, "COMPLETED")
    assert tasks
    looks.close()


async def test_the_loop_ends_with_those_who_wait() -> None:
    service = Service(30)
    looks = made(service)
    tasks = waiters(looks, service, service.states, Counter())
    await until(lambda: len(service.requests) > 2)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    (place,) = looks._scopes.values()
    await until(lambda: place._task is None or place._task.done())
    looks.close()


@pytest.fixture
def runs(emr: LocalEmr) -> list[dict[str, str]]:
    """Job runs that go on until they are told to end."""
    emr.script([ScriptedAttempt(hold=True)])
    client = emr.client("emr-serverless")
    application_id = client.create_application(type="SPARK", releaseLabel="emr-7.9.0")["applicationId"]
    driver = {"sparkSubmit": {"entryPoint": "s3://b/j.py"}}
    return [
        {
            "application_id": application_id,
            "job_run_id": client.start_job_run(applicationId=application_id, executionRoleArn=ROLE, jobDriver=driver)[
                "jobRunId"
            ],
        }
        for _ in range(12)
    ]


async def watched(ids: dict[str, str], **patience: Any) -> dict[str, Any]:
    ctx = RunContext(wait_policy=WaitPolicy(**{"waiter_delay": 0.2, **patience}))
    async with shared_driver({"aws_conn_id": "aws_default"}, EmrHook) as driver:
        return await driver.run(wait_until_changed(ctx, kind="job_run", ids=ids, target_states=["SUCCESS"]))


@pytest.mark.airflow
class TestShared:
    async def test_many_wait_with_few_calls(self, emr: LocalEmr, runs: list[dict[str, str]]) -> None:
        tasks = [asyncio.create_task(watched(ids)) for ids in runs]
        await until(lambda: len(emr.calls("ListJobRuns")) > 2)
        for ids in runs:
            emr.finish(ids["job_run_id"])
        assert await asyncio.gather(*tasks) == runs
        # One is looked at by itself for each page that came late.
        assert len(emr.calls("GetJobRun")) < len(runs) / 2

    async def test_an_outage_is_no_failure(self, emr: LocalEmr, runs: list[dict[str, str]]) -> None:
        tasks = [asyncio.create_task(watched(ids)) for ids in runs]
        await until(lambda: len(emr.calls("ListJobRuns")) > 2)
        emr.inject("ListJobRuns", "reset", times=1)
        emr.inject("ListJobRuns", "error", times=1, status=503)
        emr.inject("ListJobRuns", "throttle", times=1)
        for ids in runs:
            emr.finish(ids["job_run_id"])
        assert await asyncio.gather(*tasks) == runs

    async def test_the_deadline_ends_each_wait(self, emr: LocalEmr, runs: list[dict[str, str]]) -> None:
        late = [asyncio.create_task(watched(ids, deadline=time.time() + 1)) for ids in runs]
        for error in await asyncio.gather(*late, return_exceptions=True):
            assert isinstance(error, WaitTimeout)
            assert "is still " in str(error)
            assert error.facts["attempt"] == 1, "a full look"

    async def test_all_share_one_driver_until_the_last_has_gone(self) -> None:
        connection = {"aws_conn_id": "aws_default"}
        async with shared_driver(connection, EmrHook) as one:
            another_driver = shared_driver({"aws_conn_id": None}, EmrHook)
            async with shared_driver(dict(connection), EmrHook) as same, another_driver as another:
                assert one is same
                assert one is not another
            async with shared_driver(connection, EmrHook) as still:
                assert still is one
        async with shared_driver(connection, EmrHook) as new:
            assert new is not one

    async def test_what_a_client_is_made_of_is_not_read_on_the_event_loop(
        self, emr: LocalEmr, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if not hasattr(AioSession, "warm_up_loader_caches"):
            pytest.skip("this aiobotocore has no such thing")
        readers = []
        load_file = JSONFileLoader.load_file

        def noted(loader: JSONFileLoader, path: str) -> Any:
            readers.append(threading.get_ident())
            return load_file(loader, path)

        monkeypatch.setattr(JSONFileLoader, "load_file", noted)
        # What the process has loaded so far.
        monkeypatch.setattr(service_model, "_LOADERS", {})
        async with await EmrServerlessHook().open_client("emr-serverless"):
            pass
        assert readers
        assert threading.get_ident() not in readers

    async def test_credentials_that_have_expired_are_read_anew(self, emr: LocalEmr, runs: list[dict[str, str]]) -> None:
        await until(lambda: {run["state"] for run in emr.job_runs()} == {"RUNNING"})
        emr.finish(runs[0]["job_run_id"])
        emr.finish(runs[1]["job_run_id"])
        async with shared_driver({"aws_conn_id": "aws_default"}, EmrHook) as driver:

            async def see(ids: dict[str, str]) -> dict[str, Any]:
                return await driver.run(
                    wait_until_changed(RunContext(), kind="job_run", ids=ids, target_states=["SUCCESS"])
                )

            assert await see(runs[0]) == runs[0]
            emr.inject("GetJobRun", "error", times=1, status=403, code="ExpiredTokenException")
            assert await see(runs[1]) == runs[1]


async def test_what_is_told_is_an_answer() -> None:
    service = Service(1)
    looks = made(service)
    ids = {"application_id": "app", "job_run_id": "0"}
    assert not looks.notify("job_run", ids, "SCHEDULED"), "nobody has asked"
    both = [asyncio.create_task(sights(looks, notified("0", "SCHEDULED"), notified("0", "RUNNING"))) for _ in range(2)]
    await asyncio.sleep(0)

    # Two messages at once: the second comes before the first is worked through.
    assert looks.notify("job_run", ids, "RUNNING")
    assert looks.notify("job_run", ids, "SUCCESS")
    assert await asyncio.gather(*both) == [[Observation("RUNNING"), Observation("SUCCESS")]] * 2
    assert not looks.notify("job_run", ids, "SUCCESS"), "nobody asks any more"


async def test_who_looks_meanwhile_is_told_as_well_as_who_waits() -> None:
    looks = made(Service(1))
    ids = {"application_id": "app", "job_run_id": "0"}
    has_looked = asyncio.Event()

    async def looking() -> list[Observation | None]:
        seen = await sights(looks, notified("0", "SCHEDULED"))
        await has_looked.wait()
        return seen + await sights(looks, notified("0", "RUNNING"))

    one = asyncio.create_task(looking())
    await asyncio.sleep(0)
    assert looks.notify("job_run", ids, "RUNNING")
    other = asyncio.create_task(sights(looks, notified("0", "RUNNING"), notified("0", "SUCCESS", lambda: True)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert looks.notify("job_run", ids, "SUCCESS")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    has_looked.set()
    assert await one == [Observation("RUNNING"), Observation("SUCCESS")]
    other.cancel()
    looks.close()


@pytest.mark.parametrize("told", permutations(["PENDING", "SUCCESS"]))
async def test_messages_that_come_in_another_order_lead_to_a_look(told: tuple[str, str]) -> None:
    looks = made(Service(1))
    asking = asyncio.create_task(sights(looks, notified("0", "SCHEDULED"), notified("0", "RUNNING")))
    await asyncio.sleep(0)

    for state in ("RUNNING", *told):
        assert looks.notify("job_run", {"application_id": "app", "job_run_id": "0"}, state)
    assert await asking == [Observation("RUNNING"), None]
    looks.close()


async def test_who_is_told_looks_rarely() -> None:
    service, looked = Service(10), Counter[str]()
    looks = made(service)
    is_told = True
    owns = list(service.states)
    for own in owns:
        await looks.poll_state(poll_state(own))
    asking = [asyncio.create_task(looks.poll_state(notified(own, "RUNNING", lambda: is_told))) for own in owns]
    other = next(iter(waiters(looks, service, ["0"], looked)))
    service.states.pop("0")
    await other
    assert not any(one.done() for one in asking[1:])

    is_told = False
    service.states = {}
    looks.reconsider()
    await asyncio.gather(*asking)


def notified(own: str, state: str, is_told: Callable[[], bool] = lambda: True) -> PollState:
    return replace(poll_state(own, state=state, known=True, within=60.0), notified=is_told)
