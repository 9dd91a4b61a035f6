"""Which operation each state of an application allows, and what it does by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from airflow_emrs_ext.local.base.errors import ApiError
from tests.endpoint.local.services.emr_serverless.lab import HOLD, Lab

MakeLab = Callable[..., Lab]
NEW = {"type": "SPARK", "releaseLabel": "emr-7.5.0"}


@pytest.mark.parametrize(
    ("state", "operation", "allowed"),
    [
        ("CREATING", "start", False),
        ("CREATING", "stop", False),
        ("CREATING", "delete", False),
        ("CREATING", "update", False),
        ("CREATED", "start", True),
        ("CREATED", "stop", False),
        ("CREATED", "delete", True),
        ("CREATED", "update", True),
        ("STARTING", "start", True),
        ("STARTING", "stop", True),
        ("STARTING", "delete", False),
        ("STARTING", "update", False),
        ("STARTED", "start", True),
        ("STARTED", "stop", True),
        ("STARTED", "delete", False),
        ("STARTED", "update", False),
        ("STOPPING", "start", False),
        ("STOPPING", "stop", False),
        ("STOPPING", "delete", False),
        ("STOPPING", "update", False),
        ("STOPPED", "start", True),
        ("STOPPED", "stop", True),
        ("STOPPED", "delete", True),
        ("STOPPED", "update", True),
        ("TERMINATED", "start", False),
        ("TERMINATED", "stop", False),
        ("TERMINATED", "delete", False),
        ("TERMINATED", "update", False),
    ],
)
async def test_what_each_state_allows(make_lab: MakeLab, state: str, operation: str, allowed: bool) -> None:
    lab = make_lab(application_start_seconds=0.001)
    service = lab.service

    async def through(*ways: str) -> None:
        """Go through states, and stay long in the last one."""
        for way in ways:
            lab.config.application_start_seconds = 60 if way is ways[-1] and state.endswith("ING") else 0.001
            if way == "create":
                created.append((await service.create_application(**NEW, clientToken="t"))["applicationId"])
            else:
                await getattr(service, f"{way}_application")(applicationId=created[0])
            settled = {"create": "CREATED", "start": "STARTED", "stop": "STOPPED", "delete": "TERMINATED"}[way]
            if lab.config.application_start_seconds != 60:
                await lab.application_in(created[0], settled)

    created: list[str] = []
    ways = {
        "CREAT": ["create"],
        "START": ["create", "start"],
        "STOPP": ["create", "start", "stop"],
        "TERMI": ["create", "delete"],
    }
    await through(*ways[state[:5]])
    assert (await lab.get_application(created[0]))["state"] == state

    extra = {"clientToken": "u", "architecture": "ARM64"} if operation == "update" else {}
    call = getattr(service, f"{operation}_application")
    if allowed:
        await call(applicationId=created[0], **extra)
    else:
        with pytest.raises(ApiError, match=f"is {state} and cannot be .* in one of the following statuses") as caught:
            await call(applicationId=created[0], **extra)
        assert caught.value.code == "ValidationException"
        assert (await lab.get_application(created[0]))["state"] == state


async def test_stop_while_starting(make_lab: MakeLab) -> None:
    lab = make_lab()
    application_id = await lab.application()
    await lab.service.start_application(applicationId=application_id)
    await lab.service.stop_application(applicationId=application_id)
    await lab.application_in(application_id, "STOPPED")
    assert lab.application_path(application_id) == ["CREATING", "CREATED", "STARTING", "STOPPING", "STOPPED"]


async def test_stop_with_active_runs(lab: Lab) -> None:
    lab.script(HOLD)
    application_id = await lab.application(schedulerConfiguration={"maxConcurrentRuns": 1})
    running, queued = await lab.submit(application_id), await lab.submit(application_id)
    await lab.run_in(running, "RUNNING")
    await lab.run_in(queued, "QUEUED")
    for run_id in (running, queued):
        with pytest.raises(ApiError, match=r"cannot be STOPPED. It has \d active job runs") as caught:
            await lab.service.stop_application(applicationId=application_id)
        assert caught.value.code == "ValidationException"
        await lab.cancel(run_id)
        await lab.ended(run_id)
    await lab.service.stop_application(applicationId=application_id)
    await lab.application_in(application_id, "STOPPED")


async def test_auto_stop(lab: Lab) -> None:
    application_id = await lab.application(autoStopConfiguration={"enabled": True, "idleTimeoutMinutes": 2})
    await lab.service.start_application(applicationId=application_id)
    await lab.application_in(application_id, "STOPPED")
    application = await lab.get_application(application_id)
    assert application["stateDetails"] == "AUTO_STOPPING"
    assert lab.application_path(application_id)[-3:] == ["STARTED", "STOPPING", "STOPPED"]


async def test_no_auto_stop_while_a_run_is_active(lab: Lab) -> None:
    lab.script(HOLD)
    application_id = await lab.application(autoStopConfiguration={"enabled": True, "idleTimeoutMinutes": 2})
    run_id = await lab.submit(application_id)
    await lab.run_in(run_id, "RUNNING")
    await asyncio.sleep(0.05)
    assert (await lab.get_application(application_id))["state"] == "STARTED"
    lab.runner.finish(run_id)
    await lab.application_in(application_id, "STOPPED")


async def test_a_run_ends_the_idle_time(lab: Lab) -> None:
    application_id = await lab.started_application(autoStopConfiguration={"enabled": True, "idleTimeoutMinutes": 40})
    for _ in range(5):
        await asyncio.sleep(0.1)
        await lab.ended(await lab.submit(application_id))
    assert "STOPPING" not in lab.application_path(application_id)
    await lab.application_in(application_id, "STOPPED")


async def test_a_shorter_minute_counts_for_the_idle_time_that_is_running(make_lab: MakeLab) -> None:
    lab = make_lab(seconds_per_minute=60)
    application_id = await lab.started_application(autoStopConfiguration={"enabled": True})
    lab.config.seconds_per_minute = 0.001
    lab.service.config_changed()
    await lab.application_in(application_id, "STOPPED")


async def test_warm_workers_beyond_the_account(make_lab: MakeLab) -> None:
    lab = make_lab(quota_scale=1)
    worker = {"cpu": "4 vCPU", "memory": "16 GB"}
    application_id = await lab.application(
        initialCapacity={"EXECUTOR": {"workerCount": 5, "workerConfiguration": worker}}
    )
    with pytest.raises(ApiError, match="takes 20 vCPUs; the account may use 16 and uses 0") as caught:
        await lab.service.start_application(applicationId=application_id)
    assert caught.value.code == "ServiceQuotaExceededException"
    with pytest.raises(ApiError, match="takes 20 vCPUs") as caught:
        await lab.submit(application_id)
    assert caught.value.code == "ValidationException"  # StartJobRun declares no ServiceQuotaExceededException
    assert (await lab.get_application(application_id))["state"] == "CREATED"
