"""A job run whose driver's log appears in the task log, line by line, while the task waits."""

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
def example_job_run_logs():
    application = EmrServerlessCreateApplicationOperator(
        task_id="create_application",
        name="example-job-run-logs",
        release_label="emr-7.9.0",
        # Job runs keep their logs here unless they say otherwise.
        monitoring_configuration={"s3MonitoringConfiguration": {"logUri": "s3://{{ params.bucket }}/logs/"}},
    )

    # [live]
    job = EmrServerlessStartJobRunOperator(
        task_id="job",
        application_id=application.output["application_id"],
        execution_role_arn="{{ params.execution_role_arn }}",
        job_driver=spark_submit("s3://{{ params.bucket }}/jobs/pi.py", ["10"]),
        configuration_overrides=configuration_overrides(spark_defaults={"spark.executor.instances": "2"}),
        show_driver_logs="live",
        deferrable=True,
    )
    # [/live]

    delete_application = EmrServerlessDeleteApplicationOperator(
        task_id="delete_application", application_id=application.output["application_id"], force_stop=True
    )
    upload_jobs() >> application >> job >> delete_application.as_teardown(setups=application)


example_job_run_logs()
