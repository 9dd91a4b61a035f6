"""What AddJobFlowSteps and the ``Steps`` of RunJobFlow ask for, checked and completed."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from airflow_emrs_ext.local.base.configuration import Classifications
from airflow_emrs_ext.local.base.errors import validation_error
from airflow_emrs_ext.local.base.runner import LogDestinations, S3Logs, Workers
from airflow_emrs_ext.local.base.spark_sizes import split_command, submitted_properties, workers_of
from airflow_emrs_ext.local.services.emr_on_ec2.settings import log_uri

CONTINUE, CANCEL_AND_WAIT = "CONTINUE", "CANCEL_AND_WAIT"
"""Two of the values of ``ActionOnFailure``; all others terminate the cluster."""

COMMAND_RUNNER = "command-runner.jar"
MOST_CONCURRENT = 256

_DEFAULT_ACTION = "TERMINATE_CLUSTER"
_MOST_CHARACTERS = 10240
_SQL_SOURCES = frozenset({"-e", "-f"})


@dataclass(frozen=True)
class StepConfig:
    """A step as it was asked for and as it will be done.

    :param params: the ``StepConfig`` structure
    :param execution_role_arn: the runtime role, ``None``: that of the instances
    :param job_driver: the command that it runs
    :param workers: the driver and executors that it asks for
    :param logs: where its logs go
    """

    params: Mapping[str, Any]
    execution_role_arn: str | None
    job_driver: Mapping[str, Any]
    workers: Workers
    logs: LogDestinations

    @property
    def action_on_failure(self) -> str:
        """What its failure leads to."""
        action: str = self.params.get("ActionOnFailure", _DEFAULT_ACTION)
        return action

    @property
    def log_uri(self) -> str | None:
        """Where its logs go on S3, ``None``: nowhere."""
        return self.logs.s3.uri if self.logs.s3 else None

    def shown(self) -> dict[str, Any]:
        """The ``HadoopStepConfig`` structure."""
        step = self.params["HadoopJarStep"]
        return {
            "Jar": step["Jar"],
            "Properties": {one["Key"]: one.get("Value", "") for one in step.get("Properties", ()) if "Key" in one},
            **({"MainClass": step["MainClass"]} if step.get("MainClass") else {}),
            "Args": list(step.get("Args", ())),
        }


def read_steps(
    given: Sequence[Mapping[str, Any]],
    *,
    concurrency: int,
    classifications: Classifications,
    cluster_log_uri: str | None,
    execution_role_arn: str | None = None,
) -> list[StepConfig]:
    """Check steps.

    :param given: a list of ``StepConfig``, in the API's form
    :param concurrency: ``StepConcurrencyLevel`` of the cluster
    :param classifications: of the cluster
    :param cluster_log_uri: ``LogUri`` of the cluster
    :param execution_role_arn: the runtime role
    :raises ApiError: one is not usable, or nothing that the local endpoint runs; the parameter is named
    """
    return [
        StepConfig(
            params=params,
            execution_role_arn=execution_role_arn,
            logs=_logs(params, cluster_log_uri, member),
            **_read_command(params, concurrency, classifications, member),
        )
        for params, member in _numbered(given)
    ]


def check_concurrency(level: int) -> None:
    """Refuse a ``StepConcurrencyLevel`` that is out of range.

    :raises ApiError: it is
    """
    if not 1 <= level <= MOST_CONCURRENT:
        raise validation_error(f"StepConcurrencyLevel: must be from 1 to {MOST_CONCURRENT}, not {level}")


def _numbered(given: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], str]]:
    for number, params in enumerate(given, start=1):
        yield params, f"Steps.{number}"


def _read_command(
    params: Mapping[str, Any], concurrency: int, classifications: Classifications, member: str
) -> dict[str, Any]:
    action = params.get("ActionOnFailure", _DEFAULT_ACTION)
    if concurrency > 1 and action != CONTINUE:
        raise validation_error(
            f"{member}.ActionOnFailure: {action} is not valid for a cluster whose StepConcurrencyLevel is"
            f" {concurrency}; only {CONTINUE} is"
        )
    step, member = params["HadoopJarStep"], f"{member}.HadoopJarStep"
    if sum(map(len, _strings(step))) > _MOST_CHARACTERS:
        raise validation_error(f"{member}: its strings must not have more than {_MOST_CHARACTERS} characters in total")
    if step["Jar"] != COMMAND_RUNNER or step.get("MainClass"):
        raise validation_error(f"{member}.Jar: {_runs_not(step['Jar'])}")
    args = step.get("Args") or [""]
    command = PurePosixPath(args[0]).name
    if command not in _COMMANDS:
        raise validation_error(f"{member}.Args: {_runs_not(args[0])}")
    driver, options = _COMMANDS[command](args[1:], f"{member}.Args")
    given = submitted_properties(shlex.join(options), f"{member}.Args")
    return {
        "job_driver": {command: driver},
        "workers": workers_of({**classifications.get("spark-defaults", {}), **given}),
    }


def _runs_not(what: str) -> str:
    return (
        f"the local endpoint does not run {what or 'nothing'!r}: it runs {COMMAND_RUNNER}, without a MainClass, with"
        f" {' or '.join(_COMMANDS)}"
    )


def _spark_submit(words: Sequence[str], member: str) -> tuple[dict[str, Any], list[str]]:
    options, application = split_command(words)
    if not application:
        raise validation_error(f"{member}: spark-submit needs the Python file or jar to run")
    return {
        "entryPoint": application[0],
        "entryPointArguments": application[1:],
        "sparkSubmitParameters": shlex.join(options),
    }, options


def _spark_sql(words: Sequence[str], member: str) -> tuple[dict[str, Any], list[str]]:
    if not _SQL_SOURCES & set(words):
        raise validation_error(f"{member}: spark-sql needs -f or -e, as a step has no standard input")
    return {"sparkSqlParameters": shlex.join(words)}, list(words)


_COMMANDS: Mapping[str, Callable[[Sequence[str], str], tuple[dict[str, Any], list[str]]]] = {
    "spark-submit": _spark_submit,
    "spark-sql": _spark_sql,
}
"""What makes the driver of a command, and finds the options of Spark among its words."""


def _logs(params: Mapping[str, Any], of_cluster: str | None, member: str) -> LogDestinations:
    s3 = (params.get("StepMonitoringConfiguration") or {}).get("S3MonitoringConfiguration") or {}
    own = log_uri(s3.get("LogUri"), f"{member}.StepMonitoringConfiguration.S3MonitoringConfiguration.LogUri")
    uri = own or of_cluster
    return LogDestinations(s3=S3Logs(uri, s3.get("EncryptionKeyArn")) if uri else None)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, Sequence):
        for inner in value:
            yield from _strings(inner)
