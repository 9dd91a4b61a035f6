"""Job specifications of whatever Airflow renders: Variables, results, mapped tasks, task groups."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator

try:
    from airflow.sdk import DAG, task, task_group
except ImportError:
    from airflow import DAG
    from airflow.decorators import task, task_group

JOB = "s3://b/j.py"


def driver_of(day: str) -> Any:
    """A specification for each of a list of values."""
    return spark_submit(JOB, ["--day", day])


with DAG("rendering", schedule=None, start_date=datetime(2026, 5, 1)):

    @task
    def before() -> dict[str, Any]:
        """What others refer to."""
        return {"path": "s3://b/it's here", "number": 7, "days": ["1 May", "2 May"]}

    @task
    def days() -> list[str]:
        """What is mapped over."""
        return ["1 May", "2 May"]

    @task
    def arguments() -> list[str]:
        """All of a result, and a list: Airflow refuses members of one there, and Airflow 2 anything else."""
        return ["7"]

    result = before()
    application = EmrServerlessCreateApplicationOperator(task_id="application", release_label="emr-7.9.0")
    common: dict[str, Any] = {"execution_role_arn": "arn:aws:iam::123456789012:role/job", "wait_for": "submission"}
    where = {"application_id": application.output, **common}

    EmrServerlessStartJobRunOperator(
        task_id="variable",
        job_driver=spark_submit(JOB, conf={"spark.db": "{{ var.value.get('glue_db', 'dflt') }}"}),
        **where,
    )
    EmrServerlessStartJobRunOperator(
        task_id="reference",
        job_driver=spark_submit(JOB, ["--path", result["path"], result["number"]], conf={"spark.n": result["number"]}),
        **where,
    )
    EmrServerlessStartJobRunOperator(
        task_id="text_of_a_result",
        # Not the id, but the whole result as text, as most DAGs have it.
        application_id="{{ ti.xcom_pull(task_ids='application') }}",
        job_driver=spark_submit(JOB, conf={"spark.path": "{{ ti.xcom_pull(task_ids='before')['path'] }}"}),
        **common,
    ).set_upstream([application, result])
    mapped = EmrServerlessStartJobRunOperator.partial(task_id="mapped", **where)
    mapped.expand(job_driver=days().map(driver_of))
    several = EmrServerlessStartJobRunOperator.partial(task_id="several", **where)
    several.expand(job_driver=[spark_submit(JOB, arguments()), spark_submit(JOB, ["{{ var.value.glue_db }}"])])

    @task_group
    def group(day: str) -> None:
        """Refers to what the group is mapped over."""
        EmrServerlessStartJobRunOperator(task_id="job", job_driver=spark_submit(JOB, [day]), **where)

    group.expand(day=["3 May", "4 May"])
