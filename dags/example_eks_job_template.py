"""Spark SQL on EMR on EKS from a job template: what job runs have in common is said once, with parameters."""

from __future__ import annotations

from datetime import datetime, timezone

from upload_jobs import upload_jobs

from airflow_emrs_ext.job_spec import eks_configuration_overrides, eks_spark_sql
from airflow_emrs_ext.operators.containers_job_run import EmrContainersStartJobRunOperator
from airflow_emrs_ext.operators.job_template import (
    EmrContainersCreateJobTemplateOperator,
    EmrContainersDeleteJobTemplateOperator,
)
from airflow_emrs_ext.operators.virtual_cluster import (
    EmrContainersCreateVirtualClusterOperator,
    EmrContainersDeleteVirtualClusterOperator,
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
        "eks_cluster_name": Param("data", type="string", description="EKS cluster on which EMR may use the namespace"),
        "eks_namespace": Param("spark-sql", type="string"),
        "bucket": Param("emrs-example", type="string", description="S3 bucket for the statements and the logs"),
        "execution_role_arn": Param("arn:aws:iam::123456789012:role/emr-eks-job", type="string"),
        "least": Param(62_000, type="number", description="Regions that sold more than this are shown"),
    },
    tags=["example", "emr-on-eks"],
    doc_md=__doc__,
)
def example_eks_job_template():
    cluster = EmrContainersCreateVirtualClusterOperator(
        task_id="create_virtual_cluster",
        eks_cluster_name="{{ params.eks_cluster_name }}",
        eks_namespace="{{ params.eks_namespace }}",
    )

    # [template]
    template = EmrContainersCreateJobTemplateOperator(
        task_id="create_template",
        job_template_data={
            "executionRoleArn": "{{ params.execution_role_arn }}",
            "releaseLabel": "emr-7.9.0-latest",
            "jobDriver": eks_spark_sql(
                "s3://{{ params.bucket }}/jobs/best_regions.sql", variables={"least": "${least}"}
            ),
            "configurationOverrides": eks_configuration_overrides(s3_log_uri="s3://{{ params.bucket }}/logs/"),
            "parameterConfiguration": {"least": {"type": "NUMBER", "defaultValue": "0"}},
        },
    )
    job = EmrContainersStartJobRunOperator(
        task_id="best_regions",
        virtual_cluster_id=cluster.output["virtual_cluster_id"],
        job_template_id=template.output["job_template_id"],
        job_template_parameters={"least": "{{ params.least }}"},
        # The statements print to the driver's stdout.
        show_driver_logs="always",
    )
    # [/template]

    delete_template = EmrContainersDeleteJobTemplateOperator(
        task_id="delete_template", job_template_id=template.output["job_template_id"]
    )
    delete_cluster = EmrContainersDeleteVirtualClusterOperator(
        task_id="delete_virtual_cluster", virtual_cluster_id=cluster.output["virtual_cluster_id"], force_delete=True
    )
    upload_jobs() >> [cluster, template] >> job
    job >> delete_template.as_teardown(setups=template)
    job >> delete_cluster.as_teardown(setups=cluster)


example_eks_job_template()
