"""A runner that runs nothing: each attempt follows a script."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from airflow_emrs_ext.local.runner import AttemptResult, AttemptSpec
from airflow_emrs_ext.local.scripts import Script, ScriptedAttempt

_DEFAULT = Script()
_SUCCEEDED, _FAILED = "Job completed successfully.", "Job failed."


class SimulatedAttempt:
    """An attempt that follows its script."""

    def __init__(self, spec: AttemptSpec, script: ScriptedAttempt, base_url: str) -> None:
        kind = "HIVE_DRIVER" if "hive" in spec.job_driver else "SPARK_DRIVER"
        self.log_files: Mapping[tuple[str, str], Path] = {
            (kind, "STDOUT"): spec.work_dir / "stdout",
            (kind, "STDERR"): spec.work_dir / "stderr",
        }
        self._script = script
        self._url = base_url + simulated_ui_path(spec)
        self._outcome: asyncio.Future[AttemptResult] = asyncio.get_running_loop().create_future()
        for path, text in zip(self.log_files.values(), (script.stdout, script.stderr), strict=True):
            path.write_text(text, encoding="utf-8")

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._outcome.done()

    async def follow(self, on_running: Callable[[], None]) -> None:
        """Do what the script says, from the launch on."""
        script = self._script
        if script.hold or script.running_after <= script.ends_after:
            await asyncio.sleep(script.running_after)
            if not self.is_over:
                on_running()
            if script.hold:
                return
            await asyncio.sleep(script.ends_after - script.running_after)
        else:
            await asyncio.sleep(script.ends_after)
        self.end(script.succeeded, script.details)

    def end(self, succeeded: bool, details: str) -> None:
        """End the attempt, if it has not ended."""
        if not self.is_over:
            default = _SUCCEEDED if succeeded else _FAILED
            self._outcome.set_result(AttemptResult(succeeded, details or default))

    async def wait(self) -> AttemptResult:
        """Until the attempt has ended."""
        return await asyncio.shield(self._outcome)

    async def stop(self, grace_seconds: float) -> None:
        """End the attempt at once: nothing runs that could need the time."""
        self.end(False, "Stopped.")

    def dashboard_url(self) -> str | None:
        """A page of the endpoint's own, while the attempt runs."""
        return None if self.is_over else self._url


class SimulatedRunner:
    """Runs scripts instead of Spark.

    :param base_url: where the endpoint is reached, for the URLs of the UIs; may be set later
    """

    def __init__(self, base_url: str = "") -> None:
        self.base_url = base_url
        self.scripts: list[Script] = []
        self._chosen: dict[str, Script] = {}
        self._attempts: dict[str, SimulatedAttempt] = {}
        self._following: set[asyncio.Task[None]] = set()

    def add_script(self, script: Script) -> None:
        """Follow a script from now on; of several that apply to a job run the one given last counts."""
        self.scripts.append(script)

    def finish(self, job_run_id: str, *, succeeded: bool = True, details: str = "") -> None:
        """End the attempt of a job run that runs now, whatever its script says.

        :param job_run_id: the job run
        :param succeeded: whether its driver exits with status 0
        :param details: sentence for ``stateDetails``
        :raises ValueError: no attempt of it runs
        """
        attempt = self._attempts.get(job_run_id)
        if attempt is None or attempt.is_over:
            raise ValueError(f"jobRunId: no attempt of job run {job_run_id} runs in the simulated runner")
        attempt.end(succeeded, details)

    def clear_scripts(self) -> None:
        """Forget every script."""
        self.scripts.clear()

    async def start(self) -> None:
        """Nothing to prepare."""

    async def launch(self, spec: AttemptSpec, on_running: Callable[[], None]) -> SimulatedAttempt:
        """Begin to follow the script of the job run; its later attempts follow the same one."""
        if spec.attempt == 1:
            applying = [script for script in self.scripts if script.applies_to(spec.name)]
            self._chosen[spec.job_run_id] = applying[-1] if applying else _DEFAULT
        script = self._chosen[spec.job_run_id].attempt(spec.attempt)
        attempt = SimulatedAttempt(spec, script, self.base_url)
        self._attempts = {run_id: known for run_id, known in self._attempts.items() if not known.is_over}
        self._attempts[spec.job_run_id] = attempt
        task = asyncio.create_task(attempt.follow(on_running))
        self._following.add(task)
        task.add_done_callback(self._following.discard)
        return attempt

    async def history_url(self, spec: AttemptSpec) -> str | None:
        """The same page as while it ran."""
        return self.base_url + simulated_ui_path(spec)

    async def close(self) -> None:
        """End every attempt."""
        for attempt in self._attempts.values():
            attempt.end(False, "The endpoint ended.")
        tasks = list(self._following)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def simulated_ui_path(spec: AttemptSpec) -> str:
    """The path of the page that stands for an attempt's Spark UI."""
    return f"/_emrs/simulated-ui/{spec.application_id}/{spec.job_run_id}/{spec.attempt}"
