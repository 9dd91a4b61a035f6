"""A triggerer that waits for job runs that end at random moments: what becomes of it, in figures."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from airflow_emrs_ext.local.testing import LocalEmr
from tests.benchmarks._job_runs import Deferral, JobRun, defer, ends
from tests.benchmarks._triggerer import Triggerer
from tests.running import TaskInstance, context_of

# Between the last preparation and the first end of a job run, in seconds; each end is a request to the endpoint.
_LEAD = 1.0
_REQUESTS_PER_SECOND = 200
# How many tasks go on afterwards.
_RESUMED = 5


@dataclass(frozen=True)
class Wait:
    """What has been observed of one.

    :param runs: what was waited for
    :param report: of the triggerer
    :param calls: that the endpoint was asked for meanwhile
    :param ended: when each job run has ended, in seconds since the epoch
    :param endpoint_cpu_seconds: of the endpoint's process
    :param worker_calls: that a task makes of its own when it goes on in a worker, on average
    """

    runs: Sequence[JobRun]
    report: Mapping[str, Any]
    calls: Sequence[Mapping[str, Any]]
    ended: Mapping[str, float]
    endpoint_cpu_seconds: float
    worker_calls: float

    @property
    def noticed(self) -> dict[str, float]:
        """When it was noticed of each job run that it has ended, in seconds since the epoch."""
        return {
            self.runs[event["trigger"]].own_id: event["time"]
            for event in self.report["events"]
            if not _is_failure(event)
        }

    @property
    def latencies(self) -> dict[str, float]:
        """How long after its end each was noticed, in seconds."""
        return {own_id: at - self.ended[own_id] for own_id, at in self.noticed.items() if own_id in self.ended}

    @property
    def false_failures(self) -> int:
        """How many tasks would fail, although all job runs succeed."""
        return len(self.report["errors"]) + sum(map(_is_failure, self.report["events"]))

    def figures(self) -> dict[str, Any]:
        """All of it, for a report."""
        latencies = list(self.latencies.values())
        return {
            "job_runs": len(self.runs),
            "seconds": round(self.report["ended"] - self.report["began"], 1),
            "calls": len(self.calls),
            "calls_by_operation": dict(Counter(f"{call['service']} {call['operation']}" for call in self.calls)),
            "calls_per_job_run": round(len(self.calls) / len(self.runs), 3),
            "calls_per_job_run_in_the_worker": self.worker_calls,
            "throttled": sum(map(is_throttled, self.calls)),
            "cpu_seconds": round(self.report["cpu_seconds"], 2),
            "memory_mb": round(self.report["memory_bytes"] / 1e6, 1),
            "longest_block_seconds": round(self.report["longest_block_seconds"], 3),
            "longest_block_cpu_seconds": round(self.report["longest_block_cpu_seconds"], 3),
            "longest_gc_seconds": round(self.report["longest_gc_seconds"], 3),
            "latency_p50_seconds": percentile(latencies, 0.5),
            "latency_p95_seconds": percentile(latencies, 0.95),
            "latency_max_seconds": percentile(latencies, 1),
            "false_failures": self.false_failures,
            "missed": len(self.runs) - len(self.noticed) - self.false_failures,
            "endpoint_cpu_seconds": round(self.endpoint_cpu_seconds, 1),
        }


def wait(
    emr: LocalEmr,
    side: str,
    runs: Sequence[JobRun],
    *,
    spread: float,
    seconds: float,
    log: Path,
    environ: Mapping[str, str] | None = None,
    meanwhile: Callable[[float], None] = lambda began: None,
    seed: int = 7,
) -> Wait:
    """Let a triggerer wait for job runs as the tasks of a side do, with the service's quotas on.

    :param spread: over how many seconds they end, at random
    :param seconds: how long to wait at most
    :param log: of the triggerer
    :param environ: variables that lead its clients to the endpoint; default: the endpoint's own
    :param meanwhile: called when the wait has begun, with that moment in seconds since the epoch
    """
    (endpoint,) = psutil.Process().children()
    deferrals = defer(emr, side, runs)
    chance = random.Random(seed)
    triggers = [(one.trigger, one.arguments) for one in deferrals]
    with Triggerer(triggers, emr.environ if environ is None else environ, log) as triggerer:
        began = time.time() + _LEAD + len(runs) / _REQUESTS_PER_SECOND
        for run in runs:
            emr.finish(run.own_id, after=began + chance.uniform(0, spread) - time.time())
        time.sleep(max(0.0, began - time.time()))
        emr.configure(quota_scale=1.0)
        used = _cpu_seconds(endpoint)
        triggerer.begin(seconds)
        meanwhile(began)
        report = triggerer.report()
        used = _cpu_seconds(endpoint) - used
    services = {run.service for run in runs}
    calls = [call for call in emr.calls() if moment(call) >= report["began"]]
    ended = ends(emr, services)
    return Wait(runs, report, calls, ended, used, _worker_calls(emr, side, runs, deferrals, report["events"]))


def moment(call: Mapping[str, Any]) -> float:
    """When a call has reached the endpoint, in seconds since the epoch."""
    return datetime.fromisoformat(call["time"]).timestamp()


def is_throttled(call: Mapping[str, Any]) -> bool:
    """Whether a call was past its quota."""
    return "Throttl" in (call["error"] or "")


def percentile(values: Iterable[float], share: float) -> float | None:
    """The least of the values that is not below so large a share of them."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 2) if ordered else None


def _worker_calls(
    emr: LocalEmr,
    side: str,
    runs: Sequence[JobRun],
    deferrals: Sequence[Deferral],
    events: Sequence[Mapping[str, Any]],
) -> float:
    """How many calls a task makes when it goes on in a worker, on average of a few."""
    emr.configure(quota_scale=0)
    some = [event for event in events if event["kind"] == "TriggerEvent" and not _is_failure(event)][:_RESUMED]
    before = len(emr.calls())
    for event in some:
        run, deferral = runs[event["trigger"]], deferrals[event["trigger"]]
        operator = run.service.operators[side](run.place)
        getattr(operator, deferral.method)(context_of(TaskInstance()), event["payload"], **deferral.kwargs)
    return (len(emr.calls()) - before) / len(some) if some else 0.0


def _is_failure(event: Mapping[str, Any]) -> bool:
    """Whether an event, of either side, says that its job run has not succeeded."""
    payload = event["payload"]
    if event["kind"] != "TriggerEvent":
        return "Success" not in event["kind"]
    return not isinstance(payload, dict) or "error" in payload or payload.get("status", "success") != "success"


def _cpu_seconds(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)
