"""Where logs and metrics go: S3, CloudWatch, the service, Prometheus; which levels, and what a job run removes."""

from __future__ import annotations

from datetime import datetime, timezone

from upload_jobs import upload_jobs

from airflow_emrs_ext.application_spec import monitoring_configuration, runtime_configuration
from airflow_emrs_ext.job_spec import configuration_overrides, spark_submit
from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.application_state import EmrServerlessDeleteApplicationOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.spark_conf import log4j2

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
        "kms_key": Param("arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000", type="string"),
        "workspace": Param("ws-00000000-0000-0000-0000-000000000000", type="string", description="Of Prometheus"),
    },
    tags=["example", "emr-serverless"],
    doc_md=__doc__,
)
def example_job_run_monitoring():
    # [application]
    application = EmrServerlessCreateApplicationOperator(
        task_id="create_application",
        name="example-job-run-monitoring",
        release_label="emr-7.9.0",
        # What its job runs have unless they say otherwise.
        monitoring_configuration=monitoring_configuration(
            s3_log_uri="s3://{{ params.bucket }}/logs/", s3_encryption_key_arn="{{ params.kms_key }}"
        ),
        runtime_configuration=runtime_configuration(
            classifications={"spark-driver-log4j2": log4j2("warn", {"org.example": "debug"})}
        ),
    )
    # [/application]

    # [job]
    job = EmrServerlessStartJobRunOperator(
        task_id="job",
        application_id=application.output,
        execution_role_arn="{{ params.execution_role_arn }}",
        job_driver=spark_submit("s3://{{ params.bucket }}/jobs/pi.py", ["10"]),
        configuration_overrides=configuration_overrides(
            # An empty classification, or False, removes what the application gives.
            classifications={"spark-driver-log4j2": {}, "spark-executor-log4j2": log4j2("error")},
            s3_log_uri=False,
            cloud_watch_log_group="/emr-serverless/examples",
            cloud_watch_log_stream_prefix="{{ ds }}",
            cloud_watch_log_types={"SPARK_DRIVER": ["STDOUT", "STDERR"], "SPARK_EXECUTOR": ["STDERR"]},
            managed_encryption_key_arn="{{ params.kms_key }}",
            prometheus_remote_write_url=(
                "https://aps-workspaces.us-east-1.amazonaws.com/workspaces/{{ params.workspace }}/api/v1/remote_write"
            ),
        ),
    )
    # [/job]

    delete_application = EmrServerlessDeleteApplicationOperator(
        task_id="delete_application", application_id=application.output, force_stop=True
    )
    upload_jobs() >> application >> job >> delete_application.as_teardown(setups=application)


example_job_run_monitoring()
