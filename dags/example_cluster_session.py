"""Sessions of EMR on EC2: a cluster, a session on it, work in the session, and the end of both."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.providers.amazon.aws.operators.emr import EmrTerminateJobFlowOperator
from airflow.providers.amazon.aws.sensors.emr import EmrJobFlowSensor

from airflow_emrs_ext.operators.ec2_session import emr_on_ec2_session
from airflow_emrs_ext.operators.spark import EmrServerlessSparkSqlOperator

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
        "release_label": Param("emr-spark-8.0.0", type="string"),
        "subnet_id": Param("subnet-0123456789abcdef0", type="string"),
        "instance_profile": Param("EMR_EC2_DefaultRole", type="string"),
        "service_role": Param("EMR_DefaultRole", type="string"),
    },
    tags=["example", "emr-on-ec2"],
    doc_md=__doc__,
)
def example_cluster_session():
    # [cluster]
    # A second try would make a second cluster.
    @task(retries=0)
    def create_cluster(params: dict) -> str:
        from airflow_emrs_ext.hooks.ec2 import EmrOnEc2Hook

        # The client of this hook knows SessionEnabled with every boto3.
        created = EmrOnEc2Hook().conn.run_job_flow(
            Name="sessions",
            ReleaseLabel=params["release_label"],
            SessionEnabled=True,
            Applications=[{"Name": "Spark"}],
            Instances={
                "Ec2SubnetId": params["subnet_id"],
                "KeepJobFlowAliveWhenNoSteps": True,
                "InstanceGroups": [
                    {"InstanceRole": "MASTER", "InstanceType": "m7g.xlarge", "InstanceCount": 1},
                    {"InstanceRole": "CORE", "InstanceType": "m7g.xlarge", "InstanceCount": 2},
                ],
            },
            # However this DAG ends, an idle cluster does not stay for longer.
            AutoTerminationPolicy={"IdleTimeout": 3600},
            JobFlowRole=params["instance_profile"],
            ServiceRole=params["service_role"],
        )
        return created["JobFlowId"]

    cluster_id = create_cluster()
    ready = EmrJobFlowSensor(
        task_id="cluster_ready",
        job_flow_id=cluster_id,
        target_states=["RUNNING", "WAITING"],
        poke_interval=5,
        mode="reschedule",
    )
    terminate_cluster = EmrTerminateJobFlowOperator(task_id="terminate_cluster", job_flow_id=cluster_id)
    # [/cluster]

    # [session]
    with (
        terminate_cluster.as_teardown(setups=ready),
        emr_on_ec2_session(
            cluster_id=cluster_id,
            idle_timeout_minutes=30,
            runtime_configuration={"spark.sql.shuffle.partitions": 8},
        ) as session,
    ):
        # Where a session of EMR Serverless is expected, one of a cluster does.
        squares = EmrServerlessSparkSqlOperator(
            task_id="squares", session=session, sql="SELECT id, id * id AS square FROM range(10)"
        )

        @task.emr_serverless_session(session=session)
        def largest(spark, rows: list) -> int:
            return spark.createDataFrame(rows, "id long, square long").groupBy().max("square").first()[0]

        largest(squares.output["rows"])
    # [/session]
    ready >> session.operator


example_cluster_session()
