"""Tasks wrapped into a session: what the context manager makes of the DAG."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_emrs_ext._compat import AIRFLOW_3
from airflow_emrs_ext.operators.session import emr_serverless_session

if AIRFLOW_3:
    from airflow.sdk import DAG, task
else:
    from airflow import DAG
    from airflow.decorators import task

pytestmark = pytest.mark.airflow


def dag_of(**parameters: Any) -> Any:
    with DAG("a_dag", start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), schedule=None) as dag:

        @task
        def work(session: Any, number: int) -> None:
            """Do something in the session."""

        @task
        def afterwards() -> None:
            """Do something in it that takes no reference."""

        with emr_serverless_session(application_id="00fapp", execution_role_arn="role", **parameters) as session:
            work.partial(session=session).expand(number=[1, 2]) >> afterwards()
    return dag


def test_setup_and_teardown_enclose_the_tasks() -> None:
    dag = dag_of()
    start, terminate = dag.get_task("start_session"), dag.get_task("terminate_session")
    assert start.is_setup
    assert terminate.is_teardown
    assert start.downstream_task_ids == {"work", "afterwards", "terminate_session"}
    assert terminate.upstream_task_ids == {"afterwards", "start_session"}


def test_the_teardown_has_the_connection_of_the_setup() -> None:
    dag = dag_of(
        aws_conn_id="mine",
        region_name="eu-west-1",
        deferrable=True,
        idle_timeout_minutes=5,
        task_id="x",
        terminate={"retries": 7},
    )
    start, terminate = dag.get_task("start_x"), dag.get_task("terminate_x")
    assert start.idle_timeout_minutes == 5
    assert (terminate.aws_conn_id, terminate.region_name, terminate.deferrable) == ("mine", "eu-west-1", True)
    assert (start.retries, terminate.retries) == (0, 7)
