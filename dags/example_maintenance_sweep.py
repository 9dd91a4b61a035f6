"""Every hour: find the sessions and job runs that finished DAG runs left running, and end them.

Tasks look after what they have started as long as their code has a say. When a worker or a triggerer is lost for good,
it has none: this DAG finds what such an end left, by the tags that each session and job run carries.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow_emrs_ext.operators.sweep import EmrServerlessSweepOperator

try:
    from airflow.sdk import Param, dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
    from airflow.models.param import Param


@dag(
    schedule="@hourly",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={"aws_conn_id": "aws_default"},
    params={"end": Param(True, type="boolean", description="End what is found; otherwise only report it")},
    tags=["example", "emr-serverless"],
    doc_md=__doc__,
)
def example_maintenance_sweep():
    # [sweep]
    sweep = EmrServerlessSweepOperator(
        task_id="sweep",
        end="{{ params.end }}",
        # What belongs to a DAG run that this Airflow does not know may be another Airflow's: only when it is a day old.
        end_unknown_after=timedelta(days=1),
    )
    # [/sweep]

    @task
    def report(orphans: list[dict]) -> int:
        """Print one line for each; an alert would go here."""
        for one in orphans:
            ended = "ended" if one["ended"] else "still running"
            print(f"{one['kind']} {one.get('session_id') or one['job_run_id']} of {one['owner']}: {ended}")
        return len(orphans)

    report(sweep.output["orphans"])


example_maintenance_sweep()
