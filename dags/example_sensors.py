"""Submit in one task, wait in another: sensors for a job run and its application."""

from __future__ import annotations

from datetime import datetime, timezone

from upload_jobs import upload_jobs

from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.application_state import EmrServerlessDeleteApplicationOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.sensors.serverless import EmrServerlessApplicationSensor, EmrServerlessJobRunSensor

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
def example_sensors():
    application = EmrServerlessCreateApplicationOperator(
        task_id="create_application", name="example-sensors", release_label="emr-7.9.0"
    )
    application_id = application.output["application_id"]

    # [sensors]
    submit = EmrServerlessStartJobRunOperator(
        task_id="submit",
        application_id=application_id,
        execution_role_arn="{{ params.execution_role_arn }}",
        job_driver=spark_submit("s3://{{ params.bucket }}/jobs/pi.py", ["10"]),
        wait_for="submission",
    )
    # The submission starts the application; a poke is enough for what takes seconds.
    started = EmrServerlessApplicationSensor(
        task_id="application_started",
        application_id=application_id,
        target_states=["STARTED"],
        poke_interval=5,
        timeout=600,
    )
    # Waits in the triggerer. It fails at once when SUCCESS can no longer come.
    succeeded = EmrServerlessJobRunSensor(
        task_id="job_run_succeeded",
        application_id=application_id,
        job_run_id=submit.output["job_run_id"],
        target_states=["SUCCESS"],
        deferrable=True,
    )
    # [/sensors]

    delete_application = EmrServerlessDeleteApplicationOperator(
        task_id="delete_application", application_id=application_id, force_stop=True
    )
    upload_jobs() >> application >> submit >> [started, succeeded] >> delete_application.as_teardown(setups=application)


example_sensors()
