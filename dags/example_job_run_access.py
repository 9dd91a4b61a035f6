"""What a job run may do: a policy of its own, roles of other accounts, S3 Access Grants, Lake Formation, secrets."""

from __future__ import annotations

from datetime import datetime, timezone

from upload_jobs import upload_jobs

from airflow_emrs_ext.job_spec import configuration_overrides, execution_iam_policy, spark_submit, statement
from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.application_state import EmrServerlessDeleteApplicationOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.spark_conf import (
    assume_role,
    assume_roles,
    jdbc_metastore,
    lake_formation,
    s3_access_grants,
    s3_encryption,
    secret,
)

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
        "other_role_arn": Param(
            "arn:aws:iam::210987654321:role/reader", type="string", description="Of another account"
        ),
        "kms_key": Param("arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000", type="string"),
    },
    tags=["example", "emr-serverless"],
    doc_md=__doc__,
)
def example_job_run_access():
    application = EmrServerlessCreateApplicationOperator(
        task_id="create_application", name="example-job-run-access", release_label="emr-7.9.0"
    )

    def job(task_id, *spark_defaults, **others):
        return EmrServerlessStartJobRunOperator(
            task_id=task_id,
            application_id=application.output,
            execution_role_arn="{{ params.execution_role_arn }}",
            job_driver=spark_submit("s3://{{ params.bucket }}/jobs/pi.py", ["10"]),
            configuration_overrides=configuration_overrides(spark_defaults=spark_defaults),
            **others,
        )

    jobs = [
        # [policy]
        # Of what the role allows, only this.
        job(
            "policy",
            execution_iam_policy=execution_iam_policy(
                statement("s3:GetObject", "arn:aws:s3:::{{ params.bucket }}/*"),
                statement(["glue:GetDatabase", "glue:GetTable*"], "*", sid="Catalog"),
            ),
        ),
        # [/policy]
        # [other-accounts]
        # A role of another account: for all access to S3, or for some buckets.
        job("other_account", assume_role("{{ params.other_role_arn }}")),
        job("other_accounts_buckets", assume_roles({"their-bucket": "{{ params.other_role_arn }}"})),
        # [/other-accounts]
        # [grants]
        job("access_grants", s3_access_grants(), s3_encryption("{{ params.kms_key }}")),
        # [/grants]
        # [lake-formation]
        job("lake_formation", lake_formation()),
        # [/lake-formation]
        # [secret]
        # The service reads the password from AWS Secrets Manager; Airflow and the request never hold it.
        job(
            "secret",
            jdbc_metastore(
                driver_class="org.mariadb.jdbc.Driver",
                url="jdbc:mysql://metastore.example.com:3306/metastore",
                user="hive",
                password=secret("metastore-password-AbCdEf"),
            ),
        ),
        # [/secret]
    ]

    delete_application = EmrServerlessDeleteApplicationOperator(
        task_id="delete_application", application_id=application.output, force_stop=True
    )
    upload_jobs() >> application >> jobs >> delete_application.as_teardown(setups=application)


example_job_run_access()
