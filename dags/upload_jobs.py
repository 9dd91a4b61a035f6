"""A task that the examples share: it puts their scripts and queries on S3."""

from __future__ import annotations

from pathlib import Path

from airflow.providers.amazon.aws.hooks.s3 import S3Hook

try:
    from airflow.sdk import task
except ImportError:  # Airflow 2
    from airflow.decorators import task


@task
def upload_jobs(params: dict | None = None) -> None:
    """Upload ``jobs/`` to the bucket that the DAG run names, and make the bucket if there is none."""
    s3, bucket = S3Hook("aws_default"), params["bucket"]
    if not s3.check_for_bucket(bucket):
        s3.create_bucket(bucket)
    for file in (Path(__file__).parent / "jobs").iterdir():
        if file.is_file():
            s3.load_file(file, f"jobs/{file.name}", bucket, replace=True)
