"""Steps of EMR on EC2: PySpark with spark-submit, and any other program of a cluster, each found again by a retry."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.providers.amazon.aws.operators.emr import EmrTerminateJobFlowOperator
from upload_jobs import upload_jobs

from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.operators.ec2_step import EmrOnEc2AddStepOperator

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
        "release_label": Param("emr-7.9.0", type="string"),
        "bucket": Param("emrs-example", type="string", description="S3 bucket for the script and the logs"),
        "subnet_id": Param("subnet-0123456789abcdef0", type="string"),
        "instance_profile": Param("EMR_EC2_DefaultRole", type="string"),
        "service_role": Param("EMR_DefaultRole", type="string"),
    },
    tags=["example", "emr-on-ec2"],
    doc_md=__doc__,
)
def example_cluster_step():
    # A second try would make a second cluster.
    @task(retries=0)
    def create_cluster(params: dict) -> str:
        from airflow_emrs_ext.hooks.ec2 import EmrOnEc2Hook

        created = EmrOnEc2Hook().conn.run_job_flow(
            Name="steps",
            ReleaseLabel=params["release_label"],
            Applications=[{"Name": "Spark"}],
            LogUri=f"s3://{params['bucket']}/logs/",
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

    # [steps]
    pi = EmrOnEc2AddStepOperator(
        task_id="pi",
        # A cluster that is STARTING takes steps, too.
        cluster_id=cluster_id,
        job_driver=spark_submit(
            "s3://{{ params.bucket }}/jobs/pi.py",
            ["2"],
            conf={"spark.submit.deployMode": "client", "spark.executor.memory": "2g"},
        ),
        show_driver_logs="always",
        retries=2,
        deferrable=True,
    )
    # What else the cluster runs is said in the API's own form.
    report = EmrOnEc2AddStepOperator(
        task_id="report",
        cluster_id=cluster_id,
        hadoop_jar_step={"Jar": "command-runner.jar", "Args": ["spark-sql", "-e", "SELECT current_date()"]},
    )
    # [/steps]
    terminate_cluster = EmrTerminateJobFlowOperator(task_id="terminate_cluster", job_flow_id=cluster_id)
    upload_jobs() >> pi >> report >> terminate_cluster.as_teardown(setups=cluster_id)


example_cluster_step()
