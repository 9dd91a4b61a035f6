"""A Hive query with an init file and a variable."""

from __future__ import annotations

from datetime import datetime, timezone

from upload_jobs import upload_jobs

from airflow_emrs_ext.job_spec import configuration_overrides, hive_query
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
        "bucket": Param("emrs-example", type="string", description="S3 bucket for queries, tables and logs"),
        "execution_role_arn": Param("arn:aws:iam::123456789012:role/emr-serverless-job", type="string"),
    },
    tags=["example", "emr-serverless"],
    doc_md=__doc__,
)
def example_job_run_hive():
    application = EmrServerlessCreateApplicationOperator(
        task_id="create_application", name="example-hive", release_label="emr-7.9.0", job_type="HIVE"
    )
    application_id = application.output["application_id"]

    # [hive]
    query = EmrServerlessStartJobRunOperator(
        task_id="query",
        application_id=application_id,
        execution_role_arn="{{ params.execution_role_arn }}",
        job_driver=hive_query(
            "s3://{{ params.bucket }}/jobs/visits.sql",
            scratch_dir="s3://{{ params.bucket }}/hive/scratch",
            warehouse_dir="s3://{{ params.bucket }}/hive/warehouse",
            init_query_file="s3://{{ params.bucket }}/jobs/visits_init.sql",
            hivevar={"page": "home"},
        ),
        configuration_overrides=configuration_overrides(
            classifications={"hive-site": {"hive.driver.cores": 2, "hive.driver.memory": "4g"}},
            s3_log_uri="s3://{{ params.bucket }}/logs/",
        ),
    )
    # [/hive]

    delete_application = EmrServerlessDeleteApplicationOperator(
        task_id="delete_application", application_id=application_id, force_stop=True
    )
    upload_jobs() >> application >> query >> delete_application.as_teardown(setups=application)


example_job_run_hive()
