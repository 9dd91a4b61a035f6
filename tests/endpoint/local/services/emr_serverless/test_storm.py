"""Many job runs at once, cancelled at any moment: nothing is lost, stuck or left over."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest

from airflow_emrs_ext.local.runners.scripts import ScriptedAttempt
from tests.endpoint.local.services.emr_serverless.lab import Lab

ENDS = {"SUCCESS", "FAILED", "CANCELLED"}


@pytest.mark.parametrize("seed", range(3))
async def test_storm(make_lab: Callable[..., Lab], seed: int) -> None:
    dice = random.Random(seed)
    lab = make_lab(quota_scale=1)
    for number in range(6):
        attempts = [
            ScriptedAttempt(
                running_after=dice.uniform(0, 0.01),
                ends_after=dice.uniform(0, 0.02),
                succeeded=dice.random() < 0.5,
                hold=dice.random() < 0.1,
            )
            for _ in range(3)
        ]
        lab.script(*attempts, name=f"kind-{number}")
    applications = [
        await lab.application(
            schedulerConfiguration={"maxConcurrentRuns": places, "queueTimeoutMinutes": 15},
            autoStopConfiguration={"enabled": True, "idleTimeoutMinutes": 1},
            maximumCapacity={"cpu": f"{vcpu} vCPU", "memory": "400 GB"},
        )
        for places, vcpu in ((1, 16), (3, 4), (1000, 8))
    ]

    async def one(number: int) -> str:
        await asyncio.sleep(dice.uniform(0, 0.3))
        run_id = await lab.submit(
            dice.choice(applications),
            name=f"kind-{number % 6}",
            executionTimeoutMinutes=dice.choice([20, 50]),
            retryPolicy={"maxAttempts": dice.randint(1, 3)},
        )
        if dice.random() < 0.4:
            await asyncio.sleep(dice.uniform(0, 0.05))
            if lab.state(run_id) not in ENDS:
                await lab.cancel(run_id)
        return run_id

    runs = await asyncio.gather(*(one(number) for number in range(80)))
    for run_id in runs:
        await lab.ended(run_id)
    for application_id in applications:
        await lab.application_in(application_id, "STOPPED")
        assert lab.record("application", application_id)["activeJobRuns"] == []
    assert lab.service._capacity.used_vcpu("us-east-1") == 0
    assert {lab.state(run_id) for run_id in runs} == ENDS
    internal = [r for r in lab.service.job_runs.records() if r["stateDetails"].startswith("Internal error")]
    assert internal == []
    # Whoever comes now finds the whole account free.
    lab.script(ScriptedAttempt(running_after=0, hold=True), name="last")
    last = await lab.submit(applications[2], name="last")
    await lab.run_in(last, "RUNNING")
