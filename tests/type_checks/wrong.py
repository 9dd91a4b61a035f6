"""What authors of DAGs get wrong: each line with a comment is an error for type checkers."""

from __future__ import annotations

from airflow_emrs_ext.decorators.session import emr_serverless_session_task
from airflow_emrs_ext.hooks.serverless import EmrServerlessHook
from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.operators.application import (
    EmrServerlessCreateApplicationOperator,
    EmrServerlessUpdateApplicationOperator,
)
from airflow_emrs_ext.operators.application_state import (
    EmrServerlessDeleteApplicationOperator,
    EmrServerlessStopApplicationOperator,
)
from airflow_emrs_ext.operators.containers_job_run import (
    EmrContainersCancelJobRunOperator,
    EmrContainersStartJobRunOperator,
)
from airflow_emrs_ext.operators.cost import EmrServerlessCostOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessCancelJobRunOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator as StartJobRun
from airflow_emrs_ext.operators.job_template import EmrContainersDeleteJobTemplateOperator
from airflow_emrs_ext.operators.managed_endpoint import EmrContainersCreateManagedEndpointOperator
from airflow_emrs_ext.operators.session import (
    EmrServerlessListSessionsOperator,
    EmrServerlessStartSessionOperator,
    EmrServerlessTerminateSessionOperator,
    emr_serverless_session,
)
from airflow_emrs_ext.operators.spark import EmrServerlessSparkSqlOperator
from airflow_emrs_ext.operators.sweep import EmrContainersSweepOperator, EmrServerlessSweepOperator
from airflow_emrs_ext.operators.virtual_cluster import EmrContainersCreateVirtualClusterOperator
from airflow_emrs_ext.sensors.containers import EmrContainersJobRunSensor
from airflow_emrs_ext.sensors.serverless import EmrServerlessApplicationSensor, EmrServerlessSessionSensor

ID, ROLE = "00f", "arn:aws:iam::123456789012:role/job"
JOB: dict[str, str] = {}

StartJobRun(
    task_id="t",
    application_id=ID,
    execution_role_arn=ROLE,
    job_driver=JOB,
    wait_for="complition",  # wrong
    show_driver_logs=3,  # wrong
    submit_from="scheduler",  # wrong
    tags=["a"],  # wrong
    wait_timeout="1 h",  # wrong
    waiter_delay="soon",  # wrong
    execution_timeout_minutes="ten",  # wrong
    cancel_on_kill="no",  # wrong
    retries="3",  # wrong
)
StartJobRun(task_id="t", application_id=ID, execution_role_arn=ROLE, job_driver=JOB, deferable=True)  # wrong
StartJobRun(task_id="t", application_id=ID, execution_role_arn=ROLE, job_driver=JOB, mode="streaming")  # wrong
spark_submit("s3://bucket/job.py", conf=5)  # wrong
spark_submit("s3://bucket/job.py", conf={"spark.a": ["b"]})  # wrong
spark_submit("s3://bucket/job.py", [["--day", "1 May"]])  # wrong
spark_submit("s3://bucket/job.py", jar="s3://bucket/a.jar")  # wrong
StartJobRun(task_id="t", application_id=ID, execution_role_arn=ROLE, job_driver=JOB, region="x")  # wrong
StartJobRun(task_id="t", application_id=ID, execution_role_arn=ROLE)  # wrong
StartJobRun(application_id=ID, execution_role_arn=ROLE, job_driver=JOB)  # wrong
EmrServerlessCancelJobRunOperator(task_id="t", application_id=ID)  # wrong
EmrServerlessCancelJobRunOperator(task_id="t", application_id=ID, job_run_id=ID, grace=3)  # wrong
EmrServerlessCreateApplicationOperator(task_id="t", release_label="emr-7.9.0", maximum_capasity={})  # wrong
EmrServerlessCreateApplicationOperator(task_id="t", release_label="emr-7.9.0", architecture="arm64")  # wrong
EmrServerlessCreateApplicationOperator(task_id="t", release_label="emr-7.9.0", on_drift="ignore")  # wrong
EmrServerlessUpdateApplicationOperator(task_id="t")  # wrong
EmrServerlessStopApplicationOperator(task_id="t", application_id=ID, force="yes")  # wrong
EmrServerlessDeleteApplicationOperator(task_id="t", aplication_id=ID)  # wrong
EmrServerlessStartSessionOperator(task_id="t", application_id=ID)  # wrong
EmrServerlessTerminateSessionOperator(task_id="t", session_ids=[ID])  # wrong
EmrServerlessListSessionsOperator(task_id="t")  # wrong
EmrServerlessSparkSqlOperator(task_id="t", sql="SELECT 1", deferrable=True)  # wrong
EmrServerlessSparkSqlOperator(task_id="t", session=ID)  # wrong
EmrServerlessCostOperator(task_id="t", application=ID)  # wrong
EmrServerlessSweepOperator(task_id="t", application_ids=3)  # wrong
EmrContainersSweepOperator(task_id="t", application_ids=[ID])  # wrong
EmrContainersStartJobRunOperator(task_id="t", release_label="emr-7.9.0-latest")  # wrong
EmrContainersCancelJobRunOperator(task_id="t", virtual_cluster_id=ID, job_id=ID)  # wrong
EmrContainersDeleteJobTemplateOperator(task_id="t", template=ID)  # wrong
EmrContainersCreateManagedEndpointOperator(task_id="t", virtual_cluster_id=ID, execution_role_arn=3)  # wrong
EmrContainersCreateVirtualClusterOperator(task_id="t", eks_cluster="eks", eks_namespace="n")  # wrong
EmrContainersJobRunSensor(task_id="t", virtual_cluster_id=ID, job_run_id=ID, mode="deferrable")  # wrong
EmrServerlessApplicationSensor(task_id="t", application_id=ID, target_states=3)  # wrong
EmrServerlessSessionSensor(task_id="t", session=ID, soft_fail="yes")  # wrong
emr_serverless_session(application_id=ID, execution_role_arn=ROLE, idle_timeout=3)  # wrong
emr_serverless_session_task(sesion=ID)  # wrong
emr_serverless_session_task(session=ID, idle_timeout_minutes="5")  # wrong
EmrServerlessHook().list_job_runs(ID, mode="STREAM")  # wrong
EmrServerlessHook().get_job_run(job_run=ID)  # wrong
EmrServerlessHook().start_job_run(application_id=ID, execution_role_arn=ROLE, job_driver=JOB)  # wrong
