"""What becomes of a job run when its worker is lost, its task is killed or takes too long, or is tried again."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

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
def example_job_run_ownership():
    application = EmrServerlessCreateApplicationOperator(
        task_id="create_application", name="example-job-run-ownership", release_label="emr-7.9.0"
    )

    # [ownership]
    job = EmrServerlessStartJobRunOperator(
        task_id="job",
        application_id=application.output["application_id"],
        execution_role_arn="{{ params.execution_role_arn }}",
        # The same in each try: a name with the number of the try in it would be another request.
        name="ownership-{{ run_id }}",
        job_driver=spark_submit("s3://{{ params.bucket }}/jobs/pi.py", ["10"]),
        configuration_overrides=configuration_overrides(s3_log_uri="s3://{{ params.bucket }}/logs/"),
        # A failure of the job is the service's to repeat; Airflow's retry is for a worker that is lost, and goes on
        # with the job run that is there (reattach=False: cancels it and starts another).
        retry_policy={"maxAttempts": 2},
        retries=1,
        retry_delay=timedelta(seconds=30),
        # Somebody marks or clears the task, or the DAG run times out: the job run is cancelled (False: goes on).
        cancel_on_kill=True,
        # The wait ends before the job run does: it is cancelled (False: goes on).
        cancel_on_timeout=True,
        execution_timeout=timedelta(hours=2),
        deferrable=True,
    )
    # [/ownership]

    delete_application = EmrServerlessDeleteApplicationOperator(
        task_id="delete_application", application_id=application.output["application_id"], force_stop=True
    )
    upload_jobs() >> application >> job >> delete_application.as_teardown(setups=application)


example_job_run_ownership()
