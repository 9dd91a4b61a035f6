"""What a job run used and what it is billed for."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from airflow_emrs_ext.local.base.runner import Workers
from airflow_emrs_ext.shared.worker_sizes import FREE_DISK_GB

LEAST_BILLED_SECONDS = 60
_DIGITS = 3


@dataclass(frozen=True)
class Usage(Workers):
    """The workers of one attempt, for as long as it ran.

    :param seconds: from RUNNING to the end
    """

    seconds: float


def total(usages: Iterable[Usage]) -> dict[str, float]:
    """``totalResourceUtilization``: all that the workers had, by the second."""
    return _hours((usage, math.ceil(usage.seconds), 0.0) for usage in usages)


def billed(usages: Iterable[Usage]) -> dict[str, float]:
    """``billedResourceUtilization``: at least a minute per worker, and only the storage above 20 GB of each."""
    return _hours((usage, max(LEAST_BILLED_SECONDS, math.ceil(usage.seconds)), FREE_DISK_GB) for usage in usages)


def duration(usages: Iterable[Usage]) -> int:
    """``totalExecutionDurationSeconds``: the attempts one after the other, each in whole seconds."""
    return sum(math.ceil(usage.seconds) for usage in usages)


def _hours(parts: Iterable[tuple[Usage, int, float]]) -> dict[str, float]:
    cpu = memory = disk = 0.0
    for usage, seconds, free_disk in parts:
        for size, count in ((usage.driver, 1), (usage.executor, usage.executor_count)):
            hours = count * seconds / 3600
            cpu += size.cpu * hours
            memory += size.memory_gb * hours
            disk += max(0.0, size.disk_gb - free_disk) * hours
    return {
        "vCPUHour": rounded(cpu),
        "memoryGBHour": rounded(memory),
        "storageGBHour": rounded(disk),
    }


def rounded(hours: float) -> float:
    """Hours as the service gives them."""
    return round(hours, _DIGITS)
