"""CancelJobRun and timeouts, at every moment of a job run's life."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from airflow_emrs_ext.local.base.errors import ApiError
from airflow_emrs_ext.local.base.runner import AttemptResult
from airflow_emrs_ext.local.runners.scripts import ScriptedAttempt
from tests.endpoint.local.services.emr_serverless.lab import FAIL, HOLD, Lab, SlowToStop

MakeLab = Callable[..., Lab]
ONE_AT_A_TIME = {"maxConcurrentRuns": 1, "queueTimeoutMinutes": 720}


async def test_while_running(lab: Lab) -> None:
    lab.script(HOLD)
    run_id = await lab.submit(await lab.application())
    await lab.run_in(run_id, "RUNNING")
    await lab.cancel(run_id)
    assert lab.state(run_id) == "CANCELLING"
    run = await lab.ended(run_id)
    assert (run["state"], run["stateDetails"]) == ("CANCELLED", "Job run cancelled by request (CancelJobRun).")
    assert run["billedResourceUtilization"]["vCPUHour"] == pytest.approx(0.033)


async def test_while_submitted(make_lab: MakeLab) -> None:
    lab = make_lab(scheduling_seconds=60)
    run_id = await lab.submit(await lab.application())
    await lab.cancel(run_id)
    run = await lab.ended(run_id)
    assert lab.path(run_id) == ["SUBMITTED", "CANCELLING", "CANCELLED"]
    assert "startedAt" not in run
    assert "billedResourceUtilization" not in run
    assert run["totalExecutionDurationSeconds"] == 0


async def test_while_the_application_starts(make_lab: MakeLab) -> None:
    lab = make_lab()
    application_id = await lab.application()
    lab.config.application_start_seconds = 60
    run_id = await lab.submit(application_id)
    await lab.run_in(run_id, "PENDING")
    assert (await lab.get_application(application_id))["state"] == "STARTING"
    await lab.cancel(run_id)
    await lab.ended(run_id)
    assert lab.path(run_id) == ["SUBMITTED", "PENDING", "CANCELLING", "CANCELLED"]
    await lab.service.stop_application(applicationId=application_id)
    assert (await lab.get_application(application_id))["state"] == "STOPPING"


async def test_while_queued(lab: Lab) -> None:
    lab.script(HOLD)
    application_id = await lab.application(schedulerConfiguration=ONE_AT_A_TIME)
    first, second, third = [await lab.submit(application_id) for _ in range(3)]
    await lab.run_in(first, "RUNNING")
    await lab.run_in(second, "QUEUED")
    await lab.run_in(third, "QUEUED")
    await lab.cancel(second)
    run = await lab.ended(second)
    assert lab.path(second) == ["SUBMITTED", "QUEUED", "CANCELLING", "CANCELLED"]
    assert run["queuedDurationMilliseconds"] > 0
    assert lab.state(third) == "QUEUED"
    await lab.cancel(first)
    await lab.run_in(third, "RUNNING")


async def test_while_waiting_for_workers(make_lab: MakeLab) -> None:
    lab = make_lab()
    lab.script(HOLD)
    application_id = await lab.application(maximumCapacity={"cpu": "2 vCPU", "memory": "4 GB"})
    first, second = await lab.submit(application_id), await lab.submit(application_id)
    await lab.run_in(first, "RUNNING")
    await lab.run_in(second, "SCHEDULED")
    await lab.cancel(second)
    await lab.ended(second)
    third = await lab.submit(application_id)
    await lab.run_in(third, "SCHEDULED")
    lab.runner.finish(first)
    await lab.run_in(third, "RUNNING")


async def test_twice_is_harmless_and_the_first_grace_period_counts(make_lab: MakeLab) -> None:
    runner = SlowToStop()
    lab = make_lab(runner=runner)
    run_id = await lab.submit(await lab.application())
    await lab.run_in(run_id, "RUNNING")
    await lab.cancel(run_id, shutdownGracePeriodInSeconds=60)
    await lab.cancel(run_id)
    runner.may_end.set()
    await lab.ended(run_id)
    assert runner.graces == [60]


@pytest.mark.parametrize("state", ["SUCCESS", "FAILED", "CANCELLED"])
async def test_after_the_end_is_refused(lab: Lab, state: str) -> None:
    lab.script(HOLD)
    run_id = await lab.submit(await lab.application())
    await lab.run_in(run_id, "RUNNING")
    if state == "CANCELLED":
        await lab.cancel(run_id)
    else:
        lab.runner.finish(run_id, succeeded=state == "SUCCESS")
    await lab.run_in(run_id, state)
    with pytest.raises(ApiError, match=f"is {state} and cannot be CANCELLED") as caught:
        await lab.cancel(run_id)
    assert caught.value.code == "ValidationException"


@pytest.mark.parametrize(
    ("mode", "given", "grace"),
    [("BATCH", {}, 0), ("STREAMING", {}, 120), ("BATCH", {"s": 15}, 15), ("STREAMING", {"s": 0}, 0)],
)
async def test_grace_period(make_lab: MakeLab, mode: str, given: dict[str, int], grace: int) -> None:
    runner = SlowToStop()
    runner.may_end.set()
    lab = make_lab(runner=runner)
    run_id = await lab.submit(await lab.application(), mode=mode)
    await lab.run_in(run_id, "RUNNING")
    await lab.cancel(run_id, **({"shutdownGracePeriodInSeconds": given["s"]} if given else {}))
    await lab.ended(run_id)
    assert runner.graces == [grace]


@pytest.mark.parametrize("seconds", [-1, 14, 1801])
async def test_bad_grace_period(lab: Lab, seconds: int) -> None:
    run_id = await lab.submit(await lab.application())
    with pytest.raises(ApiError, match=f"shutdownGracePeriodInSeconds: .*, not {seconds}") as caught:
        await lab.cancel(run_id, shutdownGracePeriodInSeconds=seconds)
    assert caught.value.code == "ValidationException"


async def test_a_driver_that_ends_well_while_it_is_stopped_is_cancelled_all_the_same(make_lab: MakeLab) -> None:
    runner = SlowToStop()
    lab = make_lab(runner=runner)
    run_id = await lab.submit(await lab.application())
    await lab.run_in(run_id, "RUNNING")
    await lab.cancel(run_id, shutdownGracePeriodInSeconds=60)
    runner.outcome.set_result(AttemptResult(True, "done"))
    await asyncio.sleep(0.01)
    assert lab.state(run_id) == "CANCELLING"
    runner.may_end.set()
    assert (await lab.ended(run_id))["state"] == "CANCELLED"


async def test_a_driver_that_ends_in_the_moment_of_the_request(make_lab: MakeLab) -> None:
    runner = SlowToStop()
    runner.may_end.set()
    lab = make_lab(runner=runner)
    run_id = await lab.submit(await lab.application())
    await lab.run_in(run_id, "RUNNING")
    runner.outcome.set_result(AttemptResult(False, "boom"))
    await lab.cancel(run_id)
    assert (await lab.ended(run_id))["state"] == "CANCELLED"


async def test_while_the_runner_is_launching(make_lab: MakeLab) -> None:
    launching = asyncio.Event()

    class SlowToLaunch(SlowToStop):
        async def launch(self, spec: Any, on_running: Any) -> SlowToStop:
            launching.set()
            await asyncio.sleep(0.02)
            return await super().launch(spec, on_running)

    runner = SlowToLaunch()
    runner.may_end.set()
    lab = make_lab(runner=runner)
    run_id = await lab.submit(await lab.application())
    await launching.wait()
    await lab.cancel(run_id)
    await lab.ended(run_id)
    assert runner.graces == [0]
    assert lab.path(run_id)[-3:] == ["SCHEDULED", "CANCELLING", "CANCELLED"]


async def test_between_two_attempts(make_lab: MakeLab) -> None:
    lab = make_lab(scheduling_seconds=0.05)
    lab.script(FAIL)
    run_id = await lab.submit(await lab.application(), retryPolicy={"maxAttempts": 10})
    await lab.eventually(lambda: len(lab.record("job run", run_id)["attempts"]) == 2)
    await lab.cancel(run_id)
    run = await lab.ended(run_id)
    assert (run["state"], run["attempt"]) == ("CANCELLED", 2)
    assert [a["state"] for a in lab.record("job run", run_id)["attempts"]] == ["FAILED", "CANCELLED"]


async def test_timeout(lab: Lab) -> None:
    lab.script(HOLD)
    run_id = await lab.submit(await lab.application(), executionTimeoutMinutes=2)
    run = await lab.ended(run_id)
    assert lab.path(run_id)[-3:] == ["RUNNING", "CANCELLING", "CANCELLED"]
    assert run["stateDetails"] == "Job run timed out: it ran for more than 2 minutes (executionTimeoutMinutes)."
    assert (run["endedAt"] - run["startedAt"]).total_seconds() >= 0.02


async def test_no_timeout(make_lab: MakeLab) -> None:
    lab = make_lab(seconds_per_minute=0.00001)
    lab.script(ScriptedAttempt(running_after=0, ends_after=0.05))
    run_id = await lab.submit(await lab.application(), executionTimeoutMinutes=0)
    assert (await lab.ended(run_id))["state"] == "SUCCESS"


async def test_the_timeout_spans_all_attempts(lab: Lab) -> None:
    lab.script(ScriptedAttempt(running_after=0, ends_after=0.02, succeeded=False))
    run_id = await lab.submit(await lab.application(), executionTimeoutMinutes=12, retryPolicy={"maxAttempts": 10})
    run = await lab.ended(run_id)
    assert run["state"] == "CANCELLED"
    assert 1 < run["attempt"] < 10


async def test_timeout_during_a_cancellation(make_lab: MakeLab) -> None:
    runner = SlowToStop()
    lab = make_lab(runner=runner)
    run_id = await lab.submit(await lab.application(), executionTimeoutMinutes=2)
    await lab.run_in(run_id, "RUNNING")
    await lab.cancel(run_id, shutdownGracePeriodInSeconds=60)
    await asyncio.sleep(0.04)
    runner.may_end.set()
    run = await lab.ended(run_id)
    assert run["stateDetails"].startswith("Job run cancelled by request")
    assert runner.graces == [60]


async def test_cancellation_during_a_timeout(make_lab: MakeLab) -> None:
    runner = SlowToStop()
    lab = make_lab(runner=runner)
    run_id = await lab.submit(await lab.application(), executionTimeoutMinutes=1)
    await lab.run_in(run_id, "CANCELLING")
    await lab.cancel(run_id)
    runner.may_end.set()
    run = await lab.ended(run_id)
    assert run["stateDetails"].startswith("Job run timed out")
    assert lab.path(run_id).count("CANCELLING") == 1


async def test_a_runner_that_cannot_stop(make_lab: MakeLab) -> None:
    class Unstoppable(SlowToStop):
        async def stop(self, grace_seconds: float) -> None:
            raise OSError("no such process group")

    lab = make_lab(runner=Unstoppable())
    run_id = await lab.submit(await lab.application())
    await lab.run_in(run_id, "RUNNING")
    await lab.cancel(run_id)
    assert (await lab.ended(run_id))["state"] == "CANCELLED"
