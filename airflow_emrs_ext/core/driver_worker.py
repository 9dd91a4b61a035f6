"""The size of a driver's worker, by the properties that say it: what is Standard of a job run on Flex capacity."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from airflow_emrs_ext.shared.worker_sizes import (
    FREE_DISK_GB,
    LEAST_OVERHEAD_MB,
    OVERHEAD_FACTOR,
    SUPPORTED,
    size_mb,
)

_CORES, _MEMORY = "spark.driver.cores", "spark.driver.memory"
_OVERHEAD = "spark.driver.memoryOverhead"
_FACTORS = ("spark.driver.memoryOverheadFactor", "spark.emr-serverless.memoryOverheadFactor")
_DISK = "spark.emr-serverless.driver.disk"
_PROPERTIES = frozenset({_CORES, _MEMORY, _OVERHEAD, *_FACTORS, _DISK})
_OPTIONS: Mapping[str, str] = {"--driver-cores": _CORES, "--driver-memory": _MEMORY}
_DEFAULT_CORES, _DEFAULT_MEMORY = "4", "14G"


def driver_settings(
    configurations: Iterable[Mapping[str, Any]] | None, parameters: str | None = None
) -> dict[str, str]:
    """The Spark properties that say how large the driver's worker is.

    :param configurations: of an application or a job run, in the API's form
    :param parameters: ``sparkSubmitParameters``, which win
    :raises ValueError: a quote in ``parameters`` is not closed
    """
    found: dict[str, str] = {}
    for configuration in configurations or ():
        if configuration.get("classification") == "spark-defaults":
            found |= {name: str(value) for name, value in (configuration.get("properties") or {}).items()}
    words = iter(shlex.split(parameters or ""))
    for word in words:
        option, separator, value = word.partition("=")
        if option in ("--conf", "-c"):
            name, _, setting = (value if separator else next(words, "")).partition("=")
            found[name] = setting.strip()
        elif option in _OPTIONS:
            found[_OPTIONS[option]] = value if separator else next(words, "")
    return {name: value for name, value in found.items() if name in _PROPERTIES}


def driver_worker(settings: Mapping[str, str]) -> dict[str, float] | None:
    """What an hour of the driver's worker is billed as: vCPU, GB of memory, GB of storage beyond what is free.

    :param settings: see :func:`driver_settings`; what they leave open is the service's default
    :return: by the keys of ``billed_resource_utilization``; ``None``: they are not understood
    """
    memory_mb = size_mb(settings.get(_MEMORY, _DEFAULT_MEMORY))
    disk_mb = size_mb(settings.get(_DISK, f"{FREE_DISK_GB:g}g"), "g")
    try:
        cores = int(settings.get(_CORES, _DEFAULT_CORES))
        factor = float(next((settings[name] for name in _FACTORS if name in settings), OVERHEAD_FACTOR))
    except ValueError:
        return None
    if memory_mb is None or disk_mb is None or cores not in SUPPORTED:
        return None
    overhead_mb = size_mb(settings[_OVERHEAD]) if _OVERHEAD in settings else max(LEAST_OVERHEAD_MB, memory_mb * factor)
    if overhead_mb is None:
        return None
    memory_gb = SUPPORTED[cores].holding((memory_mb + overhead_mb) / 1024)
    if memory_gb is None:
        if _MEMORY in settings:
            return None
        # The default is more than a small worker has.
        memory_gb = SUPPORTED[cores].most
    disk_gb = max(0.0, disk_mb / 1024 - FREE_DISK_GB)
    return {"vcpu_hour": float(cores), "memory_gb_hour": float(memory_gb), "storage_gb_hour": disk_gb}
