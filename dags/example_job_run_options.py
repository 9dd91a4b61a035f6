"""What a job run can be told beside its script: limits, permissions, retries, logs and tags."""

from __future__ import annotations

from datetime import datetime, timezone

from upload_jobs import upload_jobs

from airflow_emrs_ext.job_spec import configuration_overrides, spark_submit
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
        "bucket": Param("emrs-example", type="string", description="S3 bucket for the script and the logs"),
        "execution_role_arn": Param("arn:aws:iam::123456789012:role/emr-serverless-job", type="string"),
    },
    tags=["example", "emr-serverless"],
    doc_md=__doc__,
)
def example_job_run_options():
    application = EmrServerlessCreateApplicationOperator(
        task_id="create_application", name="example-job-run-options", release_label="emr-7.9.0"
    )

    # [options]
    job = EmrServerlessStartJobRunOperator(
        task_id="job",
        application_id=application.output["application_id"],
        execution_role_arn="{{ params.execution_role_arn }}",
        name="options-{{ run_id }}",
        job_driver=spark_submit(
            "s3://{{ params.bucket }}/jobs/pi.py",
            ["10"],
            conf={"spark.executor.cores": "2", "spark.executor.memory": "4g", "spark.executor.instances": "2"},
        ),
        configuration_overrides=configuration_overrides(
            spark_defaults={"spark.sql.shuffle.partitions": "8"},
            s3_log_uri="s3://{{ params.bucket }}/logs/",
            cloud_watch_log_group="/emr-serverless/examples",
        ),
        # The service repeats a failed attempt itself, on the same job run.
        retry_policy={"maxAttempts": 3},
        # The service ends the job run after this time, whether or not Airflow still looks.
        execution_timeout_minutes=30,
        tags={"team": "data"},
        deferrable=True,
    )
    # [/options]

    delete_application = EmrServerlessDeleteApplicationOperator(
        task_id="delete_application", application_id=application.output["application_id"], force_stop=True
    )
    upload_jobs() >> application >> job >> delete_application.as_teardown(setups=application)


example_job_run_options()
