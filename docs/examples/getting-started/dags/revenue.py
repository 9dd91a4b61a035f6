from datetime import datetime

from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.application_state import EmrServerlessDeleteApplicationOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.operators.session import emr_serverless_session

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task

BUCKET = "s3://my-bucket"
ROLE = "arn:aws:iam::123456789012:role/emr-serverless-job"


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    params={"orders": f"{BUCKET}/data/"},
    is_paused_upon_creation=False,
)
def revenue():
    application = EmrServerlessCreateApplicationOperator(
        task_id="create_application",
        name="revenue",
        release_label="emr-7.13.0",
        interactive_configuration={"sessionEnabled": True},
        monitoring_configuration={"s3MonitoringConfiguration": {"logUri": f"{BUCKET}/logs/"}},
    )
    application_id = application.output["application_id"]

    # A Spark job. The task waits in the triggerer and holds no worker slot.
    by_region = EmrServerlessStartJobRunOperator(
        task_id="by_region",
        application_id=application_id,
        execution_role_arn=ROLE,
        job_driver=spark_submit(
            f"{BUCKET}/jobs/revenue.py",
            ["{{ params.orders }}", f"{BUCKET}/revenue/"],
            py_files=[f"{BUCKET}/jobs/cleaning.py"],
        ),
        deferrable=True,
    )

    # A Spark Connect session for the tasks of the block. It is terminated after them, also if one of them fails.
    with emr_serverless_session(application_id=application_id, execution_role_arn=ROLE, deferrable=True) as session:

        @task.emr_serverless_session(session=session)
        def best_region(spark):
            best = spark.read.parquet(f"{BUCKET}/revenue/").orderBy("revenue", ascending=False).first()
            return f"{best.region}: {best.revenue}"

        best = best_region()

    # A teardown runs after a failure, too, and does not hide it.
    delete = EmrServerlessDeleteApplicationOperator(
        task_id="delete_application", application_id=application_id, force_stop=True
    ).as_teardown(setups=application)

    application >> by_region >> session.operator
    best >> delete


revenue()
