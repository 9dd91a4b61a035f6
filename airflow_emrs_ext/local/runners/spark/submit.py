"""Turns a job driver and its configuration into what SparkSubmit is given."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from airflow_emrs_ext.local.base.runner import AttemptSpec, DriverSpec
from airflow_emrs_ext.local.base.spark_sizes import SWITCHES
from airflow_emrs_ext.local.runners.spark.java import SparkRuntime

MAX_SLOTS = 64
"""Tasks that one attempt runs at once at most: each Python task is a process of this machine."""

_PARAMETERS = "sparkSubmitParameters"
_REFUSED = {
    "--properties-file": "put the properties into --conf or into the spark-defaults classification",
    "--proxy-user": "jobs run as the execution role",
    "--principal": "there is no Kerberos",
    "--keytab": "there is no Kerberos",
    "--kill": "use CancelJobRun",
    "--status": "ask the API for the job run",
    "--remote": "the service chooses where the driver runs",
    "--supervise": "use the retry policy of the job run",
    "--help": "it submits nothing",
    "--usage-error": "it submits nothing",
    "--version": "it submits nothing",
}
_REFUSED_PROPERTIES = {"spark.remote": "--remote"}

# Sizes count towards the application's capacity and the number of slots, and not for the process itself.
_SIZES = {
    "--driver-cores": "spark.driver.cores",
    "--driver-memory": "spark.driver.memory",
    "--executor-cores": "spark.executor.cores",
    "--executor-memory": "spark.executor.memory",
    "--num-executors": "spark.executor.instances",
    "--total-executor-cores": "spark.cores.max",
}
_SIZE_PROPERTIES = (
    *_SIZES.values(),
    "spark.driver.memoryOverhead",
    "spark.executor.memoryOverhead",
    "spark.executor.pyspark.memory",
    "spark.dynamicAllocation.",
    "spark.emr-serverless.",
)
# The endpoint decides about these: they are taken, and ignored with a note in the driver's log.
_IGNORED = {
    "--master": "spark.master",
    "--deploy-mode": "spark.submit.deployMode",
    "--queue": "spark.yarn.queue",
}
_IGNORED_PROPERTIES = (
    *_IGNORED.values(),
    "spark.shuffle.service.",
    "spark.kubernetes.",
    "spark.driver.host",
    "spark.driver.port",
    "spark.driver.bindAddress",
    "spark.local.dir",
    "spark.ui.port",
    "spark.ui.enabled",
    "spark.ui.filters",
    "spark.ui.killEnabled",
    "spark.eventLog.",
    "spark.app.id",
    "spark.connect.authenticate.",
    "spark.connect.grpc.binding.",
    "spark.connect.grpc.port.",
)

_LISTS = {
    "--jars": "spark.jars",
    "--files": "spark.files",
    "--archives": "spark.archives",
    "--py-files": "spark.submit.pyFiles",
}
_PROPERTIES = {
    **_LISTS,
    "--packages": "spark.jars.packages",
    "--exclude-packages": "spark.jars.excludes",
    "--repositories": "spark.jars.repositories",
    "--name": "spark.app.name",
    "--driver-class-path": "spark.driver.extraClassPath",
    "--driver-java-options": "spark.driver.extraJavaOptions",
    "--driver-library-path": "spark.driver.extraLibraryPath",
    **_SIZES,
    **_IGNORED,
}
_SHORT = {"-c": "--conf", "-v": "--verbose", "-h": "--help"}

_DRIVER_ENVS = ("spark.emr-serverless.driverEnv.", "spark.kubernetes.driverEnv.")
_EXECUTOR_ENV = "spark.executorEnv."
# Classifications that are files of Hadoop's configuration on the service.
_HADOOP_CLASSIFICATIONS = ("core-site", "hdfs-site", "mapred-site", "emrfs-site", "spark-hive-site", "hive-site")
_ENV_CLASSIFICATIONS = ("spark-env", "spark-env.export", "export")


class SubmitError(ValueError):
    """The job driver or its configuration cannot be run; the message names the parameter and the remedy."""


@dataclass
class Parameters:
    """What ``sparkSubmitParameters`` or ``sparkSqlParameters`` say.

    :param main_class: the value of ``--class``
    :param properties: Spark properties, those of the named options among them
    :param others: the options that are for the main class, and their values
    """

    main_class: str | None = None
    properties: dict[str, str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)


@dataclass
class Settings:
    """What a driver is set up with.

    :param properties: every Spark property
    :param environ: environment variables that the configuration asks for
    :param log4j: properties of the ``spark-driver-log4j2`` classification
    :param notes: what was asked for and is not done here, for the driver's log
    """

    properties: dict[str, str]
    environ: dict[str, str]
    log4j: dict[str, str]
    notes: list[str]


@dataclass
class Submission(Settings):
    """One driver of a ``sparkSubmit`` job run, ready to be started; see also :class:`Settings`.

    :param entry_point: URI or path of the Python file or jar
    :param arguments: what the entry point is given
    :param main_class: the class to run; ``None`` for Python
    """

    entry_point: str
    arguments: list[str]
    main_class: str | None


def parse_parameters(
    text: str, member: str = _PARAMETERS, others: Mapping[str, bool] = MappingProxyType({})
) -> Parameters:
    """Read ``sparkSubmitParameters`` as a shell and spark-submit would.

    :param text: e.g. ``--class org.example.Main --conf spark.executor.cores=2``
    :param member: the parameter that it is the value of
    :param others: options that are for the main class, and whether a value follows them
    :raises SubmitError: quoting is broken, an option is unknown, lacks its value or is not available locally
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise SubmitError(f"{member}: {error}: {text}") from None
    parameters = Parameters()
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        name, has_value, value = word.partition("=") if word.startswith("--") else (word, "", "")
        option = name if name in others else _SHORT.get(name, name)
        if others.get(option) is False:
            parameters.others.append(option)
            continue
        if option in _REFUSED:
            raise SubmitError(f"{member}: {option} is not available: {_REFUSED[option]}")
        if option in SWITCHES:
            continue
        if option not in {"--conf", "--class", *_PROPERTIES, *others}:
            what = "unknown option" if option.startswith("-") else "unexpected argument"
            hint = "; arguments of the job belong into entryPointArguments" if member == _PARAMETERS else ""
            raise SubmitError(f"{member}: {what} {word}{hint}")
        if not has_value:
            if position == len(words):
                raise SubmitError(f"{member}: {option} needs a value")
            value = words[position]
            position += 1
        if option in others:
            parameters.others += [option, value]
        elif option == "--conf":
            key, equals, setting = value.partition("=")
            if not equals or not key.strip():
                raise SubmitError(f"{member}: --conf needs property=value, not {value}")
            # SparkSubmit trims neither: a name with a blank in it is one that nobody reads.
            parameters.properties[key] = setting
        elif option == "--class":
            parameters.main_class = value
        else:
            parameters.properties[_PROPERTIES[option]] = value
    return parameters


def plan(spec: AttemptSpec, runtime: SparkRuntime, member: str = _PARAMETERS) -> Submission:
    """Everything that the driver of a ``sparkSubmit`` job run is given, before S3 and the UI are known.

    :param spec: the attempt
    :param runtime: what it runs on
    :param member: the parameter that the options of spark-submit come from
    :raises SubmitError: the parameters or the configuration cannot be run
    """
    driver = spec.job
    parameters = parse_parameters(driver.get("sparkSubmitParameters") or "", member)
    notes: list[str] = []
    entry_point, main_class = _entry_point(driver["entryPoint"], parameters.main_class, runtime.spark_home, notes)
    settings = configure(spec, parameters.properties, spec.name or Path(entry_point).name, runtime.python)
    return Submission(
        properties=settings.properties,
        environ=settings.environ,
        log4j=settings.log4j,
        notes=[*notes, *settings.notes],
        entry_point=entry_point,
        arguments=list(driver.get("entryPointArguments") or []),
        main_class=main_class,
    )


def configure(spec: DriverSpec, given: Mapping[str, str], app_name: str, python: Path) -> Settings:
    """What the configuration of a Spark driver comes to.

    Properties rank as on the service: what is given over ``spark-defaults`` (job over application) over the endpoint's
    defaults; what belongs to the machine (master, sizes, ports, event log) is the endpoint's.

    :param spec: the driver
    :param given: properties that outrank the classifications: those of ``sparkSubmitParameters``
    :param app_name: its name in the Spark UI, unless a property says another
    :param python: the interpreter of Python jobs, unless one that is on this machine is named
    :raises SubmitError: a property asks for what is not available
    """
    notes: list[str] = []
    asked = {
        **hadoop_properties(spec.classifications),
        # A file of properties, of which Spark trims the values.
        **{name: value.strip() for name, value in spec.classifications.get("spark-defaults", {}).items()},
        **given,
    }
    for name, option in _REFUSED_PROPERTIES.items():
        if name in asked:
            raise SubmitError(f"{name} is not available: {_REFUSED[option]}")
    environ = _environ(asked, spec.classifications)
    properties = {
        "spark.app.name": app_name,
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": (spec.work_dir / "spark-warehouse").as_uri(),
        "spark.ui.showConsoleProgress": "false",
        **accepted(asked, notes),
    }
    _choose_python(properties, environ, notes, python)
    log4j = dict(spec.classifications.get("spark-driver-log4j2", {}))
    return Settings(properties=properties, environ=environ, log4j=log4j, notes=notes)


def slots(spec: DriverSpec) -> int:
    """How many tasks the attempt runs at once: the cores of all its executors, at most :data:`MAX_SLOTS`."""
    return max(1, min(MAX_SLOTS, int(spec.workers.executor_count * spec.workers.executor.cpu)))


def hadoop_properties(classifications: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Spark properties for the classifications that are Hadoop configuration files on the service."""
    return {
        f"spark.hadoop.{name}": value
        for classification in _HADOOP_CLASSIFICATIONS
        for name, value in classifications.get(classification, {}).items()
    }


def accepted(asked: Mapping[str, str], notes: list[str]) -> dict[str, str]:
    """The properties without those that belong to the machine.

    :param asked: the properties of the job
    :param notes: where to note what is ignored
    """
    kept = {}
    for name, value in asked.items():
        if name != name.strip():
            notes.append(f"{name!r} does nothing: spark-submit trims no blanks around the equals sign of --conf")
        elif name.startswith((*_SIZE_PROPERTIES, *_DRIVER_ENVS)):
            continue
        elif name.startswith(_IGNORED_PROPERTIES):
            notes.append(f"{name}={value} is ignored: the endpoint decides it")
        elif not name.startswith("spark."):
            notes.append(f"{name}={value} is ignored: not a Spark property")
        else:
            kept[name] = value
    return kept


def _environ(asked: Mapping[str, str], classifications: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    environ: dict[str, str] = {}
    for classification in _ENV_CLASSIFICATIONS:
        environ |= classifications.get(classification, {})
    # Driver and executors are one process here; the driver's own setting is the nearer one.
    for prefix in (_EXECUTOR_ENV, *_DRIVER_ENVS):
        environ |= {
            name[len(prefix) :]: value for name, value in asked.items() if name.startswith(prefix) and name != prefix
        }
    return environ


def _choose_python(properties: dict[str, str], environ: dict[str, str], notes: list[str], python: Path) -> None:
    def usable(setting: str, value: str | None) -> bool:
        if not value:
            return False
        # A relative path leads into an archive that is unpacked in the working directory.
        if value.startswith(".") or not Path(value).is_absolute() or os.access(value, os.X_OK):
            return True
        notes.append(f"{setting}={value} is not on this machine: {python} is used")
        return False

    for name in ("spark.pyspark.python", "spark.pyspark.driver.python"):
        if name in properties and not usable(name, properties[name]):
            del properties[name]
    for name in ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"):
        if name in environ and not usable(name, environ[name]):
            del environ[name]
    environ.setdefault("PYSPARK_PYTHON", str(python))
    environ.setdefault("PYSPARK_DRIVER_PYTHON", environ["PYSPARK_PYTHON"])
    java_home = environ.get("JAVA_HOME")
    if java_home is not None:
        notes.append(f"JAVA_HOME={java_home} is ignored: the endpoint decides it")
        del environ["JAVA_HOME"]


def _entry_point(
    entry_point: str, main_class: str | None, spark_home: Path, notes: list[str]
) -> tuple[str, str | None]:
    path = entry_point.removeprefix("local://").removeprefix("file://")
    service_examples = "/usr/lib/spark/examples/"
    if path.startswith(service_examples) and not Path(path).exists():
        if path == f"{service_examples}jars/spark-examples.jar" and main_class == "org.apache.spark.examples.SparkPi":
            notes.append("SparkPi runs as Spark's pi.py: the examples jar is not part of the pyspark package")
            return str(spark_home / "examples/src/main/python/pi.py"), None
        path = str(spark_home / "examples" / path.removeprefix(service_examples))
    if "://" not in path and not path.startswith("s3"):
        entry_point = path
    if entry_point.endswith(".py"):
        return entry_point, None
    if entry_point.endswith(".jar"):
        return entry_point, main_class
    raise SubmitError(f"entryPoint {entry_point} is neither a Python file (.py) nor a jar (.jar)")
