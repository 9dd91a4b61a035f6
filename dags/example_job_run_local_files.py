"""A job run whose script is beside the DAG file: it is put on S3 when the task runs, once for each content."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.providers.amazon.aws.operators.s3 import S3CreateBucketOperator

from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.application_state import EmrServerlessDeleteApplicationOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator

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
        "bucket": Param("emrs-example-files", type="string", description="S3 bucket for the script"),
        "execution_role_arn": Param("arn:aws:iam::123456789012:role/emr-serverless-job", type="string"),
    },
    tags=["example", "emr-serverless"],
    doc_md=__doc__,
)
def example_job_run_local_files():
    bucket = S3CreateBucketOperator(task_id="bucket", bucket_name="{{ params.bucket }}")
    application = EmrServerlessCreateApplicationOperator(
        task_id="create_application", name="example-job-run-local-files", release_label="emr-7.9.0"
    )

    # [files]
    job = EmrServerlessStartJobRunOperator(
        task_id="job",
        application_id=application.output,
        execution_role_arn="{{ params.execution_role_arn }}",
        # A path from the folder of this file. A change of the script is another file on S3, and the next job run's.
        job_driver=spark_submit("jobs/pi.py", ["10"]),
        artifacts="s3://{{ params.bucket }}/artifacts",
    )
    # [/files]

    delete_application = EmrServerlessDeleteApplicationOperator(
        task_id="delete_application", application_id=application.output, force_stop=True
    )
    bucket >> application >> job >> delete_application.as_teardown(setups=application)


example_job_run_local_files()
