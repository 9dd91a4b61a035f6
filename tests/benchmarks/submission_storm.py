"""Benchmark: many tasks submit a job run at once, under the service's quota of one StartJobRun a second, burst 25.

Runs the Amazon provider's operator and this package's against the same endpoint with the quotas on, one after the
other, and prints what became of the tasks as JSON: ``python -m tests.benchmarks.submission_storm [--tasks 100]``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from airflow.providers.amazon.aws.operators.emr import EmrServerlessStartJobOperator

from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.local.testing import LocalEmr, local_emr
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from tests.running import TaskInstance

ROLE = "arn:aws:iam::123456789012:role/job"
BURST, RATE = 25, 1.0


def amazon(application_id: str, number: int) -> Any:
    return EmrServerlessStartJobOperator(
        task_id=f"amazon_{number}",
        application_id=application_id,
        execution_role_arn=ROLE,
        job_driver=spark_submit("s3://bucket/job.py"),
        wait_for_completion=False,
    )


def emrs_ext(application_id: str, number: int) -> Any:
    return EmrServerlessStartJobRunOperator(
        task_id=f"emrs_ext_{number}",
        application_id=application_id,
        execution_role_arn=ROLE,
        job_driver=spark_submit("s3://bucket/job.py"),
        wait_for="submission",
    )


def storm(emr: LocalEmr, make: Callable[[str, int], Any], tasks: int) -> dict[str, Any]:
    """Submit from so many threads at once, each with a client of its own, as so many workers would."""
    emr.reset()
    emr.configure(quota_scale=1.0)
    application_id = emr.client("emr-serverless").create_application(releaseLabel="emr-7.9.0", type="SPARK")[
        "applicationId"
    ]
    # The account's default of 16 vCPU does not matter to submission; the run's own start would only cost time here.
    operators = [make(application_id, number) for number in range(tasks)]
    began = time.monotonic()

    def submit(operator: Any) -> tuple[bool, float]:
        try:
            operator.execute({"ti": TaskInstance(task_id=operator.task_id)})
        except Exception:
            return False, time.monotonic() - began
        return True, time.monotonic() - began

    with ThreadPoolExecutor(tasks) as pool:
        ends = list(pool.map(submit, operators))
    calls = emr.calls("StartJobRun")
    return {
        "tasks": tasks,
        "failed": sum(not succeeded for succeeded, _ in ends),
        "job_runs": len(emr.job_runs()),
        "calls": len(calls),
        "throttled": sum(call["status"] == 429 for call in calls),
        "seconds": round(max(end for _, end in ends), 1),
        "median_seconds": round(statistics.median(end for _, end in ends), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=100)
    parser.add_argument("--output", type=Path, default=Path("build/benchmarks/submission_storm.json"))
    arguments = parser.parse_args()
    with local_emr(quota_scale=1.0) as emr:
        os.environ.update(emr.environ, AIRFLOW_CONN_AWS_DEFAULT="aws://")
        report = {
            "benchmark": "submission_storm",
            "limit_seconds": max(0.0, (arguments.tasks - BURST) / RATE),
            "amazon": storm(emr, amazon, arguments.tasks),
            "emrs_ext": storm(emr, emrs_ext, arguments.tasks),
        }
    report["emrs_ext_seconds_per_limit"] = round(report["emrs_ext"]["seconds"] / max(1.0, report["limit_seconds"]), 2)
    text = json.dumps(report, indent=2)
    print(text)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
