"""The same answers with the Amazon provider's operators: what became of the task and its job run, as facts.

Nothing is judged here. An answer is wrong once, for sixty seconds of real time, or until the task has failed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from airflow.providers.amazon.aws.operators.emr import EmrContainerOperator, EmrServerlessStartJobOperator

from airflow_emrs_ext.job_spec import eks_spark_submit, spark_submit
from tests.answers.resources import RESOURCES, ROLE, Resource

# How long an answer is wrong: these operators leave repetitions to botocore, whose pauses cannot be made shorter.
_WHILE_SECONDS = 60.0

# How often they look, in seconds; the operators' own defaults are 60 and 30.
_DELAY = 5


def _start_job_run(place: str, **given: Any) -> Any:
    return EmrServerlessStartJobOperator(
        application_id=place,
        execution_role_arn=ROLE,
        job_driver=spark_submit("s3://b/job.py"),
        waiter_max_attempts=1000,
        **_common(given),
        waiter_delay=_DELAY,
    )


def _start_eks_job_run(place: str, **given: Any) -> Any:
    return EmrContainerOperator(
        virtual_cluster_id=place,
        execution_role_arn=ROLE,
        release_label="emr-7.9.0-latest",
        job_driver=eks_spark_submit("s3://b/job.py"),
        poll_interval=_DELAY,
        **_common(given),
    )


def _common(given: dict[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in ("task_id", "name", "aws_conn_id", "deferrable", "retries")}


AMAZON: dict[str, Resource] = {
    f"Amazon provider, {name}": replace(
        RESOURCES[name], start=start, while_seconds=_WHILE_SECONDS, ever_seconds=1.5 * _WHILE_SECONDS
    )
    for name, start in {"job run": _start_job_run, "EKS job run": _start_eks_job_run}.items()
}
OPERATIONS = ("start", "get")
