"""The simulated runner by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from airflow_emrs_ext.local.base.runner import AttemptResult, AttemptSpec, LogDestinations, Workers, WorkerSize
from airflow_emrs_ext.local.runners.scripts import Script, ScriptedAttempt
from airflow_emrs_ext.local.runners.simulated import SimulatedRunner

SIZE = WorkerSize(1, 2, 20)


@pytest.fixture
async def runner() -> AsyncIterator[SimulatedRunner]:
    runner = SimulatedRunner("http://endpoint")
    await runner.start()
    yield runner
    await runner.close()


def spec_in(work_dir: Path, run_id: str = "run", attempt: int = 1, **fields: Any) -> AttemptSpec:
    given: dict[str, Any] = {
        "name": "daily",
        "release_label": "emr-7.5.0",
        "execution_role_arn": "arn:aws:iam::123456789012:role/jobs",
        "job_driver": {"sparkSubmit": {"entryPoint": "s3://b/j.py"}},
        "classifications": {},
        "logs": LogDestinations(),
        "driver_name": "SPARK_DRIVER",
        "log_path": "applications/app/jobs/run",
        **fields,
    }
    return AttemptSpec(
        product="EMR Serverless",
        owner_id="app",
        ui_id=f"{run_id}-{attempt}",
        job_run_id=run_id,
        attempt=attempt,
        account_id="123456789012",
        region="us-east-1",
        workers=Workers(SIZE, SIZE, 1),
        work_dir=work_dir,
        **given,
    )


async def ends(attempt: Any) -> AttemptResult:
    result: AttemptResult = await asyncio.wait_for(attempt.wait(), 5)
    return result


async def test_without_a_script(runner: SimulatedRunner, tmp_path: Path) -> None:
    running = asyncio.Event()
    begun = time.monotonic()
    attempt = await runner.launch(spec_in(tmp_path), running.set)
    assert not running.is_set()
    await asyncio.wait_for(running.wait(), 5)
    assert time.monotonic() - begun >= 0.049
    assert await ends(attempt) == AttemptResult(True, "Job completed successfully.")
    assert time.monotonic() - begun >= 0.149


async def test_a_script_by_name_and_attempt(runner: SimulatedRunner, tmp_path: Path) -> None:
    quick: dict[str, Any] = {"running_after": 0, "ends_after": 0}
    boom = ScriptedAttempt(**quick, succeeded=False, details="boom", stdout="out", stderr="é")
    runner.add_script(Script((boom, ScriptedAttempt(**quick, details="at last")), "dai*"))
    runner.add_script(Script((ScriptedAttempt(**quick, succeeded=False),), "other"))
    details = []
    for number in (1, 2, 3):
        attempt = await runner.launch(spec_in(tmp_path, attempt=number), lambda: None)
        if number == 1:
            assert {name: path.read_text("utf-8") for name, path in attempt.log_files.items()} == {
                ("SPARK_DRIVER", "STDOUT"): "out",
                ("SPARK_DRIVER", "STDERR"): "é",
            }
        details.append((await ends(attempt)).details)
    assert details == ["boom", "at last", "at last"]
    other = await runner.launch(spec_in(tmp_path, "other", name="other"), lambda: None)
    assert await ends(other) == AttemptResult(False, "Job failed.")


async def test_the_last_script_counts_but_not_for_a_run_that_has_begun(runner: SimulatedRunner, tmp_path: Path) -> None:
    def script(details: str) -> Script:
        return Script((ScriptedAttempt(running_after=0, ends_after=0, succeeded=False, details=details),))

    runner.add_script(script("old"))
    runner.add_script(script("new"))
    assert (await ends(await runner.launch(spec_in(tmp_path), lambda: None))).details == "new"
    runner.add_script(script("newest"))
    assert (await ends(await runner.launch(spec_in(tmp_path, attempt=2), lambda: None))).details == "new"
    assert (await ends(await runner.launch(spec_in(tmp_path, "another"), lambda: None))).details == "newest"
    runner.clear_scripts()
    assert (await ends(await runner.launch(spec_in(tmp_path, "third"), lambda: None))).succeeded


async def test_a_script_for_some_runs_is_for_no_more(runner: SimulatedRunner, tmp_path: Path) -> None:
    runner.add_script(Script((ScriptedAttempt(0, 0, succeeded=False),), times=2))
    ended = []
    for name, attempt in (("one", 1), ("one", 2), ("two", 1), ("three", 1), ("two", 2)):
        launched = await runner.launch(spec_in(tmp_path, name, attempt=attempt), lambda: None)
        ended.append((await ends(launched)).succeeded)
    assert ended == [False, False, False, True, False]


async def test_an_end_before_it_runs(runner: SimulatedRunner, tmp_path: Path) -> None:
    runner.add_script(Script((ScriptedAttempt(running_after=9, ends_after=0, succeeded=False, details="no driver"),)))
    ran: list[bool] = []
    attempt = await runner.launch(spec_in(tmp_path), lambda: ran.append(True))
    assert await ends(attempt) == AttemptResult(False, "no driver")
    assert not ran


async def test_hold_and_finish(runner: SimulatedRunner, tmp_path: Path) -> None:
    runner.add_script(Script((ScriptedAttempt(running_after=0, ends_after=0, hold=True),)))
    running = asyncio.Event()
    attempt = await runner.launch(spec_in(tmp_path), running.set)
    await asyncio.wait_for(running.wait(), 5)
    assert attempt.dashboard_url() == "http://endpoint/_emrs/simulated-ui/app/run-1"
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(attempt.wait(), 0.02)
    runner.finish("run", succeeded=False, details="told to")
    assert await ends(attempt) == AttemptResult(False, "told to")
    assert attempt.dashboard_url() is None
    assert await runner.history_url(spec_in(tmp_path)) == "http://endpoint/_emrs/simulated-ui/app/run-1"


async def test_finish_later(runner: SimulatedRunner, tmp_path: Path) -> None:
    runner.add_script(Script((ScriptedAttempt(running_after=0, hold=True),)))
    attempt = await runner.launch(spec_in(tmp_path), lambda: None)
    runner.finish("run", details="in time", after=0.05)
    assert not attempt.is_over
    assert await ends(attempt) == AttemptResult(True, "in time")


async def test_finish_of_what_does_not_run(runner: SimulatedRunner, tmp_path: Path) -> None:
    runner.add_script(Script((ScriptedAttempt(running_after=0, ends_after=0),)))
    await ends(await runner.launch(spec_in(tmp_path), lambda: None))
    for run_id in ("run", "never"):
        with pytest.raises(ValueError, match=f"jobRunId: no attempt of job run {run_id} runs"):
            runner.finish(run_id)


async def test_stop_before_it_runs(runner: SimulatedRunner, tmp_path: Path) -> None:
    ran: list[bool] = []
    runner.add_script(Script((ScriptedAttempt(running_after=0.01, hold=True),)))
    attempt = await runner.launch(spec_in(tmp_path), lambda: ran.append(True))
    await attempt.stop(30)
    assert not (await ends(attempt)).succeeded
    await asyncio.sleep(0.02)
    assert not ran


async def test_hive_logs(runner: SimulatedRunner, tmp_path: Path) -> None:
    attempt = await runner.launch(spec_in(tmp_path, driver_name="HIVE_DRIVER"), lambda: None)
    assert set(attempt.log_files) == {("HIVE_DRIVER", "STDOUT"), ("HIVE_DRIVER", "STDERR")}


async def test_close_ends_what_runs(runner: SimulatedRunner, tmp_path: Path) -> None:
    runner.add_script(Script((ScriptedAttempt(hold=True),)))
    attempt = await runner.launch(spec_in(tmp_path), lambda: None)
    await runner.close()
    assert (await ends(attempt)).details == "The endpoint ended."
    assert asyncio.all_tasks() == {asyncio.current_task()}
