"""Spark Connect on EMR on EKS: a managed endpoint lives as long as the tasks that work in it."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow_emrs_ext.operators.managed_endpoint import emr_containers_managed_endpoint
from airflow_emrs_ext.operators.spark import EmrServerlessSparkSqlOperator
from airflow_emrs_ext.operators.virtual_cluster import (
    EmrContainersCreateVirtualClusterOperator,
    EmrContainersDeleteVirtualClusterOperator,
)

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
        "eks_cluster_name": Param("data", type="string", description="EKS cluster on which EMR may use the namespace"),
        "eks_namespace": Param("spark-connect", type="string"),
        "execution_role_arn": Param("arn:aws:iam::123456789012:role/emr-eks-job", type="string"),
    },
    tags=["example", "emr-on-eks"],
    doc_md=__doc__,
)
def example_eks_spark_connect():
    cluster = EmrContainersCreateVirtualClusterOperator(
        task_id="create_virtual_cluster",
        eks_cluster_name="{{ params.eks_cluster_name }}",
        eks_namespace="{{ params.eks_namespace }}",
    )
    delete_cluster = EmrContainersDeleteVirtualClusterOperator(
        task_id="delete_virtual_cluster", virtual_cluster_id=cluster.output["virtual_cluster_id"], force_delete=True
    )

    # [endpoint]
    with (
        delete_cluster.as_teardown(setups=cluster),
        emr_containers_managed_endpoint(
            virtual_cluster_id=cluster.output["virtual_cluster_id"],
            execution_role_arn="{{ params.execution_role_arn }}",
            release_label="emr-7.14.0-latest",
            runtime_configuration={"spark.sql.shuffle.partitions": 8},
        ) as endpoint,
    ):
        # Where a session is expected, a managed endpoint does.
        squares = EmrServerlessSparkSqlOperator(
            task_id="squares", session=endpoint, sql="SELECT id, id * id AS square FROM range(10)"
        )

        @task.emr_serverless_session(session=endpoint)
        def largest(spark, rows: list) -> int:
            return spark.createDataFrame(rows, "id long, square long").groupBy().max("square").first()[0]

        largest(squares.output["rows"])
    # [/endpoint]


example_eks_spark_connect()
