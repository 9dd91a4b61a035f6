"""Functions that build the settings of an EMR Serverless application in the API's form, of whatever Airflow renders.

They are for the parameters of the same names of
:class:`~airflow_emrs_ext.operators.application.EmrServerlessCreateApplicationOperator`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from airflow_emrs_ext.core.specs import (
    Classification,
    Conf,
    Flag,
    Spec,
    Text,
    configurations,
    flag,
    given,
    listed,
    optional,
)
from airflow_emrs_ext.core.values import as_whole_number, is_rendered_later, wrong
from airflow_emrs_ext.exceptions import ConfigurationError
from airflow_emrs_ext.shared.worker_sizes import FREE_DISK_GB, MOST_DISK_GB, SUPPORTED

__all__ = [
    "Cpu",
    "DiskType",
    "LogType",
    "WorkerType",
    "initial_capacity",
    "maximum_capacity",
    "monitoring_configuration",
    "runtime_configuration",
    "workers",
]

Cpu: TypeAlias = Literal[1, 2, 4, 8, 16]
"""The vCPUs of a worker."""

DiskType: TypeAlias = Literal["STANDARD", "SHUFFLE_OPTIMIZED"]
"""The type of a worker's disk: 20 to 200 GB, or 20 to 2,000 GB for much shuffling."""

WorkerType: TypeAlias = Literal["SPARK_DRIVER", "SPARK_EXECUTOR", "HIVE_DRIVER", "TEZ_TASK"]
"""The types of workers that have logs."""

LogType: TypeAlias = Literal["STDOUT", "STDERR", "HIVE_LOG", "TEZ_AM", "SYSTEM_LOGS"]
"""The types of logs: Spark's workers have the first two, a Hive driver the first four, a Tez task the others."""

_LOGS: Mapping[str, tuple[str, ...]] = {
    "SPARK_DRIVER": ("STDERR", "STDOUT"),
    "SPARK_EXECUTOR": ("STDERR", "STDOUT"),
    "HIVE_DRIVER": ("STDERR", "STDOUT", "HIVE_LOG", "TEZ_AM"),
    "TEZ_TASK": ("STDERR", "STDOUT", "SYSTEM_LOGS"),
}


def runtime_configuration(
    *, spark_defaults: Conf | None = None, classifications: Mapping[str, Classification | None] | None = None
) -> list[Spec]:
    """A ``runtimeConfiguration``: what the job runs and sessions of an application have by default.

    :param spark_defaults: properties of the classification ``spark-defaults``
    :param classifications: properties of other classifications, e.g. ``{"hive-site": {…}}``; a mapping among them is a
        classification within it: ``{"spark-env": {"export": {…}}}``
    :raises ConfigurationError: a value that is no template is of the wrong kind
    """
    return [Spec(one) for one in configurations(spark_defaults, classifications)]


def monitoring_configuration(
    *,
    s3_log_uri: Text | Literal[False] | None = None,
    s3_encryption_key_arn: Text | None = None,
    cloud_watch_logs: Flag | None = None,
    cloud_watch_log_group: Text | None = None,
    cloud_watch_log_stream_prefix: Text | None = None,
    cloud_watch_encryption_key_arn: Text | None = None,
    cloud_watch_log_types: Mapping[WorkerType, Sequence[LogType | str]] | None = None,
    managed_logs: Flag | None = None,
    managed_encryption_key_arn: Text | None = None,
    prometheus_remote_write_url: Text | Literal[False] | None = None,
) -> Spec:
    """A ``monitoringConfiguration``: where logs and metrics go.

    :param s3_log_uri: where the service writes logs on S3; ``False``, of a job run: not where the application says
    :param s3_encryption_key_arn: KMS key that encrypts them
    :param cloud_watch_logs: whether the service writes logs to CloudWatch; default: if anything is given for them
    :param cloud_watch_log_group: their log group; default: ``/aws/emr-serverless``
    :param cloud_watch_log_stream_prefix: put before the names of their log streams
    :param cloud_watch_encryption_key_arn: KMS key that encrypts them
    :param cloud_watch_log_types: which logs, by type of worker; default: the driver's output
    :param managed_logs: whether the service keeps logs itself for 30 days; default: it does
    :param managed_encryption_key_arn: KMS key that encrypts them
    :param prometheus_remote_write_url: of an Amazon Managed Service for Prometheus workspace; ``False``, of a job run:
        none
    :raises ConfigurationError: a value that is no template is of the wrong kind
    """
    s3_key = optional(s3_encryption_key_arn, "s3_encryption_key_arn")
    if s3_key is not None and not s3_log_uri:
        raise ConfigurationError("`s3_encryption_key_arn` encrypts the logs on S3: give `s3_log_uri`, too.")
    cloud_watch = given(
        logGroupName=optional(cloud_watch_log_group, "cloud_watch_log_group"),
        logStreamNamePrefix=optional(cloud_watch_log_stream_prefix, "cloud_watch_log_stream_prefix"),
        encryptionKeyArn=optional(cloud_watch_encryption_key_arn, "cloud_watch_encryption_key_arn"),
        logTypes=_log_types(cloud_watch_log_types),
    )
    on = (True if cloud_watch else None) if cloud_watch_logs is None else flag(cloud_watch_logs, "cloud_watch_logs")
    if on is False and cloud_watch:
        raise ConfigurationError("`cloud_watch_logs` is False, but there is more about these logs: leave one out.")
    managed = given(
        enabled=None if managed_logs is None else flag(managed_logs, "managed_logs"),
        encryptionKeyArn=optional(managed_encryption_key_arn, "managed_encryption_key_arn"),
    )
    if managed.get("enabled") is False and len(managed) > 1:
        raise ConfigurationError("`managed_logs` is False: leave `managed_encryption_key_arn` out.")
    return Spec(
        given(
            s3MonitoringConfiguration=_removable(s3_log_uri, "s3_log_uri", "logUri", given(encryptionKeyArn=s3_key)),
            cloudWatchLoggingConfiguration=None if on is None else {"enabled": on, **cloud_watch},
            managedPersistenceMonitoringConfiguration=managed or None,
            prometheusMonitoringConfiguration=_removable(
                prometheus_remote_write_url, "prometheus_remote_write_url", "remoteWriteUrl", {}
            ),
        )
    )


def initial_capacity(
    *,
    driver: Mapping[str, Any] | None = None,
    executor: Mapping[str, Any] | None = None,
    tez_task: Mapping[str, Any] | None = None,
) -> Spec:
    """An ``initialCapacity``: the workers that a started application keeps ready, see :func:`workers`.

    :param driver: the drivers, of Spark or Hive
    :param executor: Spark's executors
    :param tez_task: Hive's tasks
    :raises ConfigurationError: executors and tasks of Hive are both given
    """
    if executor is not None and tez_task is not None:
        raise ConfigurationError("`executor` is for Spark, `tez_task` for Hive: give one of them.")
    return Spec(given(DRIVER=driver, EXECUTOR=executor, TEZ_TASK=tez_task))


def workers(
    count: int | str,
    *,
    cpu: Cpu | str,
    memory: int | str,
    disk: int | str | None = None,
    disk_type: DiskType | None = None,
) -> Spec:
    """Workers of one size.

    Spark adds a tenth to the memory of a driver or executor, but at least 384 MB: the workers are used by those that
    need no more than ``memory`` with it.

    :param count: how many, or a template of it
    :param cpu: vCPUs of each: 1, 2, 4, 8 or 16, or a template
    :param memory: memory of each in GB, or a template: 2 to 8 with 1 vCPU, 4 to 16 with 2, 8 to 30 with 4, 16 to 60 in
        steps of 4 with 8, 32 to 120 in steps of 8 with 16
    :param disk: disk of each in GB, or a template, from 20 (default) to 200, or to 2,000 if it is shuffle-optimized
    :param disk_type: ``STANDARD`` (default) or ``SHUFFLE_OPTIMIZED``
    :raises ConfigurationError: the service offers no such worker
    """
    most = MOST_DISK_GB.get(str(disk_type or "standard").lower())
    if most is None:
        raise wrong(disk_type, "disk_type", "'STANDARD' or 'SHUFFLE_OPTIMIZED'")
    vcpus, gigabytes = _amount(cpu, "cpu"), _amount(memory, "memory")
    if isinstance(vcpus, int):
        if vcpus not in SUPPORTED:
            raise wrong(cpu, "cpu", f"one of {', '.join(map(str, SUPPORTED))}")
        offered = SUPPORTED[vcpus]
        if isinstance(gigabytes, int) and offered.holding(gigabytes) != gigabytes:
            raise wrong(memory, "memory", f"{offered.least} to {offered.most} GB in steps of {offered.step}")
    disk_size = None if disk is None else _amount(disk, "disk")
    if isinstance(disk_size, int) and not FREE_DISK_GB <= disk_size <= most:
        raise wrong(disk, "disk", f"{FREE_DISK_GB:g} to {most:g} GB")
    size = given(
        cpu=f"{vcpus} vCPU",
        memory=f"{gigabytes} GB",
        disk=None if disk_size is None else f"{disk_size} GB",
        diskType=disk_type,
    )
    return Spec(workerCount=_amount(count, "count"), workerConfiguration=size)


def maximum_capacity(*, cpu: int | str, memory: int | str, disk: int | str | None = None) -> Spec:
    """A ``maximumCapacity``: what all workers of an application may have together.

    :param cpu: vCPUs, or a template
    :param memory: memory in GB, or a template
    :param disk: disk in GB, or a template; default: without limit
    :raises ConfigurationError: a value that is no template is no whole number
    """
    return Spec(
        given(
            cpu=f"{_amount(cpu, 'cpu')} vCPU",
            memory=f"{_amount(memory, 'memory')} GB",
            disk=None if disk is None else f"{_amount(disk, 'disk')} GB",
        )
    )


def _amount(value: Any, parameter: str) -> int | str:
    """A whole number, or a template of one."""
    if isinstance(value, str) and is_rendered_later(value):
        return value
    number = as_whole_number(value)
    if number is None or number < 1:
        raise wrong(value, parameter, "a whole number, or a template of one")
    return number


def _removable(value: Any, parameter: str, member: str, more: Mapping[str, Any]) -> dict[str, Any] | None:
    """A structure with a member; without, it removes what would be inherited."""
    if value is None:
        return None
    return {} if value is False else {member: optional(value, parameter), **more}


def _log_types(types: Any) -> Any:
    if types is None or is_rendered_later(types):
        return types
    if not isinstance(types, Mapping) or not types:
        raise wrong(types, "cloud_watch_log_types", "a mapping of types of workers to lists of types of logs")
    for worker, logs in types.items():
        path = f"cloud_watch_log_types.{worker}"
        if worker not in _LOGS:
            raise wrong(worker, "cloud_watch_log_types", f"as names {', '.join(_LOGS)}")
        listed(logs, path, f"a list of {', '.join(_LOGS[worker])}")
        for log in [] if is_rendered_later(logs) else logs:
            if not is_rendered_later(log) and str(log).upper() not in _LOGS[worker]:
                raise wrong(log, path, f"{', '.join(_LOGS[worker])}")
    return {worker: logs if is_rendered_later(logs) else list(logs) for worker, logs in types.items()}
