"""Many job runs at once: mapped tasks whose job runs the triggerer submits one by one, as the quota allows."""

from __future__ import annotations

from datetime import datetime, timezone

from upload_jobs import upload_jobs

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
        "bucket": Param("emrs-example", type="string", description="S3 bucket for the script"),
        "execution_role_arn": Param("arn:aws:iam::123456789012:role/emr-serverless-job", type="string"),
    },
    tags=["example", "emr-serverless"],
    doc_md=__doc__,
)
def example_job_run_many():
    application = EmrServerlessCreateApplicationOperator(
        task_id="create_application", name="example-job-run-many", release_label="emr-7.9.0"
    )

    # [many]
    jobs = EmrServerlessStartJobRunOperator.partial(
        task_id="job",
        application_id=application.output["application_id"],
        execution_role_arn="{{ params.execution_role_arn }}",
        # No worker waits for its turn, and none for the end.
        submit_from="triggerer",
        deferrable=True,
    ).expand(job_driver=[spark_submit("s3://{{ params.bucket }}/jobs/pi.py", [parts]) for parts in ("2", "4", "8")])
    # [/many]

    delete_application = EmrServerlessDeleteApplicationOperator(
        task_id="delete_application", application_id=application.output["application_id"], force_stop=True
    )
    upload_jobs() >> application >> jobs >> delete_application.as_teardown(setups=application)


example_job_run_many()
