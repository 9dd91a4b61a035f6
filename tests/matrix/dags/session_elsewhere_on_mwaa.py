"""A session whose function runs in a virtual environment, where the worker has no client of Spark."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.application_state import EmrServerlessDeleteApplicationOperator

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), default_args={"waiter_delay": 1})
def session_elsewhere_on_mwaa():
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

    # [elsewhere]
    @task.emr_serverless_session(
        application_id=application_id,
        execution_role_arn="arn:aws:iam::123456789012:role/session",
        requirements=["pyspark[connect]==3.5.6", "pandas<3", "numpy<2", "pyarrow<22", "setuptools"],
        venv_cache_path="/tmp/emr-venvs",
    )
    def count(rows: int, spark) -> int:
        return spark.range(rows).count()

    # [/elsewhere]
    count(10) >> delete_application


session_elsewhere_on_mwaa()
