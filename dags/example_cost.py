"""What a DAG run costs: job runs of mapped tasks, and a last task that adds up what they are billed for."""

from __future__ import annotations

from datetime import datetime, timezone

from upload_jobs import upload_jobs

from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.application_state import EmrServerlessDeleteApplicationOperator
from airflow_emrs_ext.operators.cost import EmrServerlessCostOperator
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
        "bucket": Param("emrs-example", type="string", description="S3 bucket for the script and the logs"),
        "execution_role_arn": Param("arn:aws:iam::123456789012:role/emr-serverless-job", type="string"),
    },
    tags=["example", "emr-serverless"],
    doc_md=__doc__,
)
def example_cost():
    application = EmrServerlessCreateApplicationOperator(
        task_id="create_application", name="example-cost", release_label="emr-7.9.0"
    )
    application_id = application.output["application_id"]
    pi = EmrServerlessStartJobRunOperator.partial(
        task_id="pi", application_id=application_id, execution_role_arn="{{ params.execution_role_arn }}"
    ).expand(job_driver=[spark_submit("s3://{{ params.bucket }}/jobs/pi.py", [parts]) for parts in ("5", "10")])

    # [cost]
    # Whatever became of the tasks before it: failed tries are billed, too. The template spares a dependency on the
    # setup, which may be followed by tasks with the default trigger rule only.
    cost = EmrServerlessCostOperator(
        task_id="cost",
        application_ids=["{{ ti.xcom_pull('create_application', key='application_id') }}"],
        trigger_rule="all_done",
    )
    # [/cost]

    delete_application = EmrServerlessDeleteApplicationOperator(
        task_id="delete_application", application_id=application_id, force_stop=True
    )
    upload_jobs() >> application >> pi >> cost >> delete_application.as_teardown(setups=application)


example_cost()
