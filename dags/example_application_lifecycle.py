"""The life of an application: create, change while it stands still, start, stop, delete."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow_emrs_ext.operators.application import (
    EmrServerlessCreateApplicationOperator,
    EmrServerlessUpdateApplicationOperator,
)
from airflow_emrs_ext.operators.application_state import (
    EmrServerlessDeleteApplicationOperator,
    EmrServerlessStartApplicationOperator,
    EmrServerlessStopApplicationOperator,
)

try:
    from airflow.sdk import dag
except ImportError:  # Airflow 2
    from airflow.decorators import dag


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    default_args={"aws_conn_id": "aws_default"},
    tags=["example", "emr-serverless"],
    doc_md=__doc__,
)
def example_application_lifecycle():
    # [create]
    create = EmrServerlessCreateApplicationOperator(
        task_id="create",
        name="example-lifecycle",
        release_label="emr-7.9.0",
        initial_capacity={
            "DRIVER": {"workerCount": 1, "workerConfiguration": {"cpu": "2 vCPU", "memory": "4 GB"}},
            "EXECUTOR": {"workerCount": 2, "workerConfiguration": {"cpu": "4 vCPU", "memory": "8 GB"}},
        },
        maximum_capacity={"cpu": "32 vCPU", "memory": "128 GB"},
        auto_start_configuration={"enabled": False},
        auto_stop_configuration={"enabled": True, "idleTimeoutMinutes": 10},
        runtime_configuration=[
            {"classification": "spark-defaults", "properties": {"spark.sql.shuffle.partitions": "64"}}
        ],
        # A later run of the DAG finds the application that an earlier one left behind.
        reuse_existing=True,
    )
    # [/create]
    application_id = create.output["application_id"]

    # [update]
    update = EmrServerlessUpdateApplicationOperator(
        task_id="update",
        application_id=application_id,
        maximum_capacity={"cpu": "64 vCPU", "memory": "256 GB"},
    )
    # [/update]

    # [start-stop]
    start = EmrServerlessStartApplicationOperator(task_id="start", application_id=application_id, deferrable=True)
    stop = EmrServerlessStopApplicationOperator(task_id="stop", application_id=application_id, force_stop=True)
    # [/start-stop]

    delete = EmrServerlessDeleteApplicationOperator(task_id="delete", application_id=application_id, force_stop=True)

    create >> update >> start >> stop >> delete.as_teardown(setups=create)


example_application_lifecycle()
