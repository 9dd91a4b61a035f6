"""Attempts for tests of the Spark runner's parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow_emrs_ext.local.base.runner import AttemptSpec, LogDestinations, Workers, WorkerSize


def spec(work_dir: Path, job_driver: dict[str, Any], **changes: Any) -> AttemptSpec:
    """An attempt that runs ``job_driver`` with two executors of one core."""
    settings: dict[str, Any] = {
        "product": "EMR Serverless",
        "owner_id": "00app",
        "driver_name": "SPARK_DRIVER",
        "ui_id": "00job-1",
        "job_run_id": "00job",
        "attempt": 1,
        "account_id": "123456789012",
        "region": "us-east-1",
        "name": "a-job",
        "release_label": "emr-7.10.0",
        "execution_role_arn": "arn:aws:iam::123456789012:role/job",
        "job_driver": job_driver,
        "classifications": {},
        "logs": LogDestinations(),
        "log_path": "applications/00app/jobs/00job",
        "workers": Workers(WorkerSize(1, 2, 20), WorkerSize(1, 2, 20), 2),
        "work_dir": work_dir,
    }
    return AttemptSpec(**{**settings, **changes})


def spark_submit(entry_point: str = "s3://code/job.py", parameters: str = "", *arguments: str) -> dict[str, Any]:
    """A ``sparkSubmit`` job driver."""
    driver = {"entryPoint": entry_point, "entryPointArguments": list(arguments), "sparkSubmitParameters": parameters}
    return {"sparkSubmit": driver}
