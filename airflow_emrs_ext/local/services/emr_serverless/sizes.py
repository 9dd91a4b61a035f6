"""The worker sizes that the service offers, and how amounts of CPU, memory and disk are written."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from airflow_emrs_ext.local.base.errors import validation_error
from airflow_emrs_ext.local.base.runner import WorkerSize
from airflow_emrs_ext.shared.worker_sizes import FREE_DISK_GB, MOST_DISK_GB, SUPPORTED

_AMOUNT = re.compile(r"([0-9]+)\s*[A-Za-z]*")


class Resources(NamedTuple):
    """An amount of CPU, memory and disk."""

    cpu: float = 0.0
    memory_gb: float = 0.0
    disk_gb: float = 0.0

    def add(self, other: Resources) -> Resources:
        """This amount and another."""
        return Resources(self.cpu + other.cpu, self.memory_gb + other.memory_gb, self.disk_gb + other.disk_gb)

    def less(self, other: Resources) -> Resources:
        """What is left of this amount without another."""
        return Resources(self.cpu - other.cpu, self.memory_gb - other.memory_gb, self.disk_gb - other.disk_gb)

    def fits(self, limit: Resources) -> bool:
        """Whether it is within a limit in every respect."""
        return all(have <= most for have, most in zip(self, limit, strict=True))


NOTHING = Resources()


def amount(text: str) -> int:
    """The number in an amount as the API writes it: ``4 vCPU``, ``16GB``, ``20``."""
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:  # the API model's pattern admits nothing else
        raise validation_error(f"{text!r} is no amount such as 4 vCPU or 16 GB")
    return int(match[1])


def maximum(capacity: Mapping[str, Any] | None) -> Resources:
    """``maximumCapacity`` as numbers; what it leaves open has no limit."""
    given = capacity or {}
    return Resources(*(float(amount(given[name])) if name in given else math.inf for name in ("cpu", "memory", "disk")))


def worker_size(
    *,
    cpu: int,
    memory: float,
    disk: float,
    disk_type: str,
    names: Mapping[str, str],
    clamp_memory: bool = False,
) -> WorkerSize:
    """The smallest worker on offer that holds what is asked for.

    :param cpu: vCPUs
    :param memory: memory in GB, overhead included
    :param disk: disk in GB
    :param disk_type: ``standard`` or ``shuffle_optimized``
    :param names: what to call ``cpu``, ``memory``, ``disk`` and ``disk_type`` in an error
    :param clamp_memory: memory is only a default: take the largest on offer when it is too much
    :raises ApiError: no worker on offer holds it
    """
    if cpu not in SUPPORTED:
        raise validation_error(f"{names['cpu']}: workers have {_listed(SUPPORTED)} vCPUs, not {cpu}")
    stepped = SUPPORTED[cpu].holding(memory)
    if stepped is None:
        most = SUPPORTED[cpu].most
        if not clamp_memory:
            raise validation_error(
                f"{names['memory']}: a worker with {cpu} vCPU has at most {most} GB of memory,"
                f" {memory:g} GB with overhead are asked for"
            )
        stepped = most
    kind = disk_type.lower()
    if kind not in MOST_DISK_GB:
        raise validation_error(f"{names['disk_type']}: must be standard or shuffle_optimized, not {disk_type!r}")
    if not FREE_DISK_GB <= disk <= MOST_DISK_GB[kind]:
        raise validation_error(
            f"{names['disk']}: a worker has {FREE_DISK_GB:g} to {MOST_DISK_GB[kind]:g} GB of {kind} disk, not {disk:g}"
        )
    return WorkerSize(float(cpu), float(stepped), float(disk))


def configured_size(worker: Mapping[str, Any], member: str) -> WorkerSize:
    """A ``workerConfiguration`` of ``initialCapacity`` as a size.

    :param worker: ``cpu``, ``memory`` and perhaps ``disk`` and ``diskType``
    :param member: the parameter that holds it, for the error
    :raises ApiError: the service offers no such worker
    """
    asked = float(amount(worker["memory"]))
    size = worker_size(
        cpu=amount(worker["cpu"]),
        memory=asked,
        disk=float(amount(worker["disk"])) if "disk" in worker else FREE_DISK_GB,
        disk_type=worker.get("diskType", "standard"),
        names={
            "cpu": f"{member}.cpu",
            "memory": f"{member}.memory",
            "disk": f"{member}.disk",
            "disk_type": f"{member}.diskType",
        },
    )
    if size.memory_gb != asked:
        least, most, step = SUPPORTED[int(size.cpu)]
        raise validation_error(
            f"{member}.memory: a worker with {size.cpu:g} vCPU has {least} to {most} GB in steps of {step} GB,"
            f" not {asked:g}"
        )
    return size


def _listed(values: Mapping[int, Any]) -> str:
    *head, last = values
    return f"{', '.join(map(str, head))} or {last}"
