"""The service in the test's own event loop, with short minutes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.lifecycle import Transition
from airflow_emrs_ext.local.base.runner import AttemptResult, AttemptSpec
from airflow_emrs_ext.local.runners.scripts import Script, ScriptedAttempt, ScriptedSession
from airflow_emrs_ext.local.runners.simulated import SimulatedRunner
from airflow_emrs_ext.local.services.emr_serverless import EmrServerless

ROLE = "arn:aws:iam::123456789012:role/jobs"
DRIVER = {"sparkSubmit": {"entryPoint": "s3://bucket/job.py"}}
SMALL = {
    "sparkSubmit": {
        "entryPoint": "s3://bucket/job.py",
        "sparkSubmitParameters": "--conf spark.driver.cores=1 --conf spark.driver.memory=1g"
        " --conf spark.executor.cores=1 --conf spark.executor.memory=1g --conf spark.executor.instances=1",
    }
}
HOLD = ScriptedAttempt(running_after=0, hold=True)
FAIL = ScriptedAttempt(running_after=0, ends_after=0.002, succeeded=False, details="boom")
PASS = ScriptedAttempt(running_after=0, ends_after=0.002)

_DEADLINE_SECONDS = 10


class Lab:
    """A service and short ways to use it."""

    def __init__(self, work_dir: Path, runner: Any = None, deliver_logs: Any = None, **settings: Any) -> None:
        self.runner = runner or SimulatedRunner("http://endpoint")
        quick = {
            "seconds_per_minute": 0.01,
            "application_start_seconds": 0.005,
            "scheduling_seconds": 0.001,
            "quota_scale": 0.0,
            "endpoint_url": "http://endpoint",
        }
        self.config = ServiceConfig(**{**quick, **settings})
        self.service = EmrServerless(self.runner, config=self.config, work_dir=work_dir, deliver_logs=deliver_logs)
        if isinstance(self.runner, SimulatedRunner):
            self.script(PASS)
        self.transitions: list[Transition] = []
        self._changed = asyncio.Event()
        self._tokens = 0
        self.service.listeners.append(self._heard)

    async def close(self) -> None:
        await self.service.close()
        await self.runner.close()

    def _heard(self, transition: Transition) -> None:
        self.transitions.append(transition)
        self._changed.set()

    async def eventually(self, holds: Callable[[], Any]) -> None:
        """Until something holds; looked at after every change of a state."""

        async def look() -> None:
            while not holds():
                self._changed.clear()
                await self._changed.wait()

        await asyncio.wait_for(look(), _DEADLINE_SECONDS)

    def token(self) -> str:
        self._tokens += 1
        return f"token-{self._tokens}"

    def script(self, *attempts: ScriptedAttempt, name: str = "*") -> None:
        self.runner.add_script(Script(attempts, name))

    async def application(self, **params: Any) -> str:
        """Create one (without auto-stop, unless asked for) and wait until it is CREATED."""
        given = {
            "type": "SPARK",
            "releaseLabel": "emr-7.5.0",
            "clientToken": self.token(),
            "autoStopConfiguration": {"enabled": False},
            **params,
        }
        application_id: str = (await self.service.create_application(**given))["applicationId"]
        await self.application_in(application_id, "CREATED")
        return application_id

    async def started_application(self, **params: Any) -> str:
        application_id = await self.application(**params)
        await self.service.start_application(applicationId=application_id)
        await self.application_in(application_id, "STARTED")
        return application_id

    async def get_application(self, application_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = (await self.service.get_application(applicationId=application_id))["application"]
        return answer

    async def application_in(self, application_id: str, state: str) -> None:
        await self.eventually(lambda: self.record("application", application_id)["state"] == state)

    async def submit(self, application_id: str, **params: Any) -> str:
        given = {
            "applicationId": application_id,
            "clientToken": self.token(),
            "executionRoleArn": ROLE,
            "jobDriver": SMALL,
            **params,
        }
        job_run_id: str = (await self.service.start_job_run(**given))["jobRunId"]
        return job_run_id

    async def get(self, job_run_id: str, attempt: int | None = None) -> dict[str, Any]:
        ids = self.ids(job_run_id)
        extra = {} if attempt is None else {"attempt": attempt}
        answer: dict[str, Any] = (await self.service.get_job_run(**ids, **extra))["jobRun"]
        return answer

    async def cancel(self, job_run_id: str, **params: Any) -> None:
        await self.service.cancel_job_run(**self.ids(job_run_id), **params)

    def ids(self, job_run_id: str) -> dict[str, str]:
        record = self.record("job run", job_run_id)
        return {"applicationId": record["applicationId"], "jobRunId": job_run_id}

    def state(self, job_run_id: str) -> str:
        return str(self.record("job run", job_run_id)["state"])

    async def run_in(self, job_run_id: str, *states: str) -> dict[str, Any]:
        await self.eventually(lambda: self.state(job_run_id) in states)
        return await self.get(job_run_id)

    async def ended(self, job_run_id: str) -> dict[str, Any]:
        return await self.run_in(job_run_id, "SUCCESS", "FAILED", "CANCELLED")

    def record(self, kind: str, resource_id: str) -> dict[str, Any]:
        if kind == "application":
            known = {record["applicationId"]: record for record in self.service.applications.records()}
        else:
            known = {record["jobRunId"]: record for record in self.service.job_runs.records()}
        return known[resource_id]

    def path(self, job_run_id: str) -> list[str]:
        """The states that a job run went through."""
        return [change["state"] for change in self.record("job run", job_run_id)["stateHistory"]]

    def application_path(self, application_id: str) -> list[str]:
        """The states that an application went through."""
        return [change["state"] for change in self.record("application", application_id)["stateHistory"]]

    async def dashboard_token(self, job_run_id: str, **params: Any) -> str:
        """The token in the URL that GetDashboardForJobRun answers."""
        answer = await self.service.get_dashboard_for_job_run(**self.ids(job_run_id), **params)
        prefix, _, token = answer["url"].rpartition("/")
        assert prefix == "http://endpoint/_emrs/dashboards"
        return str(token)


class Sessions:
    """Short ways to use the sessions of a lab."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.service = lab.service

    async def application(self, **params: Any) -> str:
        """One that takes sessions."""
        enabled = {"interactiveConfiguration": {"sessionEnabled": True}}
        return await self.lab.application(**{"releaseLabel": "emr-7.13.0", **enabled, **params})

    async def start(self, application_id: str, **params: Any) -> dict[str, str]:
        """Start one; :return: its ids, as the other operations take them."""
        given = {"applicationId": application_id, "clientToken": self.lab.token(), "executionRoleArn": ROLE, **params}
        answer = await self.service.start_session(**given)
        return {"applicationId": application_id, "sessionId": answer["sessionId"]}

    def record(self, ids: Mapping[str, str]) -> dict[str, Any]:
        return {record["sessionId"]: record for record in self.service.sessions.records()}[ids["sessionId"]]

    def path(self, ids: Mapping[str, str]) -> list[str]:
        """The states that a session went through."""
        return [change["state"] for change in self.record(ids)["stateHistory"]]

    async def in_state(self, ids: Mapping[str, str], *states: str) -> dict[str, Any]:
        await self.lab.eventually(lambda: self.record(ids)["state"] in states)
        answer: dict[str, Any] = (await self.service.get_session(**ids))["session"]
        return answer

    def script(self, name: str = "*", **what: Any) -> None:
        self.lab.runner.add_script(Script(session=ScriptedSession(**what), name=name))


class SlowToStop:
    """A runner whose drivers run until they are stopped, which they are when the test lets them be."""

    def __init__(self) -> None:
        self.graces: list[float] = []
        self.may_end = asyncio.Event()
        self.specs: list[AttemptSpec] = []
        self.outcome: asyncio.Future[AttemptResult] = asyncio.get_running_loop().create_future()
        self.log_files: Mapping[tuple[str, str], Path] = {}

    async def start(self) -> None: ...

    async def launch(self, spec: AttemptSpec, on_running: Callable[[], None]) -> SlowToStop:
        self.specs.append(spec)
        asyncio.get_running_loop().call_soon(on_running)
        return self

    async def wait(self) -> AttemptResult:
        return await asyncio.shield(self.outcome)

    async def stop(self, grace_seconds: float) -> None:
        self.graces.append(grace_seconds)
        await self.may_end.wait()

    def dashboard_url(self) -> str | None:
        return None

    async def history_url(self, spec: AttemptSpec) -> str | None:
        return None

    async def close(self) -> None: ...
