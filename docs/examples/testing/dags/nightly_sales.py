"""Every night: a Spark job adds up the sales of the day by region, and a task reports how it went."""

from datetime import datetime, timezone

from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.application_state import EmrServerlessDeleteApplicationOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task


@dag(schedule="@daily", start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), catchup=False)
def nightly_sales():
    application = EmrServerlessCreateApplicationOperator(
        task_id="create_application", name="nightly-sales", release_label="emr-spark-8.1.0"
    )
    totals = EmrServerlessStartJobRunOperator(
        task_id="totals",
        name="totals-{{ ds }}",
        application_id=application.output["application_id"],
        execution_role_arn="arn:aws:iam::123456789012:role/nightly-sales",
        job_driver=spark_submit(
            "s3://acme-jobs/totals.py", ["s3://acme-sales/{{ ds }}/", "s3://acme-reports/{{ ds }}/"]
        ),
        retry_policy={"maxAttempts": 2},
        deferrable=True,
    )
    delete_application = EmrServerlessDeleteApplicationOperator(
        task_id="delete_application", application_id=application.output["application_id"], force_stop=True
    )

    @task
    def report(job_run: dict) -> str:
        return f"{job_run['name']}: {job_run['state']} after {len(job_run['attempts'])} attempt(s)"

    application >> totals >> delete_application.as_teardown(setups=application)
    report(totals.output)


nightly_sales()
