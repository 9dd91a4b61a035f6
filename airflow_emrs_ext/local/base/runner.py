"""What the service needs of whatever executes the attempts of job runs, and sessions.

The services (``services/``) own states, capacity, queues, retries and timeouts; a runner (``runners/``) only starts one
driver, says when it runs, and says how it ended. Two exist: the simulated one and real Spark.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

UNFINISHED = ".inprogress"
"""How the name of an event log ends while Spark writes it."""


@dataclass(frozen=True)
class WorkerSize:
    """The size of one worker: vCPUs, memory in GB (overhead included), disk in GB."""

    cpu: float
    memory_gb: float
    disk_gb: float


@dataclass(frozen=True)
class Workers:
    """The workers of a driver: its own, and so many executors."""

    driver: WorkerSize
    executor: WorkerSize
    executor_count: int


@dataclass(frozen=True)
class S3Logs:
    """Where a driver's logs go on S3.

    :param uri: the bucket and perhaps a prefix, ``s3://bucket/prefix``
    :param kms_key: the ARN of the key that encrypts them
    """

    uri: str
    kms_key: str | None = None


@dataclass(frozen=True)
class CloudWatchLogs:
    """Where a driver's logs go in CloudWatch Logs.

    :param group: the log group
    :param prefix: what the names of the streams begin with
    :param kms_key: the ARN of the key that encrypts them
    :param log_types: which of them: types such as ``STDERR``, by the worker type that writes them; ``None``: all
    """

    group: str
    prefix: str = ""
    kms_key: str | None = None
    log_types: Mapping[str, frozenset[str]] | None = None

    def takes(self, worker_type: str, log_type: str) -> bool:
        """Whether a log of a worker goes there."""
        return self.log_types is None or log_type in self.log_types.get(worker_type, ())


@dataclass(frozen=True)
class LogDestinations:
    """Everywhere that a driver's logs go.

    :param most_bytes: of a log that is longer only so much of its end is delivered to S3; ``None``: all of it
    :param part_bytes: a log that is longer is in parts on S3, each up to the end of a line: the last one where the log
        is expected, those before it in ``archived``; ``None``: it is in one
    :param event_logs: whether S3 gets Spark's event log, too
    """

    s3: S3Logs | None = None
    cloudwatch: CloudWatchLogs | None = None
    most_bytes: int | None = None
    part_bytes: int | None = None
    event_logs: bool = False


@dataclass(frozen=True, kw_only=True)
class DriverSpec:
    """What every driver is given, with everything merged and validated."""

    product: str
    """The name of the service for people: ``EMR Serverless`` or ``EMR on EKS``."""
    owner_id: str
    """The application, or virtual cluster, that it belongs to."""
    driver_name: str
    """What the service calls the driver, and the folder of its logs: a worker type such as ``SPARK_DRIVER``, or a
    pod's name."""
    ui_id: str
    """The id of the driver's Spark application, and the name of its event log; of no other driver."""
    account_id: str
    region: str
    name: str | None
    release_label: str
    execution_role_arn: str
    classifications: Mapping[str, Mapping[str, str]]
    """Classification to properties, defaults and overrides merged; ``spark-defaults`` among them."""
    logs: LogDestinations
    log_path: str
    """Where its logs are delivered, below the URI or prefix that ``logs`` names, in a folder named after the driver."""
    workers: Workers
    work_dir: Path
    """A directory of this driver's own, made by the service, kept until the endpoint ends."""
    executor_logs: str | None = None
    """The folder of the logs of an executor, beside the driver's; ``None``: they are not asked for."""
    tags: Mapping[str, str] = field(default_factory=dict)
    job_driver: Mapping[str, Any] = field(default_factory=dict)
    """In the form of the service's own API, e.g. ``{"sparkSubmit": {...}}``; for a step of EMR on EC2 in the same form
    under the name of its command, e.g. ``{"spark-submit": {...}}``; empty for a session."""

    @property
    def job_kind(self) -> str:
        """Which kind of job ``job_driver`` is: the name of its one member."""
        return next(iter(self.job_driver))

    @property
    def job(self) -> Mapping[str, Any]:
        """What its job is given: the value of the one member of ``job_driver``."""
        job: Mapping[str, Any] = self.job_driver[self.job_kind]
        return job


@dataclass(frozen=True, kw_only=True)
class AttemptSpec(DriverSpec):
    """One attempt of a job run."""

    job_run_id: str
    attempt: int


@dataclass(frozen=True, kw_only=True)
class ConnectSpec(DriverSpec):
    """What serves Spark Connect: a session of EMR Serverless, or a managed endpoint of EMR on EKS."""

    host_id: str


@dataclass(frozen=True)
class AttemptResult:
    """How an attempt, or a driver that serves Spark Connect, ended.

    :param succeeded: the driver's exit status was 0
    :param details: one sentence for ``stateDetails``: for a failure the last meaningful error line of the driver
    """

    succeeded: bool
    details: str


class Attempt(Protocol):
    """A started attempt."""

    log_files: Mapping[tuple[str, str], Path]
    """(driver's name, log type) to the file that is being written, e.g. ``("SPARK_DRIVER", "STDOUT")``."""

    async def wait(self) -> AttemptResult:
        """Until the attempt has ended. Cancelling the waiter does not end the attempt."""

    async def stop(self, grace_seconds: float) -> None:
        """End the attempt: ask, kill the whole process group after ``grace_seconds``; return when it is gone."""

    def dashboard_url(self) -> str | None:
        """Where the live UI of the attempt is, ``None`` when there is none (yet, or any more)."""


@dataclass(frozen=True)
class ConnectServer:
    """Where a driver serves Spark Connect.

    :param address: ``host:port``
    :param token: what it demands of its clients, as a bearer
    """

    address: str
    token: str = field(repr=False)


class ConnectDriver(Attempt, Protocol):
    """A driver that serves Spark Connect until it is stopped."""

    @property
    def is_over(self) -> bool:
        """It has ended, and nothing of it is left."""

    @property
    def connect(self) -> ConnectServer | None:
        """Its Spark Connect server, ``None`` when there is none behind it (yet)."""


class Runner(Protocol):
    """Executes attempts and what serves Spark Connect."""

    async def start(self) -> None:
        """Called once before requests are accepted; must be quick."""

    async def launch(self, spec: AttemptSpec, on_running: Callable[[], None]) -> Attempt:
        """Start an attempt and return at once; call ``on_running`` once, on the event loop, when the driver runs."""

    async def launch_connect(self, spec: ConnectSpec, on_ready: Callable[[], None]) -> ConnectDriver:
        """Start a driver that serves Spark Connect and return at once.

        :param spec: what it is for
        :param on_ready: called once, on the event loop, when clients can connect
        """

    def event_log(self, spec: DriverSpec) -> Path | None:
        """The event log of a driver's Spark; its name ends with :data:`UNFINISHED` while it is written.

        :param spec: the driver
        :return: ``None`` when there is none (yet)
        """

    async def history_url(self, spec: DriverSpec) -> str | None:
        """Where the UI of a driver that has ended is (the history server), ``None`` when there is none."""

    async def close(self) -> None:
        """End everything that was started, and return when it is gone."""
