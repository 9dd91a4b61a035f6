"""An application with workers kept ready, limits, a network, an image, encryption, and its cost by job run."""

from __future__ import annotations

from datetime import datetime, timezone

from upload_jobs import upload_jobs

from airflow_emrs_ext.application_spec import (
    initial_capacity,
    maximum_capacity,
    runtime_configuration,
    workers,
)
from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.application_state import EmrServerlessDeleteApplicationOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.spark_conf import driver, executors, internode_encryption

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
        "image": Param("123456789012.dkr.ecr.us-east-1.amazonaws.com/spark:1", type="string", description="For ARM64"),
        "kms_key": Param("arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000", type="string"),
        "subnets": Param(["subnet-00000000000000000", "subnet-11111111111111111"], type="array"),
        "security_group": Param("sg-00000000000000000", type="string"),
        "identity_center": Param("arn:aws:sso:::instance/ssoins-0000000000000000", type="string"),
    },
    tags=["example", "emr-serverless"],
    doc_md=__doc__,
)
def example_application_settings():
    # [settings]
    application = EmrServerlessCreateApplicationOperator(
        task_id="create_application",
        name="example-application-settings",
        release_label="emr-7.9.0",
        architecture="ARM64",
        # A driver of 6 GB and executors of 12 GB fit into them with their overhead.
        initial_capacity=initial_capacity(
            driver=workers(1, cpu=2, memory=8), executor=workers(4, cpu=4, memory=16, disk=100)
        ),
        maximum_capacity=maximum_capacity(cpu=100, memory=400),
        runtime_configuration=runtime_configuration(
            spark_defaults=[
                driver(cores=2, memory="6g"),
                executors(4, cores=4, memory="12g", disk="100g"),
                internode_encryption(),
            ]
        ),
        # At most 15 job runs at once, the others wait for up to six hours.
        scheduler_configuration={"maxConcurrentRuns": 15, "queueTimeoutMinutes": 360},
        auto_stop_configuration={"enabled": True, "idleTimeoutMinutes": 15},
        network_configuration={
            "subnetIds": "{{ params.subnets }}",
            "securityGroupIds": ["{{ params.security_group }}"],
        },
        image_configuration={"imageUri": "{{ params.image }}"},
        disk_encryption_configuration={
            "encryptionKeyArn": "{{ params.kms_key }}",
            "encryptionContext": {"project": "example"},
        },
        identity_center_configuration={"identityCenterInstanceArn": "{{ params.identity_center }}"},
        # The bill then tells job runs apart, by their tags.
        job_level_cost_allocation_configuration={"enabled": True},
        tags={"team": "data"},
    )
    # [/settings]

    job = EmrServerlessStartJobRunOperator(
        task_id="job",
        application_id=application.output,
        execution_role_arn="{{ params.execution_role_arn }}",
        job_driver=spark_submit("s3://{{ params.bucket }}/jobs/pi.py", ["10"]),
    )

    delete_application = EmrServerlessDeleteApplicationOperator(
        task_id="delete_application", application_id=application.output, force_stop=True
    )
    upload_jobs() >> application >> job >> delete_application.as_teardown(setups=application)


example_application_settings()
