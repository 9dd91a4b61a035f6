"""Attempts: retry policies of BATCH and STREAMING job runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_emrs_ext.local.runners.scripts import ScriptedAttempt
from tests.endpoint.local.services.emr_serverless.lab import FAIL, HOLD, PASS, Lab


async def test_a_failed_attempt_is_followed_by_another(lab: Lab) -> None:
    lab.script(FAIL, PASS)
    run_id = await lab.submit(await lab.application(), retryPolicy={"maxAttempts": 3}, name="etl")
    run = await lab.ended(run_id)
    one_attempt = ["SUBMITTED", "PENDING", "SCHEDULED", "RUNNING"]
    assert lab.path(run_id) == [*one_attempt, *one_attempt, "SUCCESS"]
    assert (run["state"], run["attempt"], run["retryPolicy"]) == ("SUCCESS", 2, {"maxAttempts": 3})
    assert run["totalExecutionDurationSeconds"] == 2
    assert run["billedResourceUtilization"]["vCPUHour"] == pytest.approx(2 * 2 / 60, abs=0.001)

    listed = await lab.service.list_job_run_attempts(**lab.ids(run_id))
    second, first = listed["jobRunAttempts"]
    assert (first["state"], first["stateDetails"]) == ("FAILED", "boom")
    assert (second["state"], second["stateDetails"]) == ("SUCCESS", "Job completed successfully.")
    assert [a["attempt"] for a in (first, second)] == [1, 2]
    assert first["createdAt"] < first["updatedAt"] <= second["createdAt"] < second["updatedAt"]
    for attempt in (first, second):
        assert attempt["jobCreatedAt"] == run["createdAt"]
        assert (attempt["id"], attempt["name"], attempt["type"], attempt["mode"]) == (run_id, "etl", "Spark", "BATCH")

    first_seen = await lab.get(run_id, attempt=1)
    assert (first_seen["state"], first_seen["stateDetails"], first_seen["attempt"]) == ("FAILED", "boom", 1)
    assert first_seen["startedAt"] < first_seen["endedAt"] < run["startedAt"] < run["endedAt"]


async def test_attempts_are_used_up(lab: Lab) -> None:
    lab.script(FAIL)
    run_id = await lab.submit(await lab.application(), retryPolicy={"maxAttempts": 3})
    run = await lab.ended(run_id)
    assert (run["state"], run["stateDetails"], run["attempt"]) == ("FAILED", "boom", 3)
    assert [a["state"] for a in lab.record("job run", run_id)["attempts"]] == ["FAILED"] * 3


async def test_no_retry_by_default(lab: Lab) -> None:
    lab.script(FAIL, PASS)
    run = await lab.ended(await lab.submit(await lab.application()))
    assert (run["state"], run["attempt"]) == ("FAILED", 1)


async def test_an_attempt_that_fails_before_it_runs_is_retried_too(lab: Lab) -> None:
    lab.script(ScriptedAttempt(running_after=1, ends_after=0, succeeded=False), PASS)
    run_id = await lab.submit(await lab.application(), retryPolicy={"maxAttempts": 2})
    run = await lab.ended(run_id)
    assert run["state"] == "SUCCESS"
    assert lab.path(run_id).count("RUNNING") == 1
    assert run["totalExecutionDurationSeconds"] == 1


async def test_the_run_never_shows_a_terminal_state_between_attempts(lab: Lab) -> None:
    lab.script(FAIL, FAIL, PASS)
    run_id = await lab.submit(await lab.application(), retryPolicy={"maxAttempts": 5})
    await lab.ended(run_id)
    assert [state for state in lab.path(run_id) if state in ("FAILED", "SUCCESS")] == ["SUCCESS"]


@pytest.mark.parametrize(
    ("params", "suffix"),
    [({}, ""), ({"retryPolicy": {"maxAttempts": 2}}, "/attempts/1"), ({"mode": "STREAMING"}, "/attempts/1")],
)
async def test_log_path(lab: Lab, params: dict[str, object], suffix: str) -> None:
    application_id = await lab.application()
    run_id = await lab.submit(application_id, **params)
    await lab.ended(run_id)
    (attempt,) = lab.record("job run", run_id)["attempts"]
    assert attempt["logPath"] == f"applications/{application_id}/jobs/{run_id}{suffix}"


async def test_a_stream_is_retried_until_it_fails_too_often(lab: Lab) -> None:
    lab.script(FAIL)
    run_id = await lab.submit(await lab.application(), mode="STREAMING")
    run = await lab.ended(run_id)
    assert (run["state"], run["attempt"], run["retryPolicy"]) == ("FAILED", 5, {"maxFailedAttemptsPerHour": 5})


async def test_one_failed_attempt_per_hour_means_no_retry(lab: Lab) -> None:
    lab.script(FAIL, PASS)
    policy = {"maxFailedAttemptsPerHour": 1}
    run = await lab.ended(await lab.submit(await lab.application(), mode="STREAMING", retryPolicy=policy))
    assert (run["state"], run["attempt"]) == ("FAILED", 1)


async def test_failures_of_the_hour_before_are_forgotten(make_lab: Callable[..., Lab]) -> None:
    lab = make_lab(seconds_per_minute=0.0005)  # an hour of 30 ms
    lab.script(*[ScriptedAttempt(running_after=0, ends_after=0.02, succeeded=False)] * 8, HOLD)
    policy = {"maxFailedAttemptsPerHour": 3}
    run_id = await lab.submit(await lab.application(), mode="STREAMING", retryPolicy=policy)
    await lab.eventually(lambda: lab.state(run_id) == "FAILED" or len(lab.record("job run", run_id)["attempts"]) == 9)
    run = await lab.run_in(run_id, "RUNNING", "FAILED")
    assert (run["state"], run["attempt"]) == ("RUNNING", 9)


async def test_a_stream_that_ends_well_is_success(lab: Lab) -> None:
    lab.script(FAIL, PASS)
    run = await lab.ended(await lab.submit(await lab.application(), mode="STREAMING"))
    assert (run["state"], run["mode"], run["attempt"]) == ("SUCCESS", "STREAMING", 2)
