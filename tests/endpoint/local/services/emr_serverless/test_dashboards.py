"""GetDashboardForJobRun: URLs that are good once and for a limited time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from airflow_emrs_ext.local.base.errors import ApiError
from tests.endpoint.local.services.emr_serverless.lab import FAIL, HOLD, Lab, SlowToStop

MakeLab = Callable[..., Lab]


async def test_dashboard(lab: Lab) -> None:
    lab.script(FAIL, HOLD)
    application_id = await lab.application()
    run_id = await lab.submit(application_id, retryPolicy={"maxAttempts": 2})
    await lab.eventually(lambda: lab.path(run_id).count("RUNNING") == 2)
    page = f"http://endpoint/_emrs/simulated-ui/{application_id}/{run_id}"
    token, early = await lab.dashboard_token(run_id), await lab.dashboard_token(run_id)
    assert await lab.service.dashboards.redeem(token) == f"{page}-2"
    with pytest.raises(ApiError, match="expired or was used") as caught:
        await lab.service.dashboards.redeem(token)
    assert (caught.value.code, caught.value.status) == ("AccessDeniedException", 403)
    assert await lab.service.dashboards.redeem(await lab.dashboard_token(run_id, attempt=1)) == f"{page}-1"
    lab.runner.finish(run_id)
    await lab.ended(run_id)
    assert await lab.service.dashboards.redeem(early) == f"{page}-2"
    assert await lab.service.dashboards.redeem(await lab.dashboard_token(run_id)) == f"{page}-2"
    with pytest.raises(ApiError, match="has no attempt 3"):
        await lab.dashboard_token(run_id, attempt=3)


async def test_no_dashboard_before_the_driver_runs(make_lab: MakeLab) -> None:
    lab = make_lab(scheduling_seconds=0.08)
    lab.script(HOLD)
    application_id = await lab.application(
        schedulerConfiguration={"maxConcurrentRuns": 1}, maximumCapacity={"cpu": "2 vCPU", "memory": "4 GB"}
    )
    first, second = await lab.submit(application_id), await lab.submit(application_id)
    for run_id, states in ((first, ["SUBMITTED", "PENDING", "SCHEDULED"]), (second, ["QUEUED"])):
        for state in states:
            await lab.run_in(run_id, state)
            with pytest.raises(ApiError, match=f"is {state} and has no dashboard") as caught:
                await lab.dashboard_token(run_id)
            assert caught.value.code == "ValidationException"
    await lab.cancel(second)
    await lab.ended(second)
    with pytest.raises(ApiError, match="is CANCELLED and has no dashboard"):
        await lab.dashboard_token(second)


async def test_an_expired_dashboard(make_lab: MakeLab) -> None:
    lab = make_lab(dashboard_url_seconds=0.01)
    run_id = await lab.submit(await lab.application())
    await lab.ended(run_id)
    token = await lab.dashboard_token(run_id)
    await asyncio.sleep(0.02)
    with pytest.raises(ApiError, match="expired or was used"):
        await lab.service.dashboards.redeem(token)


async def test_a_runner_without_uis(make_lab: MakeLab) -> None:
    lab = make_lab(runner=SlowToStop())
    run_id = await lab.submit(await lab.application())
    await lab.run_in(run_id, "RUNNING")
    with pytest.raises(ApiError, match="has no dashboard now") as caught:
        await lab.service.dashboards.redeem(await lab.dashboard_token(run_id))
    assert caught.value.code == "ResourceNotFoundException"


async def test_the_log_behind_a_dashboard(lab: Lab) -> None:
    lab.script(HOLD)
    run_id = await lab.submit(await lab.application())
    await lab.run_in(run_id, "RUNNING")
    while_it_runs = lab.service.dashboards.log_file(await lab.dashboard_token(run_id), "SPARK_DRIVER", "stdout.gz")
    lab.runner.finish(run_id)
    await lab.ended(run_id)
    token = await lab.dashboard_token(run_id)
    assert lab.service.dashboards.log_file(token, "SPARK_DRIVER", "stdout.gz") == while_it_runs
    with pytest.raises(ApiError, match="expired or was used"):
        lab.service.dashboards.log_file(token, "SPARK_DRIVER", "stdout.gz")
    with pytest.raises(ApiError, match="has no log HIVE_DRIVER"):
        lab.service.dashboards.log_file(await lab.dashboard_token(run_id), "HIVE_DRIVER", "stdout.gz")
