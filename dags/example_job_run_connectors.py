"""What a job run needs to reach Amazon Redshift, Kinesis Data Streams, Kafka and databases with a JDBC driver."""

from __future__ import annotations

from datetime import datetime, timezone

from upload_jobs import upload_jobs

from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.application_state import EmrServerlessDeleteApplicationOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.spark_conf import secret

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
        "subnets": Param(["subnet-00000000000000000", "subnet-11111111111111111"], type="array"),
        "security_group": Param("sg-00000000000000000", type="string"),
    },
    tags=["example", "emr-serverless"],
    doc_md=__doc__,
)
def example_job_run_connectors():
    # [network]
    application = EmrServerlessCreateApplicationOperator(
        task_id="create_application",
        name="example-job-run-connectors",
        release_label="emr-7.9.0",
        network_configuration={
            "subnetIds": "{{ params.subnets }}",
            "securityGroupIds": ["{{ params.security_group }}"],
        },
    )
    # [/network]

    def job(task_id, **options):
        return EmrServerlessStartJobRunOperator(
            task_id=task_id,
            application_id=application.output,
            execution_role_arn="{{ params.execution_role_arn }}",
            job_driver=spark_submit("s3://{{ params.bucket }}/jobs/pi.py", ["10"], **options),
        )

    jobs = [
        # [redshift]
        # The connector and its driver are in the release's image, and loaded without being named.
        job("redshift"),
        # [/redshift]
        # [kinesis]
        job(
            "kinesis",
            jars=["/usr/share/aws/kinesis/spark-sql-kinesis/lib/spark-streaming-sql-kinesis-connector.jar"],
        ),
        # [/kinesis]
        # [kafka]
        # Spark's own connector, of the release's version of Spark, from a Maven repository.
        job("kafka", packages=["org.apache.spark:spark-sql-kafka-0-10_2.12:3.5.5"]),
        # [/kafka]
        # [jdbc]
        # The driver of the database from S3, its password from AWS Secrets Manager.
        job(
            "jdbc",
            jars=["s3://{{ params.bucket }}/jars/postgresql.jar"],
            conf={"spark.sales.password": secret("sales-password-AbCdEf")},
        ),
        # [/jdbc]
    ]

    delete_application = EmrServerlessDeleteApplicationOperator(
        task_id="delete_application", application_id=application.output, force_stop=True
    )
    upload_jobs() >> application >> jobs >> delete_application.as_teardown(setups=application)


example_job_run_connectors()
