"""What a job run is given of Variables, parameters and other tasks: each value is rendered where it stands.

Arguments, names and values of properties, entries of lists: templates and references may be anywhere in what
``spark_submit`` is given. They become the text of a command line last, so that no value needs quoting.
"""

from __future__ import annotations

from datetime import datetime, timezone

from upload_jobs import upload_jobs

from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.application_state import EmrServerlessDeleteApplicationOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator

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
        "bucket": Param("emrs-example", type="string", description="S3 bucket for the script"),
        "execution_role_arn": Param("arn:aws:iam::123456789012:role/emr-serverless-job", type="string"),
    },
    tags=["example", "emr-serverless"],
    doc_md=__doc__,
)
def example_job_run_values():
    @task
    def plan() -> dict[str, object]:
        """Decide how the job is to run."""
        return {"partitions": 10, "label": 'Monday\'s run: "pi"'}

    application = EmrServerlessCreateApplicationOperator(
        task_id="create_application", name="example-job-run-values", release_label="emr-7.9.0"
    )

    # [values]
    planned = plan()
    job = EmrServerlessStartJobRunOperator(
        task_id="job",
        application_id=application.output,
        execution_role_arn="{{ params.execution_role_arn }}",
        job_driver=spark_submit(
            "s3://{{ params.bucket }}/jobs/pi.py",
            # The number that a task has returned; the job run comes after that task.
            [planned["partitions"]],
            conf={
                "spark.example.label": planned["label"],
                "spark.example.team": "{{ var.value.get('team', 'data') }}",
                "spark.executor.instances": 2,
            },
        ),
        tags={"day": "{{ ds }}"},
    )
    # [/values]

    delete_application = EmrServerlessDeleteApplicationOperator(
        task_id="delete_application", application_id=application.output, force_stop=True
    )
    upload_jobs() >> application >> job >> delete_application.as_teardown(setups=application)


example_job_run_values()
