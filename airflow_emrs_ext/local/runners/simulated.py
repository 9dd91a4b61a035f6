"""A runner that runs nothing: each attempt and each session or managed endpoint follows a script."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from airflow_emrs_ext.local.base.runner import (
    AttemptResult,
    AttemptSpec,
    ConnectServer,
    ConnectSpec,
    DriverSpec,
)
from airflow_emrs_ext.local.runners.scripts import Script, ScriptedAttempt, ScriptedSession

_ATTEMPT, _SESSION = ScriptedAttempt(), ScriptedSession()


class SimulatedDriver:
    """A driver that follows its script: what every driver has in common.

    :param spec: what it is to do
    :param script: what it does
    :param base_url: where the endpoint is reached
    """

    def __init__(self, spec: DriverSpec, script: ScriptedAttempt | ScriptedSession, base_url: str) -> None:
        self.log_files: Mapping[tuple[str, str], Path] = {
            (spec.driver_name, "STDOUT"): spec.work_dir / "stdout",
            (spec.driver_name, "STDERR"): spec.work_dir / "stderr",
        }
        self._url = base_url + simulated_ui_path(spec)
        self._outcome: asyncio.Future[AttemptResult] = asyncio.get_running_loop().create_future()
        for path, text in zip(self.log_files.values(), (script.stdout, script.stderr), strict=True):
            path.write_text(text, encoding="utf-8")

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._outcome.done()

    def write(self, stdout: str, stderr: str) -> None:
        """Print this, after what it has printed before."""
        for path, text in zip(self.log_files.values(), (stdout, stderr), strict=True):
            with path.open("a", encoding="utf-8") as file:
                file.write(text)

    def end(self, succeeded: bool, details: str) -> None:
        """End it, if it has not ended."""
        if not self.is_over:
            self._outcome.set_result(AttemptResult(succeeded, details))

    async def wait(self) -> AttemptResult:
        """Until it has ended."""
        return await asyncio.shield(self._outcome)

    async def stop(self, grace_seconds: float) -> None:
        """End it at once: nothing runs that could need the time."""
        self.end(False, "Stopped.")

    def dashboard_url(self) -> str | None:
        """A page of the endpoint's own, while it runs."""
        return None if self.is_over else self._url


class SimulatedAttempt(SimulatedDriver):
    """An attempt of a job run that follows its script."""

    def __init__(self, spec: AttemptSpec, script: ScriptedAttempt, base_url: str) -> None:
        super().__init__(spec, script, base_url)
        self._script = script

    async def stop(self, grace_seconds: float) -> None:
        """End it, in the time that its script says."""
        await asyncio.wait([self._outcome], timeout=min(self._script.stops_after, grace_seconds))
        await super().stop(grace_seconds)

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
        super().end(succeeded, details or ("Job completed successfully." if succeeded else "Job failed."))


class SimulatedServer(SimulatedDriver):
    """A session or managed endpoint that follows its script; no Spark Connect server is behind it."""

    connect: ConnectServer | None = None

    def __init__(self, spec: ConnectSpec, script: ScriptedSession, base_url: str) -> None:
        super().__init__(spec, script, base_url)
        self._script = script

    async def follow(self, on_ready: Callable[[], None]) -> None:
        """Do what the script says, from the launch on."""
        script = self._script
        if script.ends_after is not None and script.ends_after <= script.ready_after:
            await asyncio.sleep(script.ends_after)
        else:
            await asyncio.sleep(script.ready_after)
            if not self.is_over:
                on_ready()
            if script.ends_after is None:
                return
            await asyncio.sleep(script.ends_after - script.ready_after)
        self.end(script.succeeded, script.details)


class SimulatedRunner:
    """Runs scripts instead of Spark.

    :param base_url: where the endpoint is reached, for the URLs of the UIs
    """

    def __init__(self, base_url: str = "") -> None:
        self.base_url = base_url
        self.scripts: list[Script] = []
        self._chosen: dict[str, Script | None] = {}
        self._drivers: dict[str, SimulatedDriver] = {}
        self._following: set[asyncio.Task[None]] = set()

    def add_script(self, script: Script) -> None:
        """Follow a script from now on; of several that apply to the same the one given last counts."""
        self.scripts.append(script)

    def finish(self, job_run_id: str, *, succeeded: bool = True, details: str = "", after: float = 0.0) -> None:
        """End the attempt of a job run that runs now, whatever its script says.

        :param job_run_id: the job run
        :param succeeded: whether its driver exits with status 0
        :param details: sentence for ``stateDetails``
        :param after: seconds until then
        :raises ValueError: no attempt of it runs
        """
        attempt = self._attempt_of(job_run_id)
        if after:
            asyncio.get_running_loop().call_later(after, attempt.end, succeeded, details)
        else:
            attempt.end(succeeded, details)

    def write(self, job_run_id: str, *, stdout: str = "", stderr: str = "") -> None:
        """Let the driver of the attempt of a job run that runs now print something.

        :param job_run_id: the job run
        :param stdout: on its standard output
        :param stderr: on its standard error
        :raises ValueError: no attempt of it runs
        """
        self._attempt_of(job_run_id).write(stdout, stderr)

    def end_session(self, session_id: str, *, succeeded: bool = False, details: str = "") -> None:
        """End the driver of a session or managed endpoint, without anybody having asked for it.

        :param session_id: the session or managed endpoint
        :param succeeded: whether it is TERMINATED then, as if that had been asked for
        :param details: sentence for ``stateDetails``
        :raises ValueError: it does not run
        """
        server = self._drivers.get(session_id)
        if not isinstance(server, SimulatedServer) or server.is_over:
            raise ValueError(f"sessionId: {session_id} does not run in the simulated runner")
        server.end(succeeded, details)

    def clear_scripts(self) -> None:
        """Forget every script."""
        self.scripts.clear()

    def _script_for(self, name: str | None, applies: Callable[[Script], bool]) -> Script | None:
        """The script of a job run or session that begins, which is one less for it to be for."""
        for place, script in reversed(list(enumerate(self.scripts))):
            if applies(script) and script.matches(name):
                if script.times == 1:
                    del self.scripts[place]
                elif script.times is not None:
                    self.scripts[place] = replace(script, times=script.times - 1)
                return script
        return None

    async def start(self) -> None:
        """Nothing to prepare."""

    async def launch(self, spec: AttemptSpec, on_running: Callable[[], None]) -> SimulatedAttempt:
        """Begin to follow the script of the job run; its later attempts follow the same one."""
        if spec.attempt == 1:
            self._chosen[spec.job_run_id] = self._script_for(spec.name, lambda script: bool(script.attempts))
        script = self._chosen[spec.job_run_id]
        attempt = SimulatedAttempt(spec, script.attempt(spec.attempt) if script else _ATTEMPT, self.base_url)
        self._begin(spec.job_run_id, attempt, attempt.follow(on_running))
        return attempt

    async def launch_connect(self, spec: ConnectSpec, on_ready: Callable[[], None]) -> SimulatedServer:
        """Begin to follow the script of the session or managed endpoint."""
        script = self._script_for(spec.name, lambda script: script.session is not None)
        server = SimulatedServer(spec, (script and script.session) or _SESSION, self.base_url)
        self._begin(spec.host_id, server, server.follow(on_ready))
        return server

    def event_log(self, spec: DriverSpec) -> Path | None:
        """None: no Spark runs."""
        return None

    async def history_url(self, spec: DriverSpec) -> str | None:
        """The same page as while it ran."""
        return self.base_url + simulated_ui_path(spec)

    async def close(self) -> None:
        """End everything."""
        for driver in self._drivers.values():
            driver.end(False, "The endpoint ended.")
        tasks = list(self._following)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _attempt_of(self, job_run_id: str) -> SimulatedAttempt:
        attempt = self._drivers.get(job_run_id)
        if not isinstance(attempt, SimulatedAttempt) or attempt.is_over:
            raise ValueError(f"jobRunId: no attempt of job run {job_run_id} runs in the simulated runner")
        return attempt

    def _begin(self, work_id: str, driver: SimulatedDriver, following: Coroutine[Any, Any, None]) -> None:
        self._drivers = {known_id: known for known_id, known in self._drivers.items() if not known.is_over}
        self._drivers[work_id] = driver
        task = asyncio.create_task(following)
        self._following.add(task)
        task.add_done_callback(self._following.discard)


def simulated_ui_path(spec: DriverSpec) -> str:
    """The path of the page that stands for the Spark UI of a driver."""
    return f"/_emrs/simulated-ui/{spec.owner_id}/{spec.ui_id}"
