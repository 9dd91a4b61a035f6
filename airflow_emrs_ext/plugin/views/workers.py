"""The workers of a job run of EMR Serverless, minute by minute, of which another service tells: Amazon CloudWatch."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError

from airflow_emrs_ext.aws.retry import patiently
from airflow_emrs_ext.core.effects import Call, Effects, RunContext
from airflow_emrs_ext.exceptions import ServiceUnavailable

PRE_INITIALIZED = "PreInitCapacity"
"""What the service calls workers that were kept ready, in :attr:`Workers.capacity`."""

_METRIC: Mapping[str, str] = {"Namespace": "AWS/EMRServerless", "MetricName": "WorkerCpuAllocated"}
# Each worker has a data point a minute: only sums of a minute are what all of them have at a time.
_PERIOD_SECONDS = 60
_LONGEST = timedelta(hours=24)
# CloudWatch keeps minutes for so long.
_KEPT = timedelta(days=15)

# A web server in a private network may not reach CloudWatch: not each page waits to find that out again.
_SILENCE_SECONDS = 300.0
_silent: dict[Hashable, tuple[float, str]] = {}


class Workers(NamedTuple):
    """The workers of one type and one kind of capacity.

    :param worker_type: the service's word, such as ``Spark_Driver``
    :param capacity: ``PreInitCapacity`` or ``OnDemandCapacity``
    :param vcpus: how many vCPUs they had, by minute
    """

    worker_type: str
    capacity: str
    vcpus: Mapping[datetime, float]


def is_kept(since: datetime) -> bool:
    """Whether CloudWatch still has the minutes of what started then."""
    return datetime.now(timezone.utc) - since < _KEPT


def workers(
    ctx: RunContext, /, asked_as: Hashable, job_run_id: str, since: datetime, until: datetime
) -> Effects[list[Workers]]:
    """ListMetrics, GetMetricData of a job run's :class:`Workers`, of its last 24 hours at most.

    :param asked_as: what makes questions reach the same CloudWatch; one that did not answer is asked again later
    :param since: when it was created
    :param until: when it ended, or now
    :raises EmrError: CloudWatch does not tell; nothing is repeated
    """
    until_asked, unanswered = _silent.get(asked_as, (0.0, ""))
    if time.monotonic() < until_asked:
        raise ServiceUnavailable(unanswered)
    ctx = replace(ctx, wait_policy=replace(ctx.wait_policy, call_patience=0.0))
    try:
        return (yield from _told(ctx, job_run_id, max(since, until - _LONGEST), until))
    except ServiceUnavailable as error:
        cause = error.__cause__
        text = f"CloudWatch does not tell now ({cause}). Load this page again."
        if isinstance(cause, BotoCoreError):
            text = (
                f"CloudWatch did not answer ({cause}), and is asked again {_SILENCE_SECONDS / 60:.0f} minutes later. "
                "A web server in a private network needs a VPC endpoint for it (monitoring)."
            )
            _silent[asked_as] = (time.monotonic() + _SILENCE_SECONDS, text)
        raise ServiceUnavailable(text, {**error.facts, "job_run_id": job_run_id}) from cause


def _told(ctx: RunContext, job_run_id: str, since: datetime, until: datetime) -> Effects[list[Workers]]:
    named = [{"Name": "JobId", "Value": job_run_id}]
    metrics = yield from patiently(_call("list_metrics", **_METRIC, Dimensions=named), ctx, _by_group)
    if not metrics:
        return []
    minute = timedelta(seconds=_PERIOD_SECONDS)
    asked = _call(
        "get_metric_data",
        StartTime=since.replace(second=0, microsecond=0),
        EndTime=until + minute,
        MetricDataQueries=[
            {"Id": f"m{n}", "MetricStat": {"Metric": metric, "Period": _PERIOD_SECONDS, "Stat": "Sum"}}
            for n, metric in enumerate(metrics.values())
        ],
    )

    def read(answer: dict[str, Any]) -> list[Workers]:
        series = {
            one["Id"]: dict(zip(one["Timestamps"], one["Values"], strict=True)) for one in answer["MetricDataResults"]
        }
        return [Workers(*group, series.get(f"m{n}", {})) for n, group in enumerate(metrics)]

    return (yield from patiently(asked, ctx, read))


def _by_group(listed: Mapping[str, Sequence[Any]]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """A metric of each type and capacity: the service has each twice, with names of application and job run, too.

    Those that tell of no type or capacity are none of them.
    """
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for metric in listed["Metrics"]:
        told = {one["Name"]: one["Value"] for one in metric["Dimensions"]}
        metric = {name: metric[name] for name in (*_METRIC, "Dimensions")}
        match told:
            case {"WorkerType": str(worker_type), "CapacityAllocationType": str(capacity)}:
                found.setdefault((worker_type, capacity), metric)
    return dict(sorted(found.items()))


def _call(operation: str, **parameters: Any) -> Call:
    return Call(operation, parameters, service="cloudwatch")
