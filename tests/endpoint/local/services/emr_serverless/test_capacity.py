"""Workers: the account's vCPUs, maximumCapacity, concurrency and the queue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from airflow_emrs_ext.local.base.errors import ApiError
from tests.endpoint.local.services.emr_serverless.lab import DRIVER, HOLD, SMALL, Lab

MakeLab = Callable[..., Lab]


def spark(**properties: str) -> dict[str, Any]:
    """A driver with workers of 1 vCPU and 2 GB, unless told otherwise."""
    sizes = {"driver.cores": "1", "driver.memory": "1g", "executor.cores": "1", "executor.memory": "1g"}
    given = {name.replace("_", "."): value for name, value in properties.items()}
    parameters = " ".join(f"--conf spark.{name}={value}" for name, value in {**sizes, **given}.items())
    return {"sparkSubmit": {"entryPoint": "s3://b/j.py", "sparkSubmitParameters": parameters}}


async def executors(lab: Lab, run_id: str) -> int:
    await lab.run_in(run_id, "RUNNING")
    count: int = lab.record("job run", run_id)["attempts"][-1]["executorCount"]
    return count


async def test_a_default_job_run_fills_the_account(make_lab: MakeLab) -> None:
    lab = make_lab(quota_scale=1)
    lab.script(HOLD)
    application_id = await lab.application()
    first, second = [await lab.submit(application_id, jobDriver=DRIVER) for _ in range(2)]
    assert await executors(lab, first) == 3
    await lab.run_in(second, "SCHEDULED")
    lab.runner.finish(first)
    assert await executors(lab, second) == 3


async def test_the_account_counts_over_all_applications(make_lab: MakeLab) -> None:
    lab = make_lab(quota_scale=1)
    lab.script(HOLD)
    first = await lab.submit(await lab.application(), jobDriver=DRIVER)
    await lab.run_in(first, "RUNNING")
    second = await lab.submit(await lab.application(), jobDriver=SMALL)
    await lab.run_in(second, "SCHEDULED")
    await lab.cancel(first)
    await lab.run_in(second, "RUNNING")


async def test_a_run_takes_the_executors_that_fit(make_lab: MakeLab) -> None:
    lab = make_lab(quota_scale=1)
    lab.script(HOLD)
    application_id = await lab.application()
    greedy = await lab.submit(application_id, jobDriver=spark(executor_instances="999999999"))
    assert await executors(lab, greedy) == 15
    limited_id = await lab.application(maximumCapacity={"cpu": "100 vCPU", "memory": "9 GB"})
    lab.runner.finish(greedy)
    limited = await lab.submit(limited_id, jobDriver=spark(executor_instances="50"))
    assert await executors(lab, limited) == 3


async def test_no_limit_without_quotas(lab: Lab) -> None:
    lab.script(HOLD)
    run_id = await lab.submit(await lab.application(), jobDriver=spark(executor_instances="500"))
    assert await executors(lab, run_id) == 500


@pytest.mark.parametrize(
    ("capacity", "scale", "details"),
    [
        (
            {"cpu": "2 vCPU", "memory": "100 GB"},
            0,
            "Job failed as application has exceeded maximumCapacity settings.",
        ),
        (
            {"cpu": "100 vCPU", "memory": "15 GB"},
            0,
            "Job failed as application has exceeded maximumCapacity settings.",
        ),
        (
            {"cpu": "100 vCPU", "memory": "100 GB", "disk": "39 GB"},
            0,
            "Job failed due to Worker could not be allocated as the application has exceeded maximumCapacity.",
        ),
        (
            None,
            0.4,
            "Job failed as account has reached the service limit on the maximum vCPU it can use concurrently.",
        ),
    ],
)
async def test_a_run_that_can_never_fit_fails(make_lab: MakeLab, capacity: Any, scale: float, details: str) -> None:
    lab = make_lab(quota_scale=scale)
    application_id = await lab.application(**({"maximumCapacity": capacity} if capacity else {}))
    run_id = await lab.submit(application_id, jobDriver=DRIVER, retryPolicy={"maxAttempts": 3})
    run = await lab.ended(run_id)
    assert lab.path(run_id) == ["SUBMITTED", "PENDING", "SCHEDULED", "FAILED"]
    assert (run["stateDetails"], run["attempt"]) == (details, 1)


async def test_a_waiting_run_is_not_passed_by(make_lab: MakeLab) -> None:
    lab = make_lab(quota_scale=1)
    lab.script(HOLD)
    application_id = await lab.application()
    running = await lab.submit(application_id, jobDriver=spark(executor_instances="11"))
    await lab.run_in(running, "RUNNING")
    large = await lab.submit(application_id, jobDriver=spark(driver_cores="4", driver_memory="7g"))
    await lab.run_in(large, "SCHEDULED")
    small = await lab.submit(application_id, jobDriver=SMALL)
    await lab.run_in(small, "SCHEDULED")
    lab.runner.finish(running)
    await lab.run_in(large, "RUNNING")
    await lab.run_in(small, "RUNNING")
    order = [t.resource.id for t in lab.transitions if str(t.change.state) == "RUNNING"]
    assert order == [running, large, small]


async def test_a_waiting_run_is_not_passed_by_in_its_application(lab: Lab) -> None:
    lab.script(HOLD)
    application_id = await lab.application(maximumCapacity={"cpu": "6 vCPU", "memory": "40 GB"})
    running = await lab.submit(application_id, jobDriver=SMALL)
    await lab.run_in(running, "RUNNING")
    large = await lab.submit(application_id, jobDriver=spark(driver_cores="4", driver_memory="7g"))
    await lab.run_in(large, "SCHEDULED")
    small = await lab.submit(application_id, jobDriver=SMALL)
    await lab.run_in(small, "SCHEDULED")
    lab.runner.finish(running)
    await lab.run_in(large, "RUNNING")
    lab.runner.finish(large)
    await lab.run_in(small, "RUNNING")
    order = [t.resource.id for t in lab.transitions if str(t.change.state) == "RUNNING"]
    assert order == [running, large, small]


async def test_a_full_application_holds_back_nobody_else(lab: Lab) -> None:
    lab.script(HOLD)
    full_id = await lab.application(maximumCapacity={"cpu": "2 vCPU", "memory": "4 GB"})
    first, second = await lab.submit(full_id), await lab.submit(full_id)
    await lab.run_in(first, "RUNNING")
    await lab.run_in(second, "SCHEDULED")
    await lab.run_in(await lab.submit(await lab.application()), "RUNNING")
    assert lab.state(second) == "SCHEDULED"


async def test_a_larger_quota_counts_for_those_that_wait(make_lab: MakeLab) -> None:
    lab = make_lab(quota_scale=0.125)
    lab.script(HOLD)
    application_id = await lab.application()
    first, second = await lab.submit(application_id), await lab.submit(application_id)
    await lab.run_in(first, "RUNNING")
    await lab.run_in(second, "SCHEDULED")
    lab.config.quota_scale = 1
    lab.service.config_changed()
    await lab.run_in(second, "RUNNING")


async def test_warm_workers_count_against_the_account(make_lab: MakeLab) -> None:
    lab = make_lab(quota_scale=1)
    lab.script(HOLD)
    warm = {"workerCount": 3, "workerConfiguration": {"cpu": "4 vCPU", "memory": "16 GB"}}
    warm_id = await lab.started_application(initialCapacity={"EXECUTOR": warm})
    other = await lab.submit(await lab.application(), jobDriver=spark(executor_instances="9"))
    assert await executors(lab, other) == 3
    inside = await lab.submit(warm_id, jobDriver=spark(executor_instances="20"))
    assert await executors(lab, inside) == 11
    lab.runner.finish(inside)
    await lab.ended(inside)
    await lab.service.stop_application(applicationId=warm_id)
    again = await lab.submit(await lab.application(), jobDriver=spark(executor_instances="50"))
    assert await executors(lab, again) == 11


async def test_queue(lab: Lab) -> None:
    lab.script(HOLD)
    application_id = await lab.application(schedulerConfiguration={"maxConcurrentRuns": 2, "queueTimeoutMinutes": 720})
    runs = [await lab.submit(application_id) for _ in range(4)]
    for run_id, state in zip(runs, ["RUNNING", "RUNNING", "QUEUED", "QUEUED"], strict=True):
        await lab.run_in(run_id, state)
    while_queued = await lab.get(runs[2])
    assert while_queued["queuedDurationMilliseconds"] >= 0
    lab.runner.finish(runs[1])
    run = await lab.run_in(runs[2], "RUNNING")
    assert lab.path(runs[2]) == ["SUBMITTED", "QUEUED", "PENDING", "SCHEDULED", "RUNNING"]
    assert run["queuedDurationMilliseconds"] >= while_queued["queuedDurationMilliseconds"]
    assert lab.state(runs[3]) == "QUEUED"
    lab.runner.finish(runs[0], succeeded=False)
    await lab.run_in(runs[3], "RUNNING")


async def test_a_run_keeps_its_place_between_attempts(lab: Lab) -> None:
    lab.script(HOLD)
    application_id = await lab.application(schedulerConfiguration={"maxConcurrentRuns": 1})
    first = await lab.submit(application_id, retryPolicy={"maxAttempts": 2})
    second = await lab.submit(application_id)
    await lab.run_in(first, "RUNNING")
    await lab.run_in(second, "QUEUED")
    lab.runner.finish(first, succeeded=False)
    await lab.eventually(lambda: lab.path(first).count("RUNNING") == 2)
    assert lab.state(second) == "QUEUED"


async def test_queue_timeout(lab: Lab) -> None:
    lab.script(HOLD)
    application_id = await lab.application(schedulerConfiguration={"maxConcurrentRuns": 1, "queueTimeoutMinutes": 15})
    first, second = await lab.submit(application_id), await lab.submit(application_id)
    run = await lab.ended(second)
    assert lab.path(second) == ["SUBMITTED", "QUEUED", "FAILED"]
    assert run["stateDetails"] == "Job run timed out in the queue: it was QUEUED for more than 15 minutes."
    assert run["queuedDurationMilliseconds"] >= 150
    assert lab.state(first) == "RUNNING"


async def test_no_queue_before_7_3(lab: Lab) -> None:
    lab.script(HOLD)
    application_id = await lab.application(releaseLabel="emr-7.2.0")
    runs = [await lab.submit(application_id) for _ in range(20)]
    for run_id in runs:
        await lab.run_in(run_id, "RUNNING")


async def test_most_queued_runs_of_the_account(make_lab: MakeLab) -> None:
    lab = make_lab(quota_scale=0.001)  # two
    full = {"schedulerConfiguration": {"maxConcurrentRuns": 1}}
    first_id, second_id = await lab.application(**full), await lab.application(**full)
    for application_id in (first_id, first_id, second_id, second_id):
        await lab.submit(application_id)
    with pytest.raises(ApiError, match="limit of 2 queued job runs") as caught:
        await lab.submit(first_id)
    assert caught.value.code == "ValidationException"
    assert len(lab.service.job_runs.records()) == 4
    assert await lab.submit(await lab.application(**full))


async def test_what_waits_says_for_what_and_who_has_it(make_lab: MakeLab, caplog: pytest.LogCaptureFixture) -> None:
    lab = make_lab(quota_scale=1)
    lab.script(HOLD)
    application_id = await lab.application()
    first = await lab.submit(application_id, jobDriver=DRIVER)
    await lab.run_in(first, "RUNNING")
    second, third = [await lab.submit(application_id, jobDriver=DRIVER) for _ in range(2)]
    await lab.run_in(third, "SCHEDULED")

    waits = (
        f"It waits for 8 vCPUs: the account uses 16 of 16 (job run {first}: 16). End one of them, ask for less, or"
        " start emrs-local with more --account-vcpus."
    )
    behind = f"It waits for workers behind job run {second}."
    while (await lab.get(third))["stateDetails"] != behind:  # noqa: ASYNC110 - no change of a state tells
        await asyncio.sleep(0.01)
    assert (await lab.get(second))["stateDetails"] == waits
    assert f"job run {second}: {waits}" in caplog.messages
    lab.runner.finish(first)
    await lab.run_in(second, "RUNNING")
    assert (await lab.get(second))["stateDetails"] == "The driver is running."
    assert f"(job run {second}: 16)" in (await lab.get(third))["stateDetails"]


async def test_what_waits_for_its_application_says_so(make_lab: MakeLab) -> None:
    lab = make_lab(quota_scale=1)
    lab.script(HOLD)
    application_id = await lab.application(maximumCapacity={"cpu": "3 vCPU", "memory": "100 GB"})
    first, second = [await lab.submit(application_id, jobDriver=SMALL) for _ in range(2)]
    await lab.run_in(first, "RUNNING")
    await lab.run_in(second, "SCHEDULED")

    assert (await lab.get(second))["stateDetails"] == (
        "It waits for 2 vCPUs and 4 GB: the application uses 2 and 4 of its maximumCapacity, 3 and 100"
        f" (job run {first}: 2)."
    )


@pytest.mark.parametrize("change", [{"quota_scale": 0.0}, {"account_vcpus": 32.0}])
async def test_a_change_of_the_account_frees_who_waits_at_once(make_lab: MakeLab, change: dict[str, float]) -> None:
    lab = make_lab(quota_scale=1)
    lab.script(HOLD)
    application_id = await lab.application()
    first, second = [await lab.submit(application_id, jobDriver=DRIVER) for _ in range(2)]
    await lab.run_in(first, "RUNNING")
    await lab.run_in(second, "SCHEDULED")
    lab.config.update(change)
    lab.service.config_changed()
    await lab.run_in(second, "RUNNING")


async def test_the_vcpus_of_the_account_are_a_setting(make_lab: MakeLab) -> None:
    lab = make_lab(quota_scale=1, account_vcpus=8)
    run_id = await lab.submit(await lab.application(), jobDriver=DRIVER)
    assert await executors(lab, run_id) == 1
