"""One attempt of a job run, or a driver that serves Spark Connect: prepared, started, watched and explained."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from airflow_emrs_ext.local.base.lifecycle import shorten
from airflow_emrs_ext.local.base.runner import AttemptResult, ConnectServer, DriverSpec
from airflow_emrs_ext.local.runners.spark.details import failure_details
from airflow_emrs_ext.local.runners.spark.driver import Driver, executor_log
from airflow_emrs_ext.local.runners.spark.launch import GuardedProcess
from airflow_emrs_ext.local.runners.spark.submit import SubmitError
from airflow_emrs_ext.local.runners.spark.uis import SparkUis

log: logging.Logger = logging.getLogger(__name__)

_RUNNING_POLL_SECONDS = 0.05
# A driver that never makes a SparkContext runs all the same.
_RUNNING_AT_LATEST_SECONDS = 10.0
# A server that does not come up by then never will; its session would hold its workers for ever.
_READY_AT_LATEST_SECONDS = 300.0


_EXECUTOR_NOTE = (
    "Note: executors are threads of the driver here. This file stands for those of all of them: it has what the threads"
    " that run tasks log, unless the job brings a Log4j configuration of its own. What tasks print is in the logs of"
    " the driver."
)


class SparkAttempt:
    """A Spark driver process, from its preparation to the sentence that says how it ended.

    :param spec: the attempt or session
    :param prepare: makes the driver; called once, in a thread, may talk to S3 and raise :class:`SubmitError`
    :param environ: the environment that the driver's own variables are added to
    :param lock: held while the driver runs
    :param on_running: called once, on the event loop, when Spark runs in the driver
    :param uis: Spark's UIs
    """

    def __init__(
        self,
        spec: DriverSpec,
        *,
        prepare: Callable[[], Driver],
        environ: Mapping[str, str],
        lock: asyncio.Lock | None,
        on_running: Callable[[], None],
        uis: SparkUis,
    ) -> None:
        self._spec = spec
        self._prepare = prepare
        self._environ = environ
        self._lock = lock
        self._on_running = on_running
        self._uis = uis
        self._stdout = spec.work_dir / "stdout"
        self._stderr = spec.work_dir / "stderr"
        self.log_files: Mapping[tuple[str, str], Path] = {
            (spec.driver_name, "STDOUT"): self._stdout,
            (spec.driver_name, "STDERR"): self._stderr,
        }
        if spec.executor_logs:
            self.log_files = {
                **self.log_files,
                (spec.executor_logs, "STDOUT"): spec.work_dir / "executor-stdout",
                (spec.executor_logs, "STDERR"): executor_log(spec.work_dir),
            }
        self._driver: Driver | None = None
        self._process: GuardedProcess | None = None
        self._task: asyncio.Task[AttemptResult] | None = None
        self._has_run = False
        self._is_stopping = False
        self._is_up = False

    @property
    def is_over(self) -> bool:
        """The attempt has ended, and nothing of it is left."""
        return self._task is not None and self._task.done()

    def begin(self) -> None:
        """Start working on it; returns at once."""
        self._task = asyncio.create_task(self._run(), name=f"attempt {self._spec.log_path}")

    async def wait(self) -> AttemptResult:
        """Until the attempt has ended. Cancelling the waiter does not end the attempt."""
        if self._task is None:
            raise RuntimeError("SparkAttempt.begin has not been called")
        with contextlib.suppress(asyncio.CancelledError):
            return await asyncio.shield(self._task)
        if self._task.cancelled():
            return AttemptResult(succeeded=False, details="The driver was stopped before it started")
        raise asyncio.CancelledError

    async def stop(self, grace_seconds: float) -> None:
        """SIGTERM for the driver and all that it started, SIGKILL after ``grace_seconds``; return when all is gone."""
        if self._task is None or self._task.done():
            return
        self._is_stopping = True
        if self._process is None:
            self._task.cancel()
        else:
            await self._process.stop(grace_seconds)
        await asyncio.wait([self._task])

    def dashboard_url(self) -> str | None:
        """The Spark UI of the driver while Spark runs in it."""
        is_running = self._process is not None and self._process.is_running
        if self._driver is None or self._driver.ui_port is None or not self._is_up or not is_running:
            return None
        return self._uis.open(self._spec.ui_id, self._driver.ui_port)

    async def _run(self) -> AttemptResult:
        for path in self.log_files.values():
            path.touch()
        if self._spec.executor_logs:
            executor_log(self._spec.work_dir).write_text(f"{_EXECUTOR_NOTE}\n")
        try:
            async with self._lock or contextlib.nullcontext():
                return await self._drive()
        except SubmitError as error:
            with self._stderr.open("a") as stderr:
                stderr.write(f"{error}\n")
            return AttemptResult(succeeded=False, details=shorten(str(error)))
        except OSError as error:
            # A full disk or no more processes: the machine's trouble, which the user of the endpoint must see.
            log.exception("cannot start the driver of %s", self._spec.log_path)
            return AttemptResult(succeeded=False, details=shorten(f"The driver could not be started: {error}"))

    async def _drive(self) -> AttemptResult:
        driver = self._driver = await asyncio.to_thread(self._prepare)
        with self._stderr.open("a") as stderr:
            stderr.writelines(f"Note: {note}\n" for note in driver.notes)
        # Shielded, so that a stop in this moment cannot lose sight of a process that has been started.
        starting = asyncio.ensure_future(
            GuardedProcess.start(
                driver.command,
                environ={**self._environ, **driver.environ},
                cwd=driver.cwd,
                stdout=self._stdout,
                stderr=self._stderr,
            )
        )
        try:
            process = self._process = await asyncio.shield(starting)
        except asyncio.CancelledError:
            await (await starting).stop(0)
            raise
        watcher = asyncio.create_task(self._watch(driver))
        try:
            status = await process.wait()
        finally:
            watcher.cancel()
            self._uis.close(self._spec.ui_id)
        self._report_running()
        if status == 0:
            return AttemptResult(succeeded=True, details=driver.stand_in)
        details = await asyncio.to_thread(failure_details, status, self._stdout, self._stderr, self._spec.product)
        return AttemptResult(succeeded=False, details=details)

    async def _watch(self, driver: Driver) -> None:
        loop = asyncio.get_running_loop()
        late = loop.time() + _RUNNING_AT_LATEST_SECONDS
        while not driver.is_running_spark:
            if loop.time() > late:
                self._report_running()
            await asyncio.sleep(_RUNNING_POLL_SECONDS)
        self._is_up = True
        self._report_running()

    def _report_running(self) -> None:
        if not self._has_run and not self._is_stopping:
            self._has_run = True
            self._on_running()


class SparkConnectDriver(SparkAttempt):
    """The driver process of a session or managed endpoint; it runs once Spark Connect takes connections."""

    @property
    def connect(self) -> ConnectServer | None:
        """Its Spark Connect server, while it takes connections."""
        return self._driver.connect if self._driver and self._is_up and not self.is_over else None

    async def _watch(self, driver: Driver) -> None:
        assert driver.connect is not None
        host, _, port = driver.connect.address.rpartition(":")
        late = asyncio.get_running_loop().time() + _READY_AT_LATEST_SECONDS
        while True:
            if asyncio.get_running_loop().time() > late and self._process is not None:
                log.error("%s: Spark Connect did not come up", self._spec.log_path)
                await self._process.stop(0)
                return
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except OSError:
                await asyncio.sleep(_RUNNING_POLL_SECONDS)
            else:
                writer.close()
                break
        self._is_up = True
        self._report_running()

    def _report_running(self) -> None:
        # A driver that ended before its server was up was never ready.
        if self._is_up:
            super()._report_running()
