"""The runner that executes everything as Spark driver processes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from airflow_emrs_ext.local.base.aws import AwsTarget
from airflow_emrs_ext.local.base.releases import software_of
from airflow_emrs_ext.local.base.runner import AttemptSpec, ConnectSpec, DriverSpec
from airflow_emrs_ext.local.runners.spark import connect, hive, sparksql, sparksubmit
from airflow_emrs_ext.local.runners.spark.attempt import SparkAttempt, SparkConnectDriver
from airflow_emrs_ext.local.runners.spark.driver import Driver, Machine, event_log
from airflow_emrs_ext.local.runners.spark.history import HistoryServer
from airflow_emrs_ext.local.runners.spark.jars import JarSources
from airflow_emrs_ext.local.runners.spark.java import MissingRuntime, SparkRuntime, find_runtime
from airflow_emrs_ext.local.runners.spark.launch import heap_mb
from airflow_emrs_ext.local.runners.spark.runtimes import installed, text_of
from airflow_emrs_ext.local.runners.spark.selection import Selection, select
from airflow_emrs_ext.local.runners.spark.uis import SparkUis
from airflow_emrs_ext.local.runners.spark.warm_up import find_archive

# A job does not depend on the Spark settings of whoever started the endpoint.
_SPARK_VARIABLES = ("SPARK_", "PYSPARK_", "HADOOP_", "HIVE_", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")

_PREPARE: Mapping[str, Callable[[Machine, AttemptSpec, AwsTarget], Driver]] = {
    "sparkSubmit": sparksubmit.prepare,
    "sparkSubmitJobDriver": sparksubmit.prepare,
    "sparkSqlJobDriver": sparksql.prepare,
    "hive": hive.prepare,
    "spark-submit": partial(sparksubmit.prepare, member="HadoopJarStep.Args"),
    "spark-sql": partial(sparksql.prepare, member="HadoopJarStep.Args"),
}
"""What makes the driver of a job, by its kind."""


RELEASE = "release"
"""Each driver runs on the Spark of its release."""


class SparkRunner:
    """Runs every attempt, session and managed endpoint as a Spark driver process of its own on this machine.

    :param target: the endpoint and the S3 that jobs work with
    :param state_dir: what outlives an attempt: event logs, and the metastores of Hive applications
    :param uis: Spark's UIs
    :param wanted: ``release``, or the line of Spark that every driver runs on
    :param jars: where jars come from that jobs do not bring
    """

    def __init__(self, target: AwsTarget, state_dir: Path, uis: SparkUis, wanted: str, jars: JarSources) -> None:
        self._target = target
        self._state_dir = state_dir
        self._uis = uis
        self._wanted = wanted
        self._jars = jars
        self._own: SparkRuntime | None = None
        self._only: SparkRuntime | None = None
        self._history: HistoryServer | None = None
        self._attempts: set[SparkAttempt] = set()
        self._metastore_locks: dict[str, asyncio.Lock] = {}

    async def start(self) -> None:
        """Find Spark and Java.

        :raises MissingRuntime: one of them is missing; the message names the remedy
        """
        self._own = find_runtime()
        if self._wanted != RELEASE:
            chosen = [one for one in (self._own, *installed()) if text_of(one.line) == self._wanted]
            if not chosen:
                raise MissingRuntime(f"--runtime {self._wanted}: is not on this machine; see `emrs-local runtimes`")
            self._only = chosen[0]
        self._history = HistoryServer(self._machine(Selection(self._own, note="")), self._uis)

    async def launch(self, spec: AttemptSpec, on_running: Callable[[], None]) -> SparkAttempt:
        """Start an attempt; what cannot be run fails the attempt, with the reason in its details.

        :param spec: the attempt
        :param on_running: called once, on the event loop, when Spark runs in the driver
        """
        attempt = SparkAttempt(
            spec,
            prepare=lambda: self._prepare(spec),
            environ=self._target.in_region(spec.region).environ(_inherited()),
            lock=self._metastore_lock(spec),
            on_running=on_running,
            uis=self._uis,
        )
        self._begin(attempt)
        return attempt

    async def launch_connect(self, spec: ConnectSpec, on_ready: Callable[[], None]) -> SparkConnectDriver:
        """Start a driver that serves Spark Connect; what cannot be run fails it, with the reason in its details.

        :param spec: the session or managed endpoint
        :param on_ready: called once, on the event loop, when its Spark Connect server takes connections
        """
        server = SparkConnectDriver(
            spec,
            prepare=lambda: connect.prepare(self._machine_for(spec, for_connect=True), spec, self._target),
            environ=self._target.in_region(spec.region).environ(_inherited()),
            lock=None,
            on_running=on_ready,
            uis=self._uis,
        )
        self._begin(server)
        return server

    def event_log(self, spec: DriverSpec) -> Path | None:
        """The event log of a driver's Spark; ``None``: there is none (yet).

        :param spec: the driver
        """
        return event_log(self._state_dir, spec)

    async def history_url(self, spec: DriverSpec) -> str | None:
        """The page of a finished attempt in the history server, which the first call starts.

        :param spec: the attempt
        :return: ``None`` when Spark never ran in it
        """
        if self._history is None:
            return None
        return await self._history.url(spec)

    async def close(self) -> None:
        """End every driver and the history server."""
        await asyncio.gather(*(attempt.stop(0) for attempt in self._attempts))
        self._attempts.clear()
        if self._history is not None:
            await self._history.close()

    def _begin(self, attempt: SparkAttempt) -> None:
        self._attempts = {known for known in self._attempts if not known.is_over}
        self._attempts.add(attempt)
        attempt.begin()

    def _machine_for(self, spec: DriverSpec, *, for_connect: bool = False) -> Machine:
        """The machine as the drivers of a release see it. Looks at what is installed, which may have changed."""
        if self._own is None:
            raise RuntimeError("SparkRunner.start has not been called")
        software = software_of(spec.release_label)
        if self._only is not None:
            return self._machine(select(spec.release_label, software, self._only, (), for_connect=for_connect))
        return self._machine(select(spec.release_label, software, self._own, installed(), for_connect=for_connect))

    def _machine(self, selection: Selection) -> Machine:
        runtime = selection.runtime
        return Machine(
            runtime=runtime,
            heap_mb=heap_mb(),
            archive=find_archive(runtime),
            endpoint_url=self._target.endpoint_url,
            state_dir=self._state_dir,
            ui_properties=self._uis.properties(runtime.line),
            defaults=selection.defaults,
            notes=[selection.note] if selection.note else [],
            stand_in=selection.stand_in,
            jars=self._jars,
        )

    def _prepare(self, spec: AttemptSpec) -> Driver:
        return _PREPARE[spec.job_kind](self._machine_for(spec), spec, self._target)

    def _metastore_lock(self, spec: AttemptSpec) -> asyncio.Lock | None:
        if spec.job_kind != "hive":
            return None
        # Embedded Derby takes one process at a time.
        return self._metastore_locks.setdefault(spec.owner_id, asyncio.Lock())


def _inherited() -> dict[str, str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(_SPARK_VARIABLES)}
    if not any("utf" in environ.get(name, "").lower() for name in ("LC_ALL", "LC_CTYPE", "LANG")):
        # Java reads its arguments and the names of files in the encoding of the locale.
        environ["LC_ALL"] = "C.UTF-8"
    return environ
