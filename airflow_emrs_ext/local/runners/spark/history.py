"""Spark's history server, for attempts that have ended."""

from __future__ import annotations

import asyncio
import json
import os

from airflow_emrs_ext.local.base.runner import UNFINISHED, DriverSpec
from airflow_emrs_ext.local.runners.spark.driver import EVENT_LOGS, Machine, write_properties
from airflow_emrs_ext.local.runners.spark.launch import GuardedProcess, free_port, java_command
from airflow_emrs_ext.local.runners.spark.uis import SparkUis

_MAIN_CLASS = "org.apache.spark.deploy.history.HistoryServer"
_NAME = "finished"
_HEAP_MB = 512
_START_SECONDS = 60.0
# The server sees a new event log at its next scan.
_SCAN_SECONDS = 1
_POLL_SECONDS = 0.1


class HistoryServer:
    """One history server on a free port of loopback, started when it is first needed.

    :param machine: the runtime, and the directory of the event logs
    :param uis: Spark's UIs, of which it is one
    """

    def __init__(self, machine: Machine, uis: SparkUis) -> None:
        self._machine = machine
        self._uis = uis
        self._directory = machine.state_dir / "history"
        self._lock = asyncio.Lock()
        self._process: GuardedProcess | None = None
        self._port = 0
        self._is_closed = False

    async def url(self, spec: DriverSpec) -> str | None:
        """The page of a finished attempt, once the server shows it.

        :param spec: the driver that has ended
        :return: ``None`` when Spark never ran in it, or the server does not come up
        """
        app_id = self._app_id(spec)
        if app_id is None:
            return None
        async with self._lock:
            if self._is_closed:
                return None
            if self._process is None or not self._process.is_running:
                self._process = await self._start()
            process = self._process
        base = self._uis.open(_NAME, self._port)
        deadline = asyncio.get_running_loop().time() + _START_SECONDS
        while process.is_running and asyncio.get_running_loop().time() < deadline:
            page = f"/history/{app_id}/jobs/"
            if await self._lists(app_id, spec.ui_id) and await self._uis.read(_NAME, page) is not None:
                return f"{base}{page}"
            await asyncio.sleep(_POLL_SECONDS)
        return None

    async def _lists(self, app_id: str, log_name: str) -> bool:
        """Whether the server lists an application as what its log's name says now: it runs, or has ended.

        Once a log has got its last name the pages come and go until the server has seen that.
        """
        answer = await self._uis.read(_NAME, f"/api/v1/applications/{app_id}")
        has_ended = (self._machine.event_logs / log_name).exists()
        try:
            return answer is not None and json.loads(answer)["attempts"][0]["completed"] == has_ended
        except (ValueError, LookupError, TypeError):
            # A server that has just begun answers for a moment with something else.
            return False

    def _app_id(self, spec: DriverSpec) -> str | None:
        """What the Spark of a driver calls its application; ``None``: it never ran.

        A log that is elsewhere, as Spark has chosen its name, is linked to where the server looks.
        """
        places = [self._machine.event_logs / f"{spec.ui_id}{ending}" for ending in ("", UNFINISHED)]
        elsewhere = sorted((spec.work_dir / EVENT_LOGS).glob("*"))
        if not elsewhere:
            return spec.ui_id if any(place.exists() for place in places) else None
        for place in places:
            place.unlink(missing_ok=True)
        log = elsewhere[-1]
        places[log.name.endswith(UNFINISHED)].symlink_to(log)
        return log.name.removesuffix(UNFINISHED)

    async def close(self) -> None:
        """End the server."""
        self._is_closed = True
        async with self._lock:
            if self._process is not None:
                await self._process.stop(0)

    async def _start(self) -> GuardedProcess:
        self._directory.mkdir(parents=True, exist_ok=True)
        self._port = free_port()
        properties = self._directory / "history-server.properties"
        settings = {
            # A path and no URI, which the server would not decode.
            "spark.history.fs.logDirectory": str(self._machine.event_logs),
            "spark.history.fs.update.interval": f"{_SCAN_SECONDS}s",
            # Else Spark 4.1 takes who is asked for before it is listed for a directory, and never shows it.
            "spark.history.fs.eventLog.rolling.onDemandLoadEnabled": "false",
            "spark.history.ui.port": str(self._port),
            **self._machine.ui_properties,
        }
        write_properties(properties, settings)
        command = java_command(
            self._machine.runtime,
            _MAIN_CLASS,
            ["--properties-file", str(properties)],
            heap_mb=_HEAP_MB,
            archive=self._machine.archive,
        )
        log = self._directory / "history-server.log"
        return await GuardedProcess.start(
            command,
            environ={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_HOME": str(self._machine.runtime.spark_home)},
            cwd=self._directory,
            stdout=log,
            stderr=log,
        )
