"""A session with everything that an image of Amazon MWAA may be asked for; run by ``make test-mwaa``."""

from __future__ import annotations

import os
from datetime import datetime, timezone

from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.application_state import EmrServerlessDeleteApplicationOperator
from airflow_emrs_ext.operators.session import emr_serverless_session
from airflow_emrs_ext.operators.spark import EmrServerlessSparkSqlOperator

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), default_args={"waiter_delay": 1})
def session_on_mwaa():
    application = EmrServerlessCreateApplicationOperator(
        task_id="create_application",
        name="mwaa",
        release_label="emr-7.13.0",
        interactive_configuration={"sessionEnabled": True},
    )
    application_id = application.output["application_id"]
    delete_application = EmrServerlessDeleteApplicationOperator(
        task_id="delete_application", application_id=application_id, force_stop=True
    ).as_teardown(setups=application)

    with emr_serverless_session(
        application_id=application_id,
        execution_role_arn="arn:aws:iam::123456789012:role/session",
        deferrable=True,
    ) as session:

        @task.emr_serverless_session(session=session)
        def write(rows: int, spark) -> int:
            spark.range(rows).selectExpr("id", "id % 3 AS k").createOrReplaceGlobalTempView("numbers")
            return spark.table("global_temp.numbers").count()

        # The image's Python is not the session's, which a function of columns has to be pickled for.
        @task.emr_serverless_session(session=session, python=os.environ["EMRS_LOCAL_PYTHON"])
        def add(rows: int, spark) -> list[int]:
            from pyspark.sql.functions import udf

            plus = udf(lambda value: value + 40, "long")
            return [row[0] for row in spark.table("global_temp.numbers").limit(rows).select(plus("id")).collect()]

        count = EmrServerlessSparkSqlOperator(
            task_id="count",
            session=session,
            sql="SELECT k, count(*) AS n FROM global_temp.numbers WHERE id < :limit GROUP BY k ORDER BY k",
            parameters={"limit": 7},
        )
        add(write(10)) >> count

    count >> delete_application


session_on_mwaa()
