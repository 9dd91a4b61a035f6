"""What the service needs of whatever executes a job run's attempts.

The service (``emr_serverless/``) owns states, capacity, queues, retries and timeouts; a runner only starts one attempt,
says when its driver runs, and says how it ended. Two exist: the simulated one and real Spark.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class WorkerSize:
    """The size of one worker: vCPUs, memory in GB (overhead included), disk in GB."""

    cpu: float
    memory_gb: float
    disk_gb: float


@dataclass(frozen=True)
class AttemptSpec:
    """One attempt of a job run, with everything merged and validated."""

    application_id: str
    job_run_id: str
    attempt: int
    account_id: str
    region: str
    name: str | None
    mode: str
    release_label: str
    execution_role_arn: str
    job_driver: Mapping[str, Any]
    """In the API's own form: ``{"sparkSubmit": {...}}`` or ``{"hive": {...}}``."""
    classifications: Mapping[str, Mapping[str, str]]
    """Classification to properties, application defaults and job overrides merged; ``spark-defaults`` among them."""
    monitoring: Mapping[str, Any]
    """The effective MonitoringConfiguration in the API's own form."""
    log_path: str
    """``applications/<app>/jobs/<job>`` or, with retries or streaming, ``…/attempts/<n>``."""
    driver: WorkerSize
    executor: WorkerSize
    executor_count: int
    work_dir: Path
    """A directory of this attempt's own, made by the service, kept until the endpoint ends."""
    tags: Mapping[str, str] = field(default_factory=dict)
    execution_iam_policy: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class AttemptResult:
    """How an attempt ended.

    :param succeeded: the driver's exit status was 0
    :param details: one sentence for ``stateDetails``: for a failure the last meaningful error line of the driver
    """

    succeeded: bool
    details: str


class Attempt(Protocol):
    """A started attempt."""

    log_files: Mapping[tuple[str, str], Path]
    """(worker type, log type) to the file that is being written, e.g. ``("SPARK_DRIVER", "STDOUT")``."""

    async def wait(self) -> AttemptResult:
        """Until the attempt has ended. Cancelling the waiter does not end the attempt."""

    async def stop(self, grace_seconds: float) -> None:
        """End the attempt: ask, kill the whole process group after ``grace_seconds``; return when it is gone."""

    def dashboard_url(self) -> str | None:
        """Where the live UI of the attempt is, ``None`` when there is none (yet, or any more)."""


class Runner(Protocol):
    """Executes attempts."""

    async def start(self) -> None:
        """Called once before requests are accepted; must be quick."""

    async def launch(self, spec: AttemptSpec, on_running: Callable[[], None]) -> Attempt:
        """Start an attempt and return at once; call ``on_running`` once, on the event loop, when the driver runs."""

    async def history_url(self, spec: AttemptSpec) -> str | None:
        """Where the UI of a finished attempt is (the history server), ``None`` when there is none."""

    async def close(self) -> None:
        """End everything that was started, and return when it is gone."""
