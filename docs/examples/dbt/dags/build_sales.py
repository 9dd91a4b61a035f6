"""A dbt project is built in a session: SQL runs on EMR Serverless, dbt itself in the worker."""

from datetime import datetime, timezone
from pathlib import Path

from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.application_state import EmrServerlessDeleteApplicationOperator

try:
    from airflow.sdk import Param, dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
    from airflow.models.param import Param

# A virtual environment of its own, as dbt's packages and Airflow's do not go together:
# python3.11 -m venv /opt/dbt
# /opt/dbt/bin/pip install dbt-spark 'dbt-core<1.12' 'pyspark[connect]==4.1.*' 'pandas<3' setuptools
DBT_PYTHON = "/opt/dbt/bin/python"
PROJECT = str(Path(__file__).parents[1] / "sales")


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    params={
        "raw": Param("s3://acme-sales/raw/", type="string"),
        "warehouse": Param("s3://acme-sales/warehouse/", type="string"),
        "dbt_python": Param(DBT_PYTHON, type="string"),
    },
)
def build_sales():
    application = EmrServerlessCreateApplicationOperator(
        task_id="create_application",
        name="build-sales",
        release_label="emr-spark-8.1.0",
        interactive_configuration={"sessionEnabled": True},
    )
    application_id = application.output["application_id"]

    @task.emr_serverless_session(
        application_id=application_id,
        execution_role_arn="arn:aws:iam::123456789012:role/dbt",
        runtime_configuration={"spark.sql.warehouse.dir": "{{ params.warehouse }}"},
        python="{{ params.dbt_python }}",
    )
    def build(spark, project: str, raw: str) -> dict:
        import json

        from dbt.cli.main import dbtRunner

        arguments = ["build", "--project-dir", project, "--profiles-dir", project, "--vars", json.dumps({"raw": raw})]
        done = dbtRunner().invoke(arguments)
        if done.exception is not None:
            raise done.exception
        states = {result.node.name: str(result.status) for result in done.result}
        if not done.success:
            wrong = {result.node.name: result.message for result in done.result if result.status in ("error", "fail")}
            raise RuntimeError(f"dbt build has failed: {wrong}")
        return states

    delete_application = EmrServerlessDeleteApplicationOperator(
        task_id="delete_application", application_id=application_id, force_stop=True
    )
    built = build(PROJECT, "{{ params.raw }}")
    application >> built >> delete_application.as_teardown(setups=application)


build_sales()
