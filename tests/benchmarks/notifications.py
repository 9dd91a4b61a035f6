"""Benchmark: one triggerer waits for job runs that end at random moments, and is told of their ends by a queue.

Once with a notification queue and once without, on the same endpoint with the service's quotas on:
``python -m tests.benchmarks.notifications [--job-runs 1000] [--ways queue] [--spread 120]``. The events are the local
endpoint's, EventBridge and SQS are moto's, which share the endpoint's process: the latency holds the time that they
take. Each result is noted in a file of JSON, where those of other cases and ways stay.
"""

from __future__ import annotations

import argparse
import os
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_emrs_ext.local.testing import LocalEmr, local_emr
from airflow_emrs_ext.notifications import create_notification_queue
from tests.benchmarks import _results
from tests.benchmarks._job_runs import SERVERLESS, prepare, start
from tests.benchmarks._waits import wait
from tests.faults.forwarder import forwarded

_MOST_LAG = 120.0
_SQS_CALL = re.compile(rb"x-amz-target: AmazonSQS\.(\w+)", re.IGNORECASE)
_VARIABLE = "AIRFLOW__EMRS_EXT__NOTIFICATION_QUEUE"

WAYS = ("queue", "looks")
LIMITS = {"latency_p95_seconds": 1.5, "throttled": 0, "false_failures": 0, "missed": 0}
FIGURES = {
    "latency_p50_seconds": "noticed after, median, s",
    "latency_p95_seconds": "noticed after, p95, s",
    "latency_max_seconds": "noticed after, longest, s",
    "calls": "calls of EMR",
    "throttled": "of them throttled",
    "sqs_calls": "calls of SQS",
    "cpu_seconds": "CPU, s",
    "memory_mb": "memory growth, MB",
    "longest_block_seconds": "longest block of the loop, s",
    "false_failures": "false failures",
    "missed": "never noticed",
    "endpoint_cpu_seconds": "CPU of the endpoint, s",
}


def measure(emr: LocalEmr, way: str, job_runs: int, spread: float, log: Path) -> dict[str, Any]:
    """Let a triggerer wait for so many job runs.

    :param spread: over how many seconds they end
    :param log: of the triggerer
    """
    prepare(emr)
    asked: Counter[str] = Counter()

    def hear(piece: bytes) -> None:
        asked.update(name.decode() for name in _SQS_CALL.findall(piece))

    runs = start(emr, SERVERLESS, [SERVERLESS.make_place(emr)], job_runs)
    # Not before they run: moto counts all messages of a queue for each that it sends or hands out, so that thousands of
    # them, which SQS would not notice, take it half a second.
    os.environ[_VARIABLE] = create_notification_queue() if way == "queue" else ""
    with forwarded(emr.url, hear) as sqs:
        environ = {**emr.environ, "AWS_ENDPOINT_URL_SQS": sqs.url}
        observed = wait(emr, "emrs_ext", runs, spread=spread, seconds=spread + _MOST_LAG, log=log, environ=environ)
    return {**observed.figures(), "sqs_calls": asked.total(), "sqs_calls_by_operation": dict(asked)}


def as_table(name: str, ways: Mapping[str, Mapping[str, Any]]) -> str:
    """What either way has measured, and what is asked for."""
    told, looked = (ways.get(way, {}) for way in WAYS)
    rows = []
    for figure, words in FIGURES.items():
        limit, measured = LIMITS.get(figure), told.get(figure)
        met = "" if limit is None or measured is None else "met" if measured <= limit else "NOT MET"
        rows.append((words, measured, looked.get(figure), "" if limit is None else f"<= {limit:g}", met))
    return _results.table((f"notifications: {name} job runs", "with a queue", "without", "limit", ""), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--job-runs", nargs="+", type=int, default=[1000])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--spread", type=float, default=120.0, help="over how many seconds the job runs end")
    parser.add_argument("--output", type=Path, default=_results.FOLDER / "notifications.json")
    given = parser.parse_args()
    with local_emr() as emr:
        os.environ.update(emr.environ, AIRFLOW_CONN_AWS_DEFAULT="aws://")
        for job_runs in given.job_runs:
            name = str(job_runs)
            for way in given.ways:
                log = _results.log_of(given.output, name, way)
                result = measure(emr, way, job_runs, given.spread, log)
                _results.note(given.output, name, way, result, spread_seconds=given.spread)
            print(as_table(name, _results.load(given.output)["cases"][name]), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
