"""The Python and Java of a job run, its environment variables, and the sizes of its workers.

The archive is made with ``venv-pack`` on the operating system of the release, as the service's user guide shows.
"""

from __future__ import annotations

from datetime import datetime, timezone

from upload_jobs import upload_jobs

from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.application_state import EmrServerlessDeleteApplicationOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.spark_conf import driver, environment, executors, java_home, python_environment

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
        "bucket": Param("emrs-example", type="string", description="S3 bucket for the script"),
        "execution_role_arn": Param("arn:aws:iam::123456789012:role/emr-serverless-job", type="string"),
    },
    tags=["example", "emr-serverless"],
    doc_md=__doc__,
)
def example_job_run_environment():
    application = EmrServerlessCreateApplicationOperator(
        task_id="create_application", name="example-job-run-environment", release_label="emr-7.9.0"
    )

    # [environment]
    job = EmrServerlessStartJobRunOperator(
        task_id="job",
        application_id=application.output,
        execution_role_arn="{{ params.execution_role_arn }}",
        job_driver=spark_submit(
            "s3://{{ params.bucket }}/jobs/pi.py",
            ["10"],
            # Fragments are merged; where two differ about a property, the DAG file does not parse.
            conf=[
                # Refused at once if no worker on offer holds the memory with its overhead.
                driver(cores=2, memory="6g"),
                executors(2, cores=4, memory="12g", disk="100g", at_most=8),
                python_environment("s3://{{ params.bucket }}/environments/venv.tar.gz"),
                java_home(17),
                environment({"STAGE": "{{ var.value.get('stage', 'test') }}", "DAY": "{{ ds }}"}),
                {"spark.sql.shuffle.partitions": 64},
            ],
        ),
    )
    # [/environment]

    delete_application = EmrServerlessDeleteApplicationOperator(
        task_id="delete_application", application_id=application.output, force_stop=True
    )
    upload_jobs() >> application >> job >> delete_application.as_teardown(setups=application)


example_job_run_environment()
