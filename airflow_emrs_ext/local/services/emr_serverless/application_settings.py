"""What an application can be told by CreateApplication and UpdateApplication, checked and completed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_emrs_ext.local.base.configuration import check_configurations, check_monitoring
from airflow_emrs_ext.local.base.errors import validation_error
from airflow_emrs_ext.local.base.releases import Release
from airflow_emrs_ext.local.base.runner import WorkerSize
from airflow_emrs_ext.local.services.emr_serverless.engines import HIVE, SPARK
from airflow_emrs_ext.local.services.emr_serverless.releases import QUEUING, QUEUING_BY_DEFAULT, parse_release
from airflow_emrs_ext.local.services.emr_serverless.sizes import NOTHING, Resources, configured_size, maximum

MOST_QUEUED = 2000
"""Job runs that may wait in the queues of an account."""

_SCHEDULER = {"queueTimeoutMinutes": 360, "maxConcurrentRuns": 15}
_SCHEDULER_RANGES = {"queueTimeoutMinutes": (15, 720), "maxConcurrentRuns": (1, 1000)}

_WORKER_TYPES = {
    SPARK: {"DRIVER": "Driver", "EXECUTOR": "Executor"},
    HIVE: {"DRIVER": "HiveDriver", "HIVEDRIVER": "HiveDriver", "TEZTASK": "TezTask"},
}

_DEFAULTS: dict[str, Any] = {
    "architecture": "X86_64",
    "autoStartConfiguration": {"enabled": True},
    "autoStopConfiguration": {"enabled": True, "idleTimeoutMinutes": 15},
}
"""What an application has that was not told."""

_REMOVED_WHEN_EMPTY = (
    "initialCapacity",
    "imageConfiguration",
    "networkConfiguration",
    "workerTypeSpecifications",
    "runtimeConfiguration",
    "monitoringConfiguration",
    "diskEncryptionConfiguration",
    "identityCenterConfiguration",
)
"""Members that an update takes away by giving nothing in them."""

_NOT_SETTINGS = ("applicationId", "clientToken", "name", "type", "tags")


def most_queued(quota_scale: float) -> float:
    """How many job runs may wait in the queues of an account.

    :param quota_scale: factor on the quota; 0: none
    """
    return MOST_QUEUED * quota_scale if quota_scale else math.inf


def settings_of(params: Mapping[str, Any], engine_type: str, current: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of an application after a request.

    :param params: of CreateApplication or UpdateApplication
    :param engine_type: ``Spark`` or ``Hive``
    :param current: the settings before; empty for a new application
    :return: members of the API's ``Application`` structure
    :raises ApiError: a member is not usable; it is named
    """
    given = {name: value for name, value in params.items() if name not in _NOT_SETTINGS}
    settings: dict[str, Any] = {**_DEFAULTS, **current, **given}
    release = parse_release(settings["releaseLabel"])
    for name in ("autoStartConfiguration", "autoStopConfiguration"):
        settings[name] = {**_DEFAULTS[name], **settings[name]}
    if "schedulerConfiguration" not in given and release < QUEUING:
        settings.pop("schedulerConfiguration", None)  # the application goes back to a release without queuing
    settings["schedulerConfiguration"] = _scheduler_configuration(settings.get("schedulerConfiguration"), release)
    _check_capacity(settings, engine_type)
    _check_images(settings, engine_type)
    check_configurations(settings.get("runtimeConfiguration"), "runtimeConfiguration")
    check_monitoring(settings.get("monitoringConfiguration"), "monitoringConfiguration")
    empty = [name for name in _REMOVED_WHEN_EMPTY if name in settings and not settings[name]]
    return {name: value for name, value in settings.items() if name not in empty and value is not None}


def limit_of(settings: Mapping[str, Any]) -> Resources:
    """The most that the application may use."""
    return maximum(settings.get("maximumCapacity"))


def warm_capacity(settings: Mapping[str, Any]) -> Resources:
    """What the application's pre-initialized workers take together."""
    warm = NOTHING
    for _, size, count in warm_workers(settings):
        warm = warm.add(Resources(size.cpu * count, size.memory_gb * count, size.disk_gb * count))
    return warm


def warm_workers(settings: Mapping[str, Any]) -> Iterator[tuple[str, WorkerSize, int]]:
    """The application's pre-initialized workers whose size it says: worker type as it names it, size and number."""
    for kind, capacity in (settings.get("initialCapacity") or {}).items():
        if worker := capacity.get("workerConfiguration"):
            size = configured_size(worker, f"initialCapacity.{kind}.workerConfiguration")
            yield kind, size, capacity["workerCount"]


def _scheduler_configuration(given: Mapping[str, int] | None, release: Release) -> dict[str, int] | None:
    """The ``schedulerConfiguration`` in force, ``None`` when queuing is off.

    :param given: as in the request; what it leaves open has the service's default
    :param release: the application's; queuing is on by default from 7.3.0
    :raises ApiError: a value is out of range; the member is named
    """
    if given is None:
        return dict(_SCHEDULER) if release >= QUEUING_BY_DEFAULT else None
    for name, value in given.items():
        least, most = _SCHEDULER_RANGES[name]
        if not least <= value <= most:
            raise validation_error(f"schedulerConfiguration.{name}: must be from {least} to {most}, not {value}")
    return {**_SCHEDULER, **given}


def _check_capacity(settings: Mapping[str, Any], engine_type: str) -> None:
    for kind in settings.get("initialCapacity") or {}:
        _worker_type(kind, engine_type, "initialCapacity")
    limit, warm = limit_of(settings), warm_capacity(settings)
    if not warm.fits(limit):
        raise validation_error("initialCapacity: is more than maximumCapacity")


def _check_images(settings: Mapping[str, Any], engine_type: str) -> None:
    for kind in settings.get("workerTypeSpecifications") or {}:
        _worker_type(kind, engine_type, "workerTypeSpecifications")
    image = settings.get("imageConfiguration")
    if image and "imageUri" not in image:
        raise validation_error("imageConfiguration.imageUri: is required")


def _worker_type(given: str, engine_type: str, member: str) -> str:
    known = _WORKER_TYPES[engine_type]
    name = known.get(given.upper().replace("_", "").replace("-", ""))
    if name is None:
        raise validation_error(
            f"{member}.{given}: a {engine_type} application has the worker types"
            f" {' and '.join(dict.fromkeys(known.values()))}"
        )
    return name
