"""Benchmark: many tasks submit a job run at once, under the service's quota of one StartJobRun a second, burst 25.

Three sides submit against the same endpoint with the quotas on, one after the other: the Amazon provider's operator and
this package's, each task in a worker of its own, and this package's from one triggerer (``submit_from``):
``python -m tests.benchmarks.submission_storm [--tasks 100 300] [--sides emrs_ext_triggerer]``. Each result is noted in
a file of JSON, where those of other cases and sides stay.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from airflow.providers.amazon.aws.operators.emr import EmrServerlessStartJobOperator

from airflow_emrs_ext._compat import TaskDeferred
from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.local.testing import LocalEmr, local_emr
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.shared.quotas import quotas_of
from tests.benchmarks import _results
from tests.benchmarks._job_runs import ROLE, SERVERLESS, prepare
from tests.benchmarks._triggerer import Triggerer
from tests.benchmarks._waits import is_throttled
from tests.running import TaskInstance, context_of

QUOTA = quotas_of("emr-serverless")["StartJobRun"]
# Of the least time that the quota allows.
_SLACK = 1.1
_MOST_LAG = 900.0

FIGURES = {
    "failed": "tasks failed",
    "job_runs": "job runs",
    "start_calls_per_job_run": "StartJobRun per job run",
    "calls_per_job_run": "all calls per job run",
    "throttled": "calls throttled",
    "seconds": "last submitted after, s",
    "median_seconds": "median, s",
}

Ends = list[tuple[bool, float]]
"""Of each task: whether it succeeded, and when, in seconds since all began."""


def amazon(application_id: str, number: int) -> Any:
    return EmrServerlessStartJobOperator(
        task_id=f"task_{number}",
        aws_conn_id=_connection(number),
        application_id=application_id,
        execution_role_arn=ROLE,
        job_driver=spark_submit("s3://bucket/job.py"),
        wait_for_completion=False,
    )


def emrs_ext(application_id: str, number: int, **options: Any) -> Any:
    return EmrServerlessStartJobRunOperator(
        **{
            "task_id": f"task_{number}",
            "aws_conn_id": _connection(number),
            "application_id": application_id,
            "execution_role_arn": ROLE,
            "job_driver": spark_submit("s3://bucket/job.py"),
            "wait_for": "submission",
            **options,
        }
    )


def emrs_ext_triggerer(application_id: str, number: int) -> Any:
    return emrs_ext(application_id, number, aws_conn_id="aws_default", submit_from="triggerer")


def _connection(number: int) -> str:
    """What a process has in common, it has by connection: with one of its own, a task has nothing in common."""
    name = f"aws_worker_{number}"
    os.environ[f"AIRFLOW_CONN_{name.upper()}"] = "aws://"
    return name


def in_workers(emr: LocalEmr, operators: Sequence[Any], log: Path) -> Ends:
    """Execute each in a thread of its own, all at once."""
    began = time.monotonic()

    def submit(operator: Any) -> tuple[bool, float]:
        try:
            operator.execute(_context(operator))
        except Exception:
            return False, time.monotonic() - began
        return True, time.monotonic() - began

    with ThreadPoolExecutor(len(operators)) as pool:
        return list(pool.map(submit, operators))


def in_a_triggerer(emr: LocalEmr, operators: Sequence[Any], log: Path) -> Ends:
    """Execute one after the other until it is deferred, and run all triggers at once."""
    deferrals = []
    for operator in operators:
        try:
            operator.execute(_context(operator))
        except TaskDeferred as deferral:
            deferrals.append(deferral)
    with Triggerer([deferral.trigger.serialize() for deferral in deferrals], emr.environ, log) as triggerer:
        triggerer.begin(_least_seconds(len(operators)) + _MOST_LAG)
        report = triggerer.report()
    events = {event["trigger"]: event for event in report["events"]}
    ends = []
    for number, (operator, deferral) in enumerate(zip(operators, deferrals, strict=True)):
        event = events.get(number, {"payload": None, "time": report["ended"]})
        go_on = getattr(operator, deferral.method_name)
        try:
            go_on(_context(operator), event["payload"], **(deferral.kwargs or {}))
            succeeded = True
        except Exception:
            succeeded = False
        ends.append((succeeded, event["time"] - report["began"]))
    return ends


SIDES: Mapping[str, tuple[str, Callable[[str, int], Any], Callable[[LocalEmr, Sequence[Any], Path], Ends]]] = {
    "amazon": ("Amazon provider", amazon, in_workers),
    "emrs_ext": ("this package", emrs_ext, in_workers),
    "emrs_ext_triggerer": ("from the triggerer", emrs_ext_triggerer, in_a_triggerer),
}


def storm(emr: LocalEmr, side: str, tasks: int, log: Path) -> dict[str, Any]:
    """Submit from so many tasks at once.

    :param log: of the triggerer
    """
    prepare(emr)
    application_id = SERVERLESS.make_place(emr)
    _, make, execute = SIDES[side]
    operators = [make(application_id, number) for number in range(tasks)]
    # The account's 16 vCPU do not matter to submission.
    emr.configure(quota_scale=1.0)
    before = len(emr.calls())
    ends = execute(emr, operators, log)
    calls, job_runs = emr.calls()[before:], len(emr.job_runs())
    starts = sum(call["operation"] == "StartJobRun" for call in calls)
    return {
        "tasks": tasks,
        "failed": sum(not succeeded for succeeded, _ in ends),
        "job_runs": job_runs,
        "calls": len(calls),
        "calls_by_operation": dict(Counter(call["operation"] for call in calls)),
        "start_calls_per_job_run": round(starts / max(1, job_runs), 2),
        "calls_per_job_run": round(len(calls) / max(1, job_runs), 2),
        "throttled": sum(map(is_throttled, calls)),
        "seconds": round(max(end for _, end in ends), 1),
        "median_seconds": round(statistics.median(end for _, end in ends), 1),
        "least_seconds": _least_seconds(tasks),
    }


def _context(operator: Any) -> Any:
    return context_of(TaskInstance(task_id=operator.task_id))


def _least_seconds(tasks: int) -> float:
    """How long the quota makes the submission of so many take."""
    return max(0.0, (tasks - QUOTA.burst) / QUOTA.rate)


def as_table(tasks: int, sides: Mapping[str, Mapping[str, Any]]) -> str:
    """What became of the sides, and what is asked for of the last."""
    limits = {"failed": 0, "calls_per_job_run": 1.1, "throttled": 0, "seconds": _SLACK * _least_seconds(tasks)}
    rows = []
    for figure, words in FIGURES.items():
        limit, last = limits.get(figure), sides.get("emrs_ext_triggerer", {}).get(figure)
        asked = "" if limit is None else f"<= {_results.shown(limit)}"
        met = "" if limit is None or last is None else "met" if last <= limit else "NOT MET"
        rows.append((words, *(sides.get(side, {}).get(figure) for side in SIDES), asked, met))
    headings = (f"submission: {tasks} tasks at once", *(label for label, _, _ in SIDES.values()), "limit", "")
    return _results.table(headings, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, nargs="+", default=[100, 300])
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--output", type=Path, default=_results.FOLDER / "submission_storm.json")
    given = parser.parse_args()
    with local_emr() as emr:
        os.environ.update(emr.environ, AIRFLOW_CONN_AWS_DEFAULT="aws://")
        for tasks in given.tasks:
            for side in given.sides:
                log = _results.log_of(given.output, str(tasks), side)
                _results.note(given.output, str(tasks), side, storm(emr, side, tasks, log))
            print(as_table(tasks, _results.load(given.output)["cases"][str(tasks)]), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
