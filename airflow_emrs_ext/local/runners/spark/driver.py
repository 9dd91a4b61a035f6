"""What every kind of driver has in common on its way to a command line: properties file, logging, environment."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from airflow_emrs_ext.local.base.aws import AwsTarget
from airflow_emrs_ext.local.base.runner import UNFINISHED, ConnectServer, DriverSpec
from airflow_emrs_ext.local.runners.spark.filesystem import named_buckets, s3_properties
from airflow_emrs_ext.local.runners.spark.jars import JarSources
from airflow_emrs_ext.local.runners.spark.java import SparkRuntime
from airflow_emrs_ext.local.runners.spark.launch import free_port, java_command
from airflow_emrs_ext.local.runners.spark.secrets import resolve
from airflow_emrs_ext.local.runners.spark.submit import Settings, slots
from airflow_emrs_ext.local.runners.spark.uis import has_ui

NO_ENTRY_POINT = "spark-internal"
"""What SparkSubmit takes for "the class is on Spark's own class path"."""

EVENT_LOGS = "event-logs"
"""The folder of event logs, in the endpoint's directory; in the driver's where Spark chooses their names itself."""

# As Spark's own list of what is no text for logs, to which the list of processes belongs as well.
_SECRET = re.compile(r"(?i)secret|password|token|access.?key")

_SUBMIT = "org.apache.spark.deploy.SparkSubmit"


_PATTERN = "%d{yy/MM/dd HH:mm:ss} %p %c{1}: %m%n%ex"
_SPARK_LOG4J = "classpath:org/apache/spark/log4j2-defaults.properties"
# Of all events those of the threads that run tasks: the text of any other is replaced by nothing.
_EXECUTOR_LOG4J = {
    "rootLogger.appenderRef.executor.ref": "executor",
    "appender.executor.type": "File",
    "appender.executor.name": "executor",
    "appender.executor.layout.type": "PatternLayout",
    "appender.executor.layout.alwaysWriteExceptions": "false",
    "appender.executor.layout.pattern": (
        f"%replace{{%replace{{<%t>{_PATTERN}}}{{(?s)^<(?!Executor task launch).*}}{{}}}}{{^<[^>]*>}}{{}}"
    ),
}


@dataclass(frozen=True)
class Machine:
    """What is the same for all drivers of one endpoint.

    :param runtime: the Java and the Spark that they run on
    :param heap_mb: the heap of one driver in MiB
    :param archive: class data sharing archives, if a warm-up has made them
    :param endpoint_url: the local endpoint, which serves the S3 gateway
    :param state_dir: what outlives an attempt: event logs, and the metastores of Hive applications
    :param ui_properties: Spark properties of every UI
    :param defaults: properties below those of the job, with which Spark does more as the release's own would
    :param notes: what the logs of its drivers begin with
    :param stand_in: what runs in place of the release's own Spark, for the details of a success; empty: nothing does
    :param jars: where jars come from that the job does not bring
    """

    runtime: SparkRuntime
    heap_mb: int
    archive: str | None
    endpoint_url: str
    state_dir: Path
    ui_properties: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    stand_in: str = ""
    jars: JarSources = field(default_factory=JarSources)

    @property
    def event_logs(self) -> Path:
        """The directory that the history server reads."""
        return self.state_dir / EVENT_LOGS


@dataclass(frozen=True)
class Driver:
    """A driver, ready to be started.

    :param command: executable and arguments
    :param environ: variables beside the endpoint's own
    :param cwd: its working directory
    :param ui_port: where its Spark UI will be; ``None``: it has none
    :param event_log: the directory and the name, a pattern, of the file that appears once Spark runs in it
    :param notes: what was asked for and is not done, for the driver's log
    :param connect: the Spark Connect server in it
    :param stand_in: as :class:`Machine` has it
    """

    command: Sequence[str]
    environ: Mapping[str, str]
    cwd: Path
    ui_port: int | None
    event_log: tuple[Path, str]
    notes: Sequence[str] = field(default=())
    connect: ConnectServer | None = None
    stand_in: str = ""

    @property
    def is_running_spark(self) -> bool:
        """Spark runs in it, or has."""
        directory, name = self.event_log
        return any(directory.glob(name))


def build(
    machine: Machine,
    spec: DriverSpec,
    arguments: Sequence[str],
    settings: Settings,
    *,
    main_class: str | None,
) -> Driver:
    """The driver that runs ``arguments`` (entry point first) with these settings and those of the machine.

    :param machine: what all drivers share
    :param spec: the attempt
    :param arguments: the entry point and what it is given
    :param settings: what the job asks for
    :param main_class: the class to run; ``None`` for Python
    :raises SubmitError: a jar is not on this machine, or a secret cannot be retrieved
    """
    secrets = resolve(settings, AwsTarget(machine.endpoint_url, spec.region))
    settings.properties = machine.jars.resolved(settings.properties, machine.runtime.line)
    cwd = spec.work_dir / "driver"
    scratch = spec.work_dir / "spark-local"
    app_id, ui_port, line = spec.ui_id, free_port(), machine.runtime.line
    # Before Spark 4 local mode names applications after the millisecond they start in, whatever the properties say.
    chooses_id = line < (4, 0)
    event_logs = spec.work_dir / EVENT_LOGS if chooses_id else machine.event_logs
    for directory in (cwd, scratch, event_logs, machine.event_logs):
        directory.mkdir(parents=True, exist_ok=True)
    # What follows the settings' properties belongs to the machine: the job cannot change it.
    properties = {
        # Task output becomes visible when the task commits, as with the committer of the service, and is copied once.
        "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version": "2",
        **machine.defaults,
        **settings.properties,
        **s3_properties(machine.endpoint_url, named_buckets(spec), line),
        "spark.master": f"local[{slots(spec)}]",
        "spark.submit.deployMode": "client",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.local.dir": str(scratch),
        "spark.ui.port": str(ui_port),
        **machine.ui_properties,
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": event_logs.as_uri(),
        "spark.eventLog.rolling.enabled": "false",
        "spark.eventLog.compress": "false",
        # A job that makes a second SparkContext continues under the same name.
        "spark.eventLog.overwrite": "true",
        # Local mode would name applications after the millisecond they start in.
        "spark.test.appId": app_id,
    }
    properties_file = spec.work_dir / "spark.properties"
    write_properties(properties_file, properties)
    java_options = shlex.split(properties.get("spark.driver.extraJavaOptions", ""))
    if log4j := _log4j(spec, settings, java_options):
        java_options.append(f"-Dlog4j2.configurationFile={','.join(log4j)}")
    command = java_command(
        machine.runtime,
        _SUBMIT,
        [
            *("--properties-file", str(properties_file)),
            # Of what is in the file Spark would trim the blanks that a value of --conf keeps.
            *(word for name, value in _padded(properties, secrets) for word in ("--conf", f"{name}={value}")),
            *(("--class", main_class) if main_class else ()),
            *arguments,
        ],
        heap_mb=machine.heap_mb,
        archive=machine.archive,
        java_options=java_options,
        class_path=[properties["spark.driver.extraClassPath"]] if "spark.driver.extraClassPath" in properties else [],
    )
    variables = {
        **settings.environ,
        "JAVA_HOME": str(machine.runtime.java.parent.parent),
        "SPARK_HOME": str(machine.runtime.spark_home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
    }
    if "spark.driver.extraLibraryPath" in properties:
        variables["LD_LIBRARY_PATH"] = properties["spark.driver.extraLibraryPath"]
    return Driver(
        command,
        variables,
        cwd,
        ui_port if has_ui(line) else None,
        (event_logs, "*.inprogress" if chooses_id else f"{app_id}.inprogress"),
        [*machine.notes, *settings.notes],
        stand_in=machine.stand_in,
    )


def _padded(properties: Mapping[str, str], secrets: Collection[str]) -> list[tuple[str, str]]:
    return [
        (name, value)
        for name, value in properties.items()
        if value != value.strip() and name not in secrets and not _SECRET.search(name)
    ]


def write_properties(path: Path, properties: Mapping[str, str]) -> None:
    """Write a file that java.util.Properties reads and nobody else may.

    :param path: where
    :param properties: what
    """
    # The file may hold a job's secrets, which therefore are in no process listing.
    path.touch(mode=0o600)
    lines = (f"{_escaped(name, is_name=True)}={_escaped(value)}" for name, value in sorted(properties.items()))
    path.write_text("\n".join(lines) + "\n", encoding="latin-1")


def _escaped(text: str, *, is_name: bool = False) -> str:
    """``text`` as java.util.Properties reads it."""
    escapes = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f"}
    if is_name:
        escapes |= {character: f"\\{character}" for character in " :=#!"}
    escaped = "".join(escapes.get(c, c) if ord(c) < 0x7F else "".join(f"\\u{u:04x}" for u in _utf16(c)) for c in text)
    return f"\\{escaped}" if escaped.startswith(" ") else escaped


def _utf16(character: str) -> list[int]:
    raw = character.encode("utf-16-be")
    return [int.from_bytes(raw[i : i + 2], "big") for i in range(0, len(raw), 2)]


def event_log(state_dir: Path, spec: DriverSpec) -> Path | None:
    """The event log of a driver's Spark, with the ending ``.inprogress`` while it is written; ``None``: there is none.

    :param state_dir: of the endpoint
    :param spec: the driver
    """
    own = sorted((spec.work_dir / EVENT_LOGS).glob("*"))
    named = [state_dir / EVENT_LOGS / f"{spec.ui_id}{ending}" for ending in ("", UNFINISHED)]
    return next((path for path in own[-1:] or named if path.exists()), None)


def executor_log(work_dir: Path) -> Path:
    """Where the log of a driver's tasks is written.

    :param work_dir: the driver's
    """
    return work_dir / "executor-stderr"


def _log4j(spec: DriverSpec, settings: Settings, java_options: Sequence[str]) -> list[str]:
    """The Log4j configurations, which Log4j merges; none: it finds one."""
    files = []
    if settings.log4j:
        files.append(_write_log4j(spec.work_dir / "log4j2.properties", settings.log4j))
    elif "spark.driver.extraClassPath" in settings.properties or any("-Dlog4j" in option for option in java_options):
        # The job may bring a configuration of its own.
        return []
    if spec.executor_logs:
        path = spec.work_dir / "log4j2-executor.properties"
        write_properties(path, {**_EXECUTOR_LOG4J, "appender.executor.fileName": str(executor_log(spec.work_dir))})
        files = [*(files or [_SPARK_LOG4J]), path.as_uri()]
    return files


def _write_log4j(path: Path, log4j: Mapping[str, str]) -> str:
    write_properties(
        path,
        {
            "rootLogger.level": "info",
            "rootLogger.appenderRef.stderr.ref": "stderr",
            "appender.stderr.type": "Console",
            "appender.stderr.name": "stderr",
            "appender.stderr.target": "SYSTEM_ERR",
            "appender.stderr.layout.type": "PatternLayout",
            "appender.stderr.layout.pattern": _PATTERN,
            **log4j,
        },
    )
    return path.as_uri()
