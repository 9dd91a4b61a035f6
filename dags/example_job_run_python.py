"""The modules, packages and interpreter of a PySpark job: modules on S3, virtual environment, Conda, PEX, image."""

from __future__ import annotations

from datetime import datetime, timezone

from upload_jobs import upload_jobs

from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.application_state import EmrServerlessDeleteApplicationOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.spark_conf import python_environment, python_interpreter

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
    },
    tags=["example", "emr-serverless"],
    doc_md=__doc__,
)
def example_job_run_python():
    application = EmrServerlessCreateApplicationOperator(
        task_id="create_application", name="example-job-run-python", release_label="emr-7.9.0"
    )

    def job(task_id, **options):
        return EmrServerlessStartJobRunOperator(
            task_id=task_id,
            application_id=application.output,
            execution_role_arn="{{ params.execution_role_arn }}",
            job_driver=spark_submit("s3://{{ params.bucket }}/jobs/pi.py", ["10"], **options),
        )

    jobs = [
        # [modules]
        job("modules", py_files=["s3://{{ params.bucket }}/code/etl.zip", "s3://{{ params.bucket }}/code/dates.py"]),
        # [/modules]
        # [venv]
        job("venv", conf=python_environment("s3://{{ params.bucket }}/environments/venv.tar.gz")),
        # [/venv]
        # [conda]
        job("conda", conf=python_environment("s3://{{ params.bucket }}/environments/conda.tar.gz")),
        # [/conda]
        # [pex]
        job("pex", files=["s3://{{ params.bucket }}/environments/job.pex"], conf=python_interpreter("./job.pex")),
        # [/pex]
        # [image]
        # An interpreter of the application's own image.
        job("image", conf=python_interpreter("/usr/local/bin/python3.12")),
        # [/image]
    ]

    delete_application = EmrServerlessDeleteApplicationOperator(
        task_id="delete_application", application_id=application.output, force_stop=True
    )
    upload_jobs() >> application >> jobs >> delete_application.as_teardown(setups=application)


example_job_run_python()
