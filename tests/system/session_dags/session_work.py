"""Tasks that work in sessions; which, and with which other interpreter, says the environment."""

from __future__ import annotations

import os

from airflow import DAG
from airflow.decorators import task

from airflow_emrs_ext._compat import AIRFLOW_3
from airflow_emrs_ext.operators.spark import EmrServerlessSparkSqlOperator

OWN = {"application_id": os.environ["APPLICATION_ID"], "execution_role_arn": os.environ["ROLE"], "waiter_delay": 0.5}
GIVEN = {
    "session": {"application_id": os.environ["APPLICATION_ID"], "session_id": os.environ["SESSION_ID"]},
    "waiter_delay": 0.5,
}

with DAG("session_work", schedule=None):

    @task.emr_serverless_session(**OWN)
    def own(spark, n, ti=None):
        return {"sum": spark.range(n).groupBy().sum("id").collect()[0][0], "task_id": ti.task_id}

    def as_people_write_it(spark):
        from concurrent.futures import ThreadPoolExecutor

        from pyspark.sql import SparkSession

        def library():
            return SparkSession.builder.appName("a library").config("spark.sql.shuffle.partitions", "3").getOrCreate()

        with ThreadPoolExecutor(1) as pool:
            found = [library(), SparkSession.getActiveSession(), SparkSession.active(), pool.submit(library).result()]
        return {
            "are_the_same": [one is spark for one in found],
            "partitions": spark.conf.get("spark.sql.shuffle.partitions"),
            "sum": library().range(4).groupBy().sum("id").first()[0],
        }

    @task.emr_serverless_session(**GIVEN)
    def own_that_fails_in_spark(spark):
        spark.sql("SELECT * FROM no_such_table").collect()

    @task.emr_serverless_session(**OWN)
    def own_that_fails(spark):
        raise ValueError(f"the work fails at {spark.range(3).count()}")

    @task.emr_serverless_session(
        **OWN,
        runtime_configuration={
            f"spark.connect.session.manager.{name}": "1s" for name in ("defaultSessionTimeout", "maintenanceInterval")
        },
    )
    def own_that_pauses(spark):
        import time

        spark.range(3).count()
        time.sleep(6)
        spark.range(3).count()

    @task.emr_serverless_session(**OWN)
    def own_that_is_terminated(spark, ti=None):
        import time

        from airflow_emrs_ext.hooks.serverless import EmrServerlessHook

        spark.range(3).count()
        ids = {key: ti.xcom_pull(task_ids=ti.task_id, key=key) for key in ("application_id", "session_id")}
        EmrServerlessHook().terminate_session(**ids)
        began = time.monotonic()
        try:
            spark.range(3).count()
        finally:
            print(f"It took {time.monotonic() - began:.1f} s to notice")

    @task.emr_serverless_session(**GIVEN)
    def given(n: int, spark, *, times: int = 1) -> int:
        return spark.sql("SELECT count(*) FROM range(:n)", {"n": n}).collect()[0][0] * times

    @task.emr_serverless_session(**GIVEN)
    def frame(spark):
        return {"frames": [spark.range(3)]}

    @task.emr_serverless_session(**GIVEN)
    def rows(spark):
        return spark.sql("SELECT 1 AS a, named_struct('x', array('y')) AS b").collect()

    @task.emr_serverless_session(**GIVEN)
    def udf(spark, offset):
        from pyspark.sql import functions as F  # noqa: N812 - Spark's own alias

        add = F.udf(lambda value: value + offset, "long")
        return [row[0] for row in spark.range(3).select(add("id")).collect()]

    @task.emr_serverless_session(**GIVEN, python=os.environ["OTHER_PYTHON"])
    def elsewhere(spark, n):
        import contextlib
        import os
        import sys
        from pathlib import Path

        def read(name):
            for path in Path("/proc").glob(f"[0-9]*/{name}"):
                # A process may be another user's, or gone meanwhile.
                with contextlib.suppress(OSError):
                    yield path.read_bytes()

        return {
            "prefix": sys.prefix,
            "count": spark.range(n).count(),
            "rows": spark.sql("SELECT 1 AS a").collect(),
            "own_environment": dict(os.environ),
            "token_in_environments": any(b"emrs-local-session" in text for text in read("environ")),
            "token_in_commands": any(b"emrs-local-session" in text for text in read("cmdline")),
        }

    # Airflow 2 makes virtual environments with a package that need not be there.
    if AIRFLOW_3:

        @task.emr_serverless_session(
            **GIVEN, requirements=[], env_vars={"PYTHONPATH": os.environ["PACKAGES"]}, venv_cache_path=None
        )
        def in_a_virtual_environment(spark):
            import sys

            return {"prefix": sys.prefix, "count": spark.range(4).count()}

        in_a_virtual_environment()

    @task.emr_serverless_session(**GIVEN, python=os.environ["OTHER_PYTHON"])
    def frame_elsewhere(spark):
        return spark.range(3)

    sql = EmrServerlessSparkSqlOperator(
        task_id="sql",
        sql="""
            CREATE OR REPLACE TEMPORARY VIEW visits AS SELECT id, id % 3 AS page FROM range(30);
            -- the parameter is a value; nothing is pasted
            SELECT page, count(*) AS n, CAST(1.5 AS DECIMAL(4, 2)) AS d, DATE'2026-05-01' AS day
            FROM visits WHERE id < :until GROUP BY page ORDER BY page;
        """,
        parameters={"until": 9},
        row_limit=2,
        **GIVEN,
    )
    sql_to_table = EmrServerlessSparkSqlOperator(
        task_id="sql_to_table",
        sql=["CREATE TABLE IF NOT EXISTS numbers (id BIGINT) USING parquet", "SELECT id FROM range(5)"],
        output_table="numbers",
        output_mode="append",
        **GIVEN,
    )
    sql_to_path = EmrServerlessSparkSqlOperator(
        task_id="sql_to_path",
        sql="SELECT id FROM range({{ 5 + 2 }})",
        output_path=f"s3://{os.environ['BUCKET']}/written",
        **GIVEN,
    )
    sql_from_file = EmrServerlessSparkSqlOperator(task_id="sql_from_file", sql="session_work.sql", **GIVEN)
    sql_compound = EmrServerlessSparkSqlOperator(
        task_id="sql_compound",
        sql="""
            CREATE OR REPLACE TEMPORARY VIEW few AS SELECT id FROM range(4);
            BEGIN
                DECLARE most INT DEFAULT 2;
                IF most > 1 THEN SET most = most + 1; END IF;
                SELECT id, CASE WHEN id > 2 THEN 'late' ELSE 'soon' END AS word FROM few WHERE id >= most - 1;
            END;
        """,
        **GIVEN,
    )
    sql_whole = EmrServerlessSparkSqlOperator(task_id="sql_whole", sql="SELECT 'a;b' AS text", split=False, **GIVEN)
    sql_that_fails = EmrServerlessSparkSqlOperator(
        task_id="sql_that_fails", sql="SELECT 1; SELECT * FROM no_such_table", **OWN
    )

    own(10)
    task.emr_serverless_session(as_people_write_it, **GIVEN)()
    task.emr_serverless_session(
        as_people_write_it, task_id="as_people_write_it_elsewhere", python=os.environ["OTHER_PYTHON"], **GIVEN
    )()
    own_that_fails()
    own_that_fails_in_spark()
    own_that_is_terminated()
    own_that_pauses()
    given.expand(n=[3, 4])
    frame()
    rows()
    udf(40)
    elsewhere(5)
    frame_elsewhere()
    sql >> sql_to_table >> sql_from_file >> sql_compound >> sql_whole
