"""Spark inside Airflow tasks: a function with a live Spark session, and SQL, each in a session of its own."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.application_state import EmrServerlessDeleteApplicationOperator
from airflow_emrs_ext.operators.spark import EmrServerlessSparkSqlOperator

try:
    from airflow.sdk import Param, dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
    from airflow.models.param import Param


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    default_args={"aws_conn_id": "aws_default"},
    params={
        "execution_role_arn": Param("arn:aws:iam::123456789012:role/emr-serverless-job", type="string"),
        "least": Param(62_000, type="number", description="Regions that sold more than this are shown"),
    },
    tags=["example", "emr-serverless"],
    doc_md=__doc__,
)
def example_session_work():
    application = EmrServerlessCreateApplicationOperator(
        task_id="create_application",
        name="example-session-work",
        release_label="emr-7.13.0",
        interactive_configuration={"sessionEnabled": True},
    )
    application_id = application.output["application_id"]

    # [sql]
    sales = EmrServerlessSparkSqlOperator(
        task_id="sales",
        application_id=application_id,
        execution_role_arn="{{ params.execution_role_arn }}",
        sql="jobs/sales.sql",
        parameters={"least": "{{ params.least }}"},
        row_limit=100,
    )
    # [/sql]

    # [decorator]
    @task.emr_serverless_session(
        application_id=application_id,
        execution_role_arn="{{ params.execution_role_arn }}",
        runtime_configuration={"spark.sql.shuffle.partitions": 8},
    )
    def best(spark, rows: list) -> str:
        from pyspark.sql import functions as F

        frame = spark.createDataFrame(rows, "region string, sales long, amount string")
        return frame.orderBy(F.col("amount").cast("double").desc()).first().region

    # [/decorator]

    delete_application = EmrServerlessDeleteApplicationOperator(
        task_id="delete_application", application_id=application_id, force_stop=True
    )
    application >> best(sales.output["rows"]) >> delete_application.as_teardown(setups=application)


example_session_work()
