"""The life of a session: start it without holding a worker, look at it, wait for it, terminate it."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.application_state import EmrServerlessDeleteApplicationOperator
from airflow_emrs_ext.operators.session import (
    EmrServerlessListSessionsOperator,
    EmrServerlessStartSessionOperator,
    EmrServerlessTerminateSessionOperator,
)
from airflow_emrs_ext.sensors.serverless import EmrServerlessSessionSensor

try:
    from airflow.sdk import Param, dag
except ImportError:  # Airflow 2
    from airflow.decorators import dag
    from airflow.models.param import Param


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    default_args={"aws_conn_id": "aws_default"},
    params={"execution_role_arn": Param("arn:aws:iam::123456789012:role/emr-serverless-job", type="string")},
    tags=["example", "emr-serverless"],
    doc_md=__doc__,
)
def example_session_lifecycle():
    # [application]
    application = EmrServerlessCreateApplicationOperator(
        task_id="create_application",
        name="example-session-lifecycle",
        release_label="emr-7.13.0",
        interactive_configuration={"sessionEnabled": True},
    )
    # [/application]
    application_id = application.output["application_id"]

    # [start]
    start = EmrServerlessStartSessionOperator(
        task_id="start_session",
        application_id=application_id,
        execution_role_arn="{{ params.execution_role_arn }}",
        idle_timeout_minutes=20,
        runtime_configuration={"spark.executor.cores": 2, "spark.executor.memory": "4g"},
        tags={"team": "data"},
        # Starting takes more than a minute on AWS; the triggerer waits for it.
        deferrable=True,
    )
    # [/start]
    sessions = EmrServerlessListSessionsOperator(
        task_id="list_sessions", application_id=application_id, states=["STARTED", "IDLE", "BUSY"]
    )
    # [terminate]
    terminate = EmrServerlessTerminateSessionOperator(
        task_id="terminate_session", session=start.output, wait_for_completion=False
    )
    terminated = EmrServerlessSessionSensor(
        task_id="session_terminated",
        session=start.output,
        target_states=["TERMINATED"],
        deferrable=True,
    )
    # [/terminate]

    delete_application = EmrServerlessDeleteApplicationOperator(
        task_id="delete_application", application_id=application_id, force_stop=True
    )
    (application >> start >> sessions >> terminate >> terminated >> delete_application.as_teardown(setups=application))


example_session_lifecycle()
