"""The service's metrics in CloudWatch, ``AWS/EMRServerless``, as of one minute.

Names are those of the user guide; dimensions, and how a worker type is spelled, those of the dashboard that AWS
publishes for them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_emrs_ext.local.base.runner import WorkerSize
from airflow_emrs_ext.local.services.emr_serverless.application_settings import limit_of, warm_workers
from airflow_emrs_ext.local.services.emr_serverless.applications import Application
from airflow_emrs_ext.local.services.emr_serverless.engines import SPARK
from airflow_emrs_ext.local.services.emr_serverless.job_runs import JobRun
from airflow_emrs_ext.local.services.emr_serverless.workers import Demand
from airflow_emrs_ext.shared.states import ApplicationState
from airflow_emrs_ext.shared.states import JobRunState as S

NAMESPACE = "AWS/EMRServerless"

_JOBS = {
    state: f"{state.title()}Jobs"
    for state in (S.SUBMITTED, S.PENDING, S.SCHEDULED, S.RUNNING, S.SUCCESS, S.FAILED, S.CANCELLING, S.CANCELLED)
}
_WARM, _ON_DEMAND = "PreInitCapacity", "OnDemandCapacity"
_DRIVER, _EXECUTOR = "Driver", "Executor"
_ALLOCATED = {"CPUAllocated": "cpu", "MemoryAllocated": "memory_gb", "StorageAllocated": "disk_gb"}
_WORKER_ALLOCATED = {
    "WorkerCpuAllocated": ("cpu", "None"),
    "WorkerMemoryAllocated": ("memory_gb", "Gigabytes"),
    "WorkerEphemeralStorageAllocated": ("disk_gb", "Gigabytes"),
}


@dataclass
class _Group:
    """Workers of one type and one kind of capacity.

    :param work_id: the job run or session that uses them; ``""``: nobody, they are pre-initialized
    """

    worker_type: str
    capacity: str
    size: WorkerSize
    count: int
    work_id: str = ""


def metrics(
    application: Application,
    workers: Mapping[str, tuple[Demand, int]],
    runs: Mapping[str, JobRun],
    ended: Iterable[JobRun],
) -> list[dict[str, Any]]:
    """What CloudWatch is told of an application, in the form of PutMetricData.

    :param application: the application
    :param workers: as :meth:`~.capacity.Capacity.workers_of` has them
    :param runs: its job runs that have not ended, by id
    :param ended: those that have ended since the last time
    """
    base = _named(ApplicationId=application.id, ApplicationName=application.name)
    groups = list(_groups(application, workers))
    used, idle = [one for one in groups if one.work_id], [one for one in groups if not one.work_id]
    states = Counter(run.state for run in (*runs.values(), *ended))
    limit = limit_of(application.settings)
    totals = {
        **_capacity(used, idle),
        "MaxCPUAllowed": limit.cpu,
        "MaxMemoryAllowed": limit.memory_gb,
        "MaxStorageAllowed": limit.disk_gb,
    }
    told = [_datum(name, value, base) for name, value in totals.items() if value != math.inf]
    told += [_datum(name, states[state], base, "Count") for state, name in _JOBS.items()]
    # How the types of Hive's workers are spelled is not known.
    if application.engine == SPARK:
        told += _by_worker_type(used, idle, base)
        for run_id, run in runs.items():
            told += _of_job_run([one for one in used if one.work_id == run_id], run, base)
    return told


def _by_worker_type(used: list[_Group], idle: list[_Group], base: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for worker_type in (_DRIVER, _EXECUTOR):
        for capacity in (_WARM, _ON_DEMAND):
            parts = [
                [one for one in groups if (one.worker_type, one.capacity) == (worker_type, capacity)]
                for groups in (used, idle)
            ]
            dimensions = {"WorkerType": f"{SPARK}_{worker_type}", "CapacityAllocationType": capacity, **base}
            for name, value in _capacity(*parts).items():
                yield _datum(name, value, dimensions)


def _of_job_run(groups: list[_Group], run: JobRun, base: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for group in groups:
        dimensions = {
            **base,
            **_named(JobId=run.id, JobName=run.name),
            "WorkerType": f"{SPARK}_{group.worker_type}",
            "CapacityAllocationType": group.capacity,
        }
        for name, (resource, unit) in _WORKER_ALLOCATED.items():
            yield _datum(name, group.count * getattr(group.size, resource), dimensions, unit)


def _capacity(used: list[_Group], idle: list[_Group]) -> dict[str, float]:
    running, waiting = sum(one.count for one in used), sum(one.count for one in idle)
    return {
        "RunningWorkerCount": running,
        "IdleWorkerCount": waiting,
        "TotalWorkerCount": running + waiting,
        **{
            name: sum(one.count * getattr(one.size, resource) for one in (*used, *idle))
            for name, resource in _ALLOCATED.items()
        },
    }


def _groups(application: Application, workers: Mapping[str, tuple[Demand, int]]) -> Iterator[_Group]:
    """The workers that are used, pre-initialized ones of their type first, and those of the latter that are left."""
    warm: dict[str, tuple[WorkerSize, int]] = {}
    if application.state is ApplicationState.STARTED:
        for kind, size, count in warm_workers(application.settings):
            warm[_DRIVER if kind.upper().endswith("DRIVER") else _EXECUTOR] = size, count
    for work_id, (demand, executors) in workers.items():
        for worker_type, size, count in ((_DRIVER, demand.driver, 1), (_EXECUTOR, demand.executor, executors)):
            room, left = warm.get(worker_type, (size, 0))
            taken = min(left, count) if _fits(size, room) else 0
            if taken:
                warm[worker_type] = room, left - taken
                yield _Group(worker_type, _WARM, room, taken, work_id)
            if count > taken:
                yield _Group(worker_type, _ON_DEMAND, size, count - taken, work_id)
    for worker_type, (size, count) in warm.items():
        yield _Group(worker_type, _WARM, size, count)


def _fits(size: WorkerSize, room: WorkerSize) -> bool:
    return size.cpu <= room.cpu and size.memory_gb <= room.memory_gb and size.disk_gb <= room.disk_gb


def _named(**names: str | None) -> dict[str, str]:
    return {name: value for name, value in names.items() if value}


def _datum(name: str, value: float, dimensions: Mapping[str, str], unit: str = "None") -> dict[str, Any]:
    # moto compares them in the order in which they are given.
    pairs = [{"Name": key, "Value": text} for key, text in sorted(dimensions.items())]
    return {"MetricName": name, "Value": float(value), "Unit": unit, "Dimensions": pairs}
