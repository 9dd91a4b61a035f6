"""A streaming job: the task returns when the job runs, something else watches it, and a later task cancels it."""

from __future__ import annotations

from datetime import datetime, timezone

from upload_jobs import upload_jobs

from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.application_state import EmrServerlessDeleteApplicationOperator
from airflow_emrs_ext.operators.job_run import (
    EmrServerlessCancelJobRunOperator,
    EmrServerlessStartJobRunOperator,
)

try:
    from airflow.sdk import Param, dag
except ImportError:  # Airflow 2
    from airflow.decorators import dag
    from airflow.models.param import Param


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    default_args={"aws_conn_id": "aws_default"},
    params={
        "bucket": Param("emrs-example", type="string", description="S3 bucket for the script and the events"),
        "execution_role_arn": Param("arn:aws:iam::123456789012:role/emr-serverless-job", type="string"),
    },
    tags=["example", "emr-serverless"],
    doc_md=__doc__,
)
def example_job_run_streaming():
    application = EmrServerlessCreateApplicationOperator(
        task_id="create_application", name="example-streaming", release_label="emr-7.9.0"
    )
    application_id = application.output["application_id"]

    # [streaming]
    stream = EmrServerlessStartJobRunOperator(
        task_id="stream",
        application_id=application_id,
        execution_role_arn="{{ params.execution_role_arn }}",
        job_driver=spark_submit("s3://{{ params.bucket }}/jobs/events.py", ["s3://{{ params.bucket }}/stream"]),
        mode="STREAMING",
        retry_policy={"maxFailedAttemptsPerHour": 5},
    )
    cancel = EmrServerlessCancelJobRunOperator(
        task_id="cancel",
        application_id=application_id,
        job_run_id=stream.output["job_run_id"],
    )
    # [/streaming]

    delete_application = EmrServerlessDeleteApplicationOperator(
        task_id="delete_application", application_id=application_id, force_stop=True
    )
    upload_jobs() >> application >> stream >> cancel >> delete_application.as_teardown(setups=application)


example_job_run_streaming()
