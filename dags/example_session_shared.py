"""One session for several tasks: a setup starts it, a teardown terminates it, the tasks between run side by side."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.application_state import EmrServerlessDeleteApplicationOperator
from airflow_emrs_ext.operators.session import emr_serverless_session

try:
    from airflow.sdk import Param, dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
    from airflow.models.param import Param


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    default_args={"aws_conn_id": "aws_default"},
    params={"execution_role_arn": Param("arn:aws:iam::123456789012:role/emr-serverless-job", type="string")},
    tags=["example", "emr-serverless"],
    doc_md=__doc__,
)
def example_session_shared():
    application = EmrServerlessCreateApplicationOperator(
        task_id="create_application",
        name="example-session-shared",
        release_label="emr-7.13.0",
        interactive_configuration={"sessionEnabled": True},
    )

    delete_application = EmrServerlessDeleteApplicationOperator(
        task_id="delete_application", application_id=application.output["application_id"], force_stop=True
    )

    # [shared]
    with (
        delete_application.as_teardown(setups=application),
        emr_serverless_session(
            application_id=application.output["application_id"],
            execution_role_arn="{{ params.execution_role_arn }}",
            runtime_configuration={"spark.sql.shuffle.partitions": 8},
        ) as session,
    ):

        @task.emr_serverless_session(session=session)
        def total(spark, rows: int) -> int:
            return spark.range(rows).groupBy().sum("id").first()[0]

        @task
        def compare(totals: list[int]) -> bool:
            return sorted(totals) == list(totals)

        # One task instance for each number, side by side in the one session.
        compare(total.expand(rows=[1_000, 10_000, 100_000]))
    # [/shared]


example_session_shared()
