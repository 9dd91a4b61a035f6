"""Spark jobs and a session on an EMR Serverless application that lives as long as the DAG run.

One application, a Spark job with a retry policy (whose first attempt fails on purpose), a second job that reads what
the first one wrote, a session in which SQL and Python work on it, the result in the task log, and nothing left behind.

As it stands it runs on the local endpoint. For AWS give it a bucket, an execution role and a connection of your own:
the first two are parameters of the DAG, the third is ``AWS_CONNECTION``.
"""

from __future__ import annotations

import json
import random
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

from airflow.providers.amazon.aws.hooks.s3 import S3Hook

from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.application_state import EmrServerlessDeleteApplicationOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.operators.session import emr_serverless_session
from airflow_emrs_ext.operators.spark import EmrServerlessSparkSqlOperator

try:
    from airflow.sdk import Param, dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
    from airflow.models.param import Param

AWS_CONNECTION = "aws_default"
JOBS = Path(__file__).parent / "jobs"
VOCABULARY = (
    "river stone lantern harbour meadow winter copper signal orchard thunder paper garden silver mountain".split()
)


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    default_args={"aws_conn_id": AWS_CONNECTION},
    params={
        "bucket": Param("emrs-example", type="string", description="S3 bucket for scripts, data and logs"),
        "execution_role_arn": Param(
            "arn:aws:iam::123456789012:role/emr-serverless-job",
            type="string",
            description="IAM role that the jobs assume",
        ),
        "lines": Param(20_000, type="integer", minimum=1, description="Lines of text to generate"),
    },
    tags=["example", "emr-serverless"],
    doc_md=__doc__,
)
def example_end_to_end():
    @task(multiple_outputs=True)
    def prepare(params: dict | None = None, run_id: str | None = None) -> dict[str, str]:
        """Upload the scripts and some generated text; say where this run keeps its data."""
        s3, bucket = S3Hook(AWS_CONNECTION), params["bucket"]
        if not s3.check_for_bucket(bucket):
            s3.create_bucket(bucket)
        for script in JOBS.glob("*.py"):
            s3.load_file(script, f"jobs/{script.name}", bucket, replace=True)
        prefix = "runs/" + re.sub(r"[^A-Za-z0-9]+", "-", run_id)
        dice = random.Random(run_id)
        weights = [1 / rank for rank in range(1, len(VOCABULARY) + 1)]
        for part in range(4):
            lines = (" ".join(dice.choices(VOCABULARY, weights, k=8)) for _ in range(params["lines"] // 4 + 1))
            s3.load_string("\n".join(lines), f"{prefix}/text/part-{part}.txt", bucket, replace=True)
        base = f"s3://{bucket}/{prefix}"
        return {name: f"{base}/{name}" for name in ("text", "counts", "summary", "marker")}

    @task
    def report(summary: str) -> dict[str, object]:
        """Print the summary that the second job wrote, and return it."""
        s3 = S3Hook(AWS_CONNECTION)
        bucket, prefix = s3.parse_s3_url(summary)
        (key,) = s3.list_keys(bucket, f"{prefix}/part-")
        result = json.loads(s3.read_key(key, bucket))
        print(f"{result['words']} words, {result['different_words']} different")
        for word, count in result["top"]:
            print(f"{count:>8} {word}")
        return result

    data = prepare()

    # [create-application]
    application = EmrServerlessCreateApplicationOperator(
        task_id="create_application",
        name="example-end-to-end",
        release_label="emr-7.13.0",
        interactive_configuration={"sessionEnabled": True},
        maximum_capacity={"cpu": "16 vCPU", "memory": "64 GB"},
        scheduler_configuration={"maxConcurrentRuns": 4, "queueTimeoutMinutes": 60},
        monitoring_configuration={"s3MonitoringConfiguration": {"logUri": "s3://{{ params.bucket }}/logs/"}},
        tags={"dag": "{{ dag.dag_id }}"},
    )
    # [/create-application]

    # [word-count]
    word_count = EmrServerlessStartJobRunOperator(
        task_id="word_count",
        name="word-count",
        application_id=application.output["application_id"],
        execution_role_arn="{{ params.execution_role_arn }}",
        job_driver=spark_submit(
            "s3://{{ params.bucket }}/jobs/word_count.py",
            [data["text"], data["counts"], data["marker"]],
            conf={"spark.executor.cores": "2", "spark.executor.memory": "4g", "spark.executor.instances": "1"},
        ),
        retry_policy={"maxAttempts": 3},
        execution_timeout_minutes=30,
        wait_timeout=timedelta(hours=1),
        deferrable=True,
    )
    # [/word-count]

    top_words = EmrServerlessStartJobRunOperator(
        task_id="top_words",
        name="top-words",
        application_id=application.output["application_id"],
        execution_role_arn="{{ params.execution_role_arn }}",
        job_driver=spark_submit(
            "s3://{{ params.bucket }}/jobs/top_words.py",
            [data["counts"], data["summary"]],
            conf={"spark.executor.cores": "2", "spark.executor.memory": "4g", "spark.executor.instances": "1"},
        ),
        deferrable=False,
    )

    # [session]
    with emr_serverless_session(
        application_id=application.output["application_id"],
        execution_role_arn="{{ params.execution_role_arn }}",
        idle_timeout_minutes=10,
        runtime_configuration={"spark.executor.cores": 2, "spark.executor.memory": "4g", "spark.executor.instances": 1},
        deferrable=True,
    ) as session:
        word_lengths = EmrServerlessSparkSqlOperator(
            task_id="word_lengths",
            session=session,
            sql="""
                CREATE OR REPLACE TEMPORARY VIEW counts AS
                  SELECT * FROM parquet.`{{ ti.xcom_pull(task_ids='prepare', key='counts') }}`;
                SELECT length(word) AS letters, sum(count) AS words FROM counts
                  GROUP BY letters HAVING letters >= :least ORDER BY letters
            """,
            parameters={"least": 5},
        )

        @task.emr_serverless_session(session=session)
        def initials(spark, counts: str) -> dict[str, int]:
            from pyspark.sql import functions as F

            letter = F.substring("word", 1, 1).alias("letter")
            found = spark.read.parquet(counts).groupBy(letter).agg(F.sum("count").alias("words")).orderBy("letter")
            found.show()
            return {row.letter: row.words for row in found.collect()}

        in_session = [word_lengths, initials(data["counts"])]
    # [/session]

    # [delete-application]
    delete_application = EmrServerlessDeleteApplicationOperator(
        task_id="delete_application",
        application_id=application.output["application_id"],
        force_stop=True,
    ).as_teardown(setups=application)
    # [/delete-application]

    data >> application >> word_count >> top_words >> report(data["summary"]) >> delete_application
    word_count >> session.operator
    in_session >> delete_application


example_end_to_end()
