"""Tables of Apache Iceberg, Delta Lake and Apache Hudi, and the Glue Data Catalog of this account and another."""

from __future__ import annotations

from datetime import datetime, timezone

from upload_jobs import upload_jobs

from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.application_state import EmrServerlessDeleteApplicationOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.spark_conf import delta, glue_catalog, hudi, iceberg

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
        "other_account": Param("210987654321", type="string", description="AWS account that shares its Glue catalog"),
    },
    tags=["example", "emr-serverless"],
    doc_md=__doc__,
)
def example_job_run_tables():
    application = EmrServerlessCreateApplicationOperator(
        task_id="create_application", name="example-job-run-tables", release_label="emr-7.9.0"
    )

    def job(task_id, *conf):
        return EmrServerlessStartJobRunOperator(
            task_id=task_id,
            application_id=application.output,
            execution_role_arn="{{ params.execution_role_arn }}",
            job_driver=spark_submit("s3://{{ params.bucket }}/jobs/pi.py", ["10"], conf=conf),
        )

    jobs = [
        # [iceberg]
        # Tables lake.database.table, by the Glue catalog of this account.
        job("iceberg", iceberg("lake", warehouse="s3://{{ params.bucket }}/lake"), glue_catalog()),
        # [/iceberg]
        # [delta]
        job("delta", delta(), glue_catalog()),
        # [/delta]
        # [hudi]
        job("hudi", hudi(sql=True), glue_catalog()),
        # [/hudi]
        # [several]
        # Several formats in one job run: their jars and extensions are put together.
        job("iceberg_and_delta", iceberg("lake", warehouse="s3://{{ params.bucket }}/lake"), delta()),
        # [/several]
        # [other-account]
        job("catalog_of_another_account", glue_catalog("{{ params.other_account }}")),
        # [/other-account]
    ]

    delete_application = EmrServerlessDeleteApplicationOperator(
        task_id="delete_application", application_id=application.output, force_stop=True
    )
    upload_jobs() >> application >> jobs >> delete_application.as_teardown(setups=application)


example_job_run_tables()
