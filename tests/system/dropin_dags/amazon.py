"""DAGs as users of the Amazon provider write them, with its modules or with this package's in their place."""

from __future__ import annotations

import os
from datetime import datetime
from importlib import import_module

import boto3

try:
    from airflow.sdk import DAG, task
except ImportError:
    from airflow import DAG
    from airflow.decorators import task

ROOT = os.environ["EMRS_TEST_PROVIDER"]
emr, sensors, hooks = (import_module(f"{ROOT}.{kind}.emr") for kind in ("operators", "sensors", "hooks"))
ROLE = "arn:aws:iam::123456789012:role/job"
DRIVER = {
    "sparkSubmit": {
        "entryPoint": "s3://jobs/job.py",
        "entryPointArguments": ["s3://jobs/output"],
        "sparkSubmitParameters": "--conf spark.executor.cores=1\
            --conf spark.executor.memory=4g",
    }
}
FAST = {"waiter_delay": 1, "waiter_max_attempts": 60}
START = datetime(2026, 1, 1)


class Described(emr.EmrServerlessStartJobOperator):
    """What teams derive from it."""

    def execute(self, context, event=None):
        """Submit, and say what the id is."""
        result = super().execute(context, event)
        context["ti"].xcom_push(key="described", value=[self.job_id, result])
        return result


@task
def is_over(application_id, job_run_id):
    """Ask with the hook, as helpers of teams do."""
    hook = hooks.EmrServerlessHook(aws_conn_id="aws_default")
    job_run = hook.conn.get_job_run(applicationId=application_id, jobRunId=job_run_id)["jobRun"]
    assert job_run["state"] in hooks.EmrServerlessHook.JOB_SUCCESS_STATES
    assert hook.cancel_running_jobs(application_id, waiter_config={"Delay": 1, "MaxAttempts": 60}) == 0
    return job_run["state"]


with DAG("serverless", schedule=None, start_date=START):
    create = emr.EmrServerlessCreateApplicationOperator(
        task_id="create", release_label="emr-7.9.0", job_type="SPARK", config={"name": "an_application"}, **FAST
    )
    create.wait_for_completion = False
    created = sensors.EmrServerlessApplicationSensor(task_id="created", application_id=create.output)
    created.poke_interval = 1
    start = emr.EmrServerlessStartJobOperator(
        task_id="start",
        application_id="{{ ti.xcom_pull(task_ids='create') }}",
        execution_role_arn=ROLE,
        job_driver=DRIVER,
        configuration_overrides={"monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": "s3://jobs/"}}},
        enable_application_ui_links=True,
        **FAST,
    )
    start.wait_for_completion = False
    over = sensors.EmrServerlessJobSensor(
        task_id="over",
        application_id=create.output,
        job_run_id=start.output,
        target_states={*hooks.EmrServerlessHook.JOB_SUCCESS_STATES, "SUCCESS"},
    )
    over.poke_interval = 1
    described = Described(
        task_id="described",
        application_id=str(create.output),
        execution_role_arn=ROLE,
        job_driver=DRIVER,
        name="described",
        **FAST,
    )
    stop = emr.EmrServerlessStopApplicationOperator(
        task_id="stop", application_id=create.output, force_stop=True, **FAST
    )
    delete = emr.EmrServerlessDeleteApplicationOperator(task_id="delete", application_id=create.output, **FAST)
    create >> created >> start >> over >> is_over(create.output, start.output) >> described >> stop >> delete

if hasattr(emr, "EmrServerlessStartSessionOperator"):
    with DAG("session", schedule=None, start_date=START):
        create = emr.EmrServerlessCreateApplicationOperator(
            task_id="create",
            release_label="emr-7.13.0",
            job_type="SPARK",
            config={"name": "an_application", "interactiveConfiguration": {"sessionEnabled": True}},
            **FAST,
        )
        start = emr.EmrServerlessStartSessionOperator(
            task_id="start", application_id=create.output, execution_role_arn=ROLE, idle_timeout_minutes=5, **FAST
        )
        stop_session = emr.EmrServerlessStopSessionOperator(
            task_id="stop_session",
            application_id=create.output,
            session_id="{{ ti.xcom_pull(task_ids='start')['session_id'] }}",
            **FAST,
        )
        delete = emr.EmrServerlessDeleteApplicationOperator(
            task_id="delete", application_id=create.output, force_stop=True, **FAST
        )
        create >> start >> stop_session >> delete


@task
def delete_virtual_cluster(virtual_cluster_id):
    """With the plain client, which takes no more than the id."""
    boto3.client("emr-containers").delete_virtual_cluster(id=virtual_cluster_id)


EKS_DRIVER = {"sparkSubmitJobDriver": {"entryPoint": "s3://jobs/job.py"}}


@task
def ask(virtual_cluster_id, job_id):
    """Ask with the hook, as helpers of teams do."""
    hook = hooks.EmrContainerHook(aws_conn_id="aws_default", virtual_cluster_id=virtual_cluster_id)
    another = hook.submit_job("another", ROLE, "emr-7.9.0-latest", EKS_DRIVER, {}, "a-token", {"team": "data"})
    assert hook.poll_query_status(another, poll_interval=1, max_polling_attempts=60) in hook.SUCCESS_STATES
    assert hook.check_query_status(job_id) in hook.SUCCESS_STATES
    return another


with DAG("eks", schedule=None, start_date=START):
    create = emr.EmrEksCreateClusterOperator(
        task_id="create", virtual_cluster_name="a_cluster", eks_cluster_name="an_eks_cluster", eks_namespace="default"
    )
    start = emr.EmrContainerOperator(
        task_id="start",
        virtual_cluster_id=str(create.output),
        execution_role_arn=ROLE,
        release_label="emr-7.9.0-latest",
        job_driver=EKS_DRIVER,
        name="a_job",
        poll_interval=1,
    )
    start.wait_for_completion = False
    start.job_retry_max_attempts = 5
    over = sensors.EmrContainerSensor(
        task_id="over", virtual_cluster_id=str(create.output), job_id=str(start.output), poll_interval=1
    )
    asked = ask(str(create.output), str(start.output))
    create >> start >> over >> asked >> delete_virtual_cluster(str(create.output))
