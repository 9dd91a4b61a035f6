"""The life of a step, from its place in the line to its end: one task per step."""

from __future__ import annotations

import asyncio
import logging
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from airflow_emrs_ext.local.base import runner as runners
from airflow_emrs_ext.local.base.collection import OwnedResource
from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.driving import DeliverLogs, Driven, EndRequestedError, until
from airflow_emrs_ext.local.base.lifecycle import now, shorten
from airflow_emrs_ext.local.base.regions import region_in
from airflow_emrs_ext.local.base.runner import AttemptSpec, Runner
from airflow_emrs_ext.local.services.emr_on_ec2.clusters import Cluster
from airflow_emrs_ext.local.services.emr_on_ec2.naming import PRODUCT
from airflow_emrs_ext.local.services.emr_on_ec2.step_config import StepConfig
from airflow_emrs_ext.shared.states import StepState as S

GRACE_SECONDS: Mapping[str, float] = {"SEND_INTERRUPT": math.inf, "TERMINATE_PROCESS": 0.0}
"""How long the process of a step may take to end, by ``StepCancellationOption``: after SIGTERM as long as it likes."""

_CONTROLLER = "CONTROLLER"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StepEnd:
    """How a step is to end before its time.

    :param state: in which state
    :param reason: why
    :param grace_seconds: how long its process may take
    """

    state: S
    reason: str
    grace_seconds: float


@dataclass(kw_only=True)
class Step(Driven, OwnedResource):
    """One step.

    :param config: the request
    :param end: gets its result when the step is to end before its time
    :param started_at: when its driver ran
    :param killing: ends a driver that has not ended when it was asked to
    """

    owner: Cluster
    config: StepConfig
    end: asyncio.Future[StepEnd]
    started_at: datetime | None = None
    killing: asyncio.Task[None] | None = None

    def move(self, state: S, details: str) -> None:
        """Change the state."""
        change = self.life.move(self, state, details)
        if state is S.RUNNING:
            self.started_at = change.at


@dataclass(frozen=True)
class StepWalker:
    """Leads steps through their states.

    :param runner: executes their drivers
    :param config: dwell times
    :param deliver_logs: makes what delivers the logs of a driver, ``None``: nobody
    """

    runner: Runner
    config: ServiceConfig
    deliver_logs: DeliverLogs | None

    async def walk(self, step: Step, turn: asyncio.Event) -> None:
        """From PENDING to a terminal state.

        :param step: one that has just been added
        :param turn: set when it may run
        """
        try:
            await self._execute(step, turn)
        except EndRequestedError:
            await self._end(step)
        except Exception:
            # A defect must not leave a step active for ever: whoever waits for it would wait for ever, too.
            _log.exception("step %s", step.id)
            await step.stop(0)
            details = "Internal error of the local endpoint; see its log."
            self._on_running(step)
            if not step.state.is_terminal:
                step.move(S.CANCELLED if step.state is S.CANCEL_PENDING else S.FAILED, details)
        await step.end_delivering()

    def end(self, step: Step, end: StepEnd) -> None:
        """Begin to end a step before its time; one that is PENDING is CANCELLED at once.

        One that is being ended already goes on as it does, unless it is not to take that long any more.
        """
        if step.end.done():
            driver = step.running
            if end.grace_seconds < step.end.result().grace_seconds and driver and not step.killing:
                step.killing = asyncio.create_task(driver.stop(end.grace_seconds))
        elif not step.state.is_terminal:
            if step.state is S.PENDING:
                step.move(S.CANCELLED, end.reason)
            elif end.state is S.CANCELLED:
                step.move(S.CANCEL_PENDING, end.reason)
            step.end.set_result(end)

    async def _execute(self, step: Step, turn: asyncio.Event) -> None:
        await until(step.end, turn.wait())
        await until(step.end, asyncio.sleep(self.config.scheduling_seconds))
        spec = self._spec(step)
        controller = _Controller(spec.work_dir / "controller", step)
        step.own_logs = {(step.id, _CONTROLLER): controller.path}

        async def launch() -> runners.Attempt:
            controller.begin()
            return await self.runner.launch(spec, lambda: self._on_running(step))

        try:
            result = await step.drive(spec, launch, step.end, self.deliver_logs)
        except EndRequestedError:
            await step.stop(step.end.result().grace_seconds)
            controller.end("was cancelled")
            raise
        step.running = None
        self._on_running(step)
        controller.end("succeeded with exitCode 0" if result.succeeded else "failed with exitCode 1")
        await step.end_delivering(last=True)
        # Whoever has asked for its end meanwhile was too late.
        step.move(S.COMPLETED if result.succeeded else S.FAILED, shorten(result.details))

    def _on_running(self, step: Step) -> None:
        if step.state is S.PENDING:
            step.move(S.RUNNING, "The driver is running.")

    async def _end(self, step: Step) -> None:
        await step.end_delivering(last=True)
        end = step.end.result()
        if not step.state.is_terminal:
            step.move(end.state, end.reason)

    def _spec(self, step: Step) -> AttemptSpec:
        cluster, config = step.owner, step.config
        return AttemptSpec(
            product=PRODUCT,
            owner_id=cluster.id,
            driver_name=step.id,
            ui_id=step.id,
            job_run_id=step.id,
            attempt=1,
            account_id=self.config.account_id,
            region=region_in(step.arn),
            name=step.name,
            release_label=cluster.params["ReleaseLabel"],
            # Without a role of its own a step has that of the instances.
            execution_role_arn=config.execution_role_arn or cluster.params.get("JobFlowRole") or "",
            job_driver=config.job_driver,
            classifications=cluster.classifications,
            logs=config.logs,
            log_path=f"{cluster.id}/steps",
            workers=config.workers,
            work_dir=step.work_dir,
        )


@dataclass
class _Controller:
    """The log in which the service says what it does with a step."""

    path: Path
    step: Step
    began: datetime = field(default_factory=now)

    def begin(self) -> None:
        """The process of the step is being started."""
        self.began = now()
        shown = self.step.config.shown()
        self._write(f"INFO startExec 'hadoop jar {shown['Jar']} {shlex.join(shown['Args'])}'")

    def end(self, how: str) -> None:
        """It has ended."""
        if not self.path.exists():
            return
        seconds = round((now() - self.began).total_seconds())
        level = "INFO" if how.startswith("succeeded") else "WARN"
        self._write(f"INFO total process run time: {seconds} seconds")
        self._write(f"{level} Step {how} and took {seconds} seconds")

    def _write(self, line: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{now().isoformat(timespec='milliseconds').removesuffix('+00:00')}Z {line}\n")
