"""Benchmark: one triggerer waits for many job runs that end at random moments, with the service's quotas on.

The Amazon provider's triggers and this package's wait for as many job runs that end alike, one side after the other,
on the same endpoint: ``python -m tests.benchmarks.waiting [--cases 50 1000] [--sides emrs_ext] [--spread 120]``. Each
result is noted in a file of JSON, where those of other cases and sides stay.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_emrs_ext.local.testing import LocalEmr, local_emr
from tests.benchmarks import _results
from tests.benchmarks._job_runs import EKS, SERVERLESS, SIDES, JobRun, Service, prepare, start
from tests.benchmarks._waits import wait

# What a triggerer that lags behind may take beyond the end of the last job run, in seconds.
_MOST_LAG = 400.0


@dataclass(frozen=True)
class Case:
    """What is waited for.

    :param job_runs: how many of each service
    :param places: on how many applications or virtual clusters of each
    :param sides: who waits
    """

    job_runs: Mapping[Service, int]
    places: int = 1
    sides: tuple[str, ...] = SIDES


CASES = {
    **{str(count): Case({SERVERLESS: count}) for count in (10, 50, 100, 300, 1000)},
    "5000": Case({SERVERLESS: 5000}, sides=("emrs_ext",)),
    "1000 on 20 applications": Case({SERVERLESS: 1000}, places=20),
    "500 beside 500 on EKS": Case({SERVERLESS: 500, EKS: 500}),
}

# What this package is measured by: figures, or parts of the Amazon provider's.
LIMITS: dict[str, dict[str, float]] = {
    "50": {"latency_p95_seconds": 3.0},
    "1000": {"throttled": 0, "false_failures": 0, "longest_block_seconds": 0.1, "latency_p95_seconds": 25.0},
}
RATIOS: dict[str, dict[str, int]] = {
    "50": {"calls_per_job_run": 1},
    # One call of each is its report, which saves the worker the clients: see worker_seconds.
    "1000": {"calls": 10, "cpu_seconds": 30, "memory_mb": 40},
}
FIGURES = {
    "calls": "calls",
    "calls_per_job_run": "calls per job run",
    "calls_per_job_run_in_the_worker": "and in the worker after it",
    "throttled": "of them throttled",
    "cpu_seconds": "CPU, s",
    "memory_mb": "memory growth, MB",
    "longest_block_seconds": "longest block of the loop, s",
    "longest_block_cpu_seconds": "longest computing of its thread, s",
    "longest_gc_seconds": "longest pass of the garbage collector, s",
    "latency_p50_seconds": "noticed after, median, s",
    "latency_p95_seconds": "noticed after, p95, s",
    "latency_max_seconds": "noticed after, longest, s",
    "false_failures": "false failures",
    "missed": "never noticed",
    "endpoint_cpu_seconds": "CPU of the endpoint, s",
}


def measure(emr: LocalEmr, case: Case, side: str, spread: float, log: Path) -> dict[str, Any]:
    """Let a side wait for the job runs of a case.

    :param spread: over how many seconds they end
    :param log: of the triggerer
    """
    prepare(emr)
    runs: list[JobRun] = []
    for service, count in case.job_runs.items():
        runs += start(emr, service, [service.make_place(emr) for _ in range(case.places)], count)
    return wait(emr, side, runs, spread=spread, seconds=spread + _MOST_LAG, log=log).figures()


def as_table(name: str, sides: Mapping[str, Mapping[str, Any]]) -> str:
    """What the sides of a case have measured, how they compare, and what is asked for."""
    theirs, ours = (sides.get(side, {}) for side in SIDES)
    rows = [
        _results.compared(
            words,
            theirs.get(figure),
            ours.get(figure),
            limit=LIMITS.get(name, {}).get(figure),
            part=RATIOS.get(name, {}).get(figure),
        )
        for figure, words in FIGURES.items()
    ]
    return _results.table((f"waiting: {name} job runs", *_results.COMPARED), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=SIDES)
    parser.add_argument("--spread", type=float, default=120.0, help="over how many seconds the job runs end")
    parser.add_argument("--output", type=Path, default=_results.FOLDER / "waiting.json")
    given = parser.parse_args()
    with local_emr() as emr:
        os.environ.update(emr.environ, AIRFLOW_CONN_AWS_DEFAULT="aws://")
        for name in given.cases:
            for side in (side for side in CASES[name].sides if side in given.sides):
                log = _results.log_of(given.output, name, side)
                result = measure(emr, CASES[name], side, given.spread, log)
                _results.note(given.output, name, side, result, spread_seconds=given.spread)
            print(as_table(name, _results.load(given.output)["cases"][name]), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
