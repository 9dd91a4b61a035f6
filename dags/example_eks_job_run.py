"""PySpark on EMR on EKS: a namespace becomes a virtual cluster, and the service repeats a failed attempt itself."""

from __future__ import annotations

from datetime import datetime, timezone

from upload_jobs import upload_jobs

from airflow_emrs_ext.job_spec import eks_configuration_overrides, eks_spark_submit
from airflow_emrs_ext.operators.containers_job_run import EmrContainersStartJobRunOperator
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
        "eks_namespace": Param("spark-jobs", type="string"),
        "bucket": Param("emrs-example", type="string", description="S3 bucket for the script and the logs"),
        "execution_role_arn": Param("arn:aws:iam::123456789012:role/emr-eks-job", type="string"),
    },
    tags=["example", "emr-on-eks"],
    doc_md=__doc__,
)
def example_eks_job_run():
    cluster = EmrContainersCreateVirtualClusterOperator(
        task_id="create_virtual_cluster",
        eks_cluster_name="{{ params.eks_cluster_name }}",
        eks_namespace="{{ params.eks_namespace }}",
    )

    # [job_run]
    job = EmrContainersStartJobRunOperator(
        task_id="job",
        virtual_cluster_id=cluster.output["virtual_cluster_id"],
        execution_role_arn="{{ params.execution_role_arn }}",
        release_label="emr-7.9.0-latest",
        job_driver=eks_spark_submit(
            "s3://{{ params.bucket }}/jobs/second_attempt.py",
            ["s3://{{ params.bucket }}/numbers/{{ ts_nodash }}"],
            conf={"spark.executor.cores": "1", "spark.executor.memory": "2g", "spark.executor.instances": "2"},
        ),
        configuration_overrides=eks_configuration_overrides(
            s3_log_uri="s3://{{ params.bucket }}/logs/", log_rotation_size="10MB", log_files_to_keep=5
        ),
        # The service starts the driver again, after 10, 20, 40 s …, on the same job run.
        retry_policy_configuration={"maxAttempts": 3},
        show_driver_logs="always",
        deferrable=True,
    )
    # [/job_run]

    delete_cluster = EmrContainersDeleteVirtualClusterOperator(
        task_id="delete_virtual_cluster", virtual_cluster_id=cluster.output["virtual_cluster_id"], force_delete=True
    )
    upload_jobs() >> cluster >> job >> delete_cluster.as_teardown(setups=cluster)


example_eks_job_run()
