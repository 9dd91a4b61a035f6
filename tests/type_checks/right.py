"""What authors of DAGs write, for type checkers: nothing here is an error."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow_emrs_ext.decorators.session import emr_serverless_session_task
from airflow_emrs_ext.job_spec import configuration_overrides, spark_submit
from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.application_state import (
    EmrServerlessDeleteApplicationOperator,
    EmrServerlessStartApplicationOperator,
)
from airflow_emrs_ext.operators.containers_job_run import EmrContainersStartJobRunOperator
from airflow_emrs_ext.operators.ec2_session import (
    EmrOnEc2ListSessionsOperator,
    EmrOnEc2StartSessionOperator,
    EmrOnEc2TerminateSessionOperator,
    emr_on_ec2_session,
)
from airflow_emrs_ext.operators.ec2_step import EmrOnEc2AddStepOperator, EmrOnEc2CancelStepOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessCancelJobRunOperator, EmrServerlessStartJobRunOperator
from airflow_emrs_ext.operators.session import EmrServerlessStartSessionOperator, emr_serverless_session
from airflow_emrs_ext.operators.spark import EmrServerlessSparkSqlOperator
from airflow_emrs_ext.operators.sweep import EmrServerlessSweepOperator
from airflow_emrs_ext.operators.virtual_cluster import EmrContainersCreateVirtualClusterOperator
from airflow_emrs_ext.sensors.ec2 import EmrOnEc2StepSensor
from airflow_emrs_ext.sensors.serverless import EmrServerlessJobRunSensor
from airflow_emrs_ext.shared.states import JobRunState

application = EmrServerlessCreateApplicationOperator(
    task_id="application", release_label="emr-7.9.0", maximum_capacity={"cpu": "4 vCPU", "memory": "16 GB"}
)
job = EmrServerlessStartJobRunOperator(
    task_id="job",
    application_id=application.output["application_id"],
    execution_role_arn="{{ var.value.role }}",
    job_driver={"sparkSubmit": {"entryPoint": "s3://bucket/job.py"}},
    retry_policy={"maxAttempts": 3},
    wait_for="running",
    show_driver_logs="live",
    submit_from="triggerer",
    wait_timeout=timedelta(hours=1),
    deferrable=True,
    retries=2,
    retry_delay=timedelta(minutes=1),
    trigger_rule="all_done",
)
several = EmrServerlessStartJobRunOperator(
    task_id="several",
    application_id="00f",
    execution_role_arn="role",
    job_driver=spark_submit(
        application.output["name"],
        ["--id", job.output["job_run_id"], 3, 0.5],
        conf={"spark.a": job.output["state"], "spark.b": 2, "spark.c": True, "spark.d": None},
        py_files="s3://bucket/module.py",
        jars=["s3://bucket/a.jar", application.output["arn"]],
    ),
    configuration_overrides=configuration_overrides(spark_defaults={"spark.a": 1}, s3_log_uri=job.output["name"]),
    mode="STREAMING",
)
sensor = EmrServerlessJobRunSensor(
    task_id="sensor",
    application_id="00f",
    job_run_id=job.output["job_run_id"],
    target_states=[JobRunState.RUNNING, "SUCCESS"],
    mode="reschedule",
    poke_interval=30,
)
cancel = EmrServerlessCancelJobRunOperator(task_id="cancel", application_id="00f", job_run_id=job.output)
session = EmrServerlessStartSessionOperator(task_id="session", application_id="00f", execution_role_arn="role")
sql = EmrServerlessSparkSqlOperator(task_id="sql", sql="SELECT 1", session=session.output, pool="spark")
sweep = EmrServerlessSweepOperator(task_id="sweep", end=True, end_unknown_after=timedelta(days=1))
cluster = EmrContainersCreateVirtualClusterOperator(task_id="cluster", eks_cluster_name="eks", eks_namespace="spark")
eks_job = EmrContainersStartJobRunOperator(task_id="eks", virtual_cluster_id=cluster.output, job_template_id="template")
start = EmrServerlessStartApplicationOperator(task_id="start", application_id=application.output)
ec2_step = EmrOnEc2AddStepOperator(
    task_id="ec2_step",
    cluster_id="j-1",
    job_driver=spark_submit("s3://b/j.py"),
    action_on_failure="CANCEL_AND_WAIT",
    wait_for="submission",
)
ec2_waits = EmrOnEc2StepSensor(task_id="ec2_waits", cluster_id=ec2_step.output, step_id=ec2_step.output["step_id"])
ec2_cancel = EmrOnEc2CancelStepOperator(
    task_id="ec2_cancel", cluster_id="j-1", step_id=ec2_step.output, step_cancellation_option="TERMINATE_PROCESS"
)
ec2_session = EmrOnEc2StartSessionOperator(task_id="ec2", cluster_id="j-1", idle_timeout_minutes=30)
ec2_end = EmrOnEc2TerminateSessionOperator(task_id="ec2_end", session=ec2_session.output, deferrable=True)
ec2_list = EmrOnEc2ListSessionsOperator(
    task_id="ec2_list", cluster_id=ec2_session.output["cluster_id"], states=["IDLE"]
)
delete = EmrServerlessDeleteApplicationOperator(task_id="delete", application_id="00f", force_stop=True)


@emr_serverless_session_task(session=session.output, retries=2, requirements=["pandas"])
def initials(spark: Any, counts: str) -> dict[str, int]:
    return {row.letter: row.words for row in spark.read.parquet(counts).collect()}


@emr_serverless_session_task(application_id="00f", execution_role_arn="role", idle_timeout_minutes=5)
def letters(spark: Any, least: int = 1) -> int:
    return int(spark.range(least).count())


initials(job.output["driver_log"])["a"] >> letters.override(task_id="letters")(least=3)
letters.partial(least=1).expand(least=[1, 2])
with emr_serverless_session(application_id="00f", execution_role_arn="role", deferrable=True) as reference:
    EmrServerlessSparkSqlOperator(task_id="inside", sql="SELECT 1", session=reference["session_id"])
with emr_on_ec2_session(cluster_id="j-1", execution_role_arn="role", deferrable=True) as reference:
    EmrServerlessSparkSqlOperator(task_id="on_ec2", sql="SELECT 1", session=reference)
