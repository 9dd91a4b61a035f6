"""One task that works for longer than many tokens live, with short statements beside long ones."""

from __future__ import annotations

import os

from airflow import DAG
from airflow.decorators import task

GIVEN = {"application_id": os.environ.get("APPLICATION_ID"), "session_id": os.environ.get("SESSION_ID")}

with DAG("session_token", schedule=None):

    @task.emr_serverless_session(session=GIVEN)
    def work(spark, seconds, longer_than_a_token):
        import threading
        import time

        from pyspark.sql import functions as F  # noqa: N812 - Spark's own alias

        until = time.monotonic() + seconds
        done = {"short": 0, "long": 0}
        pause = F.udf(lambda value: time.sleep(longer_than_a_token) or value, "long")

        def work_long():
            while time.monotonic() < until:
                assert [row[0] for row in spark.range(1, 2).select(pause("id")).collect()] == [1]
                done["long"] += 1

        beside = threading.Thread(target=work_long)
        beside.start()
        while time.monotonic() < until:
            assert spark.sql("SELECT :n", {"n": done["short"]}).collect()[0][0] == done["short"]
            done["short"] += 1
        beside.join()
        return done

    work(float(os.environ.get("WORK_SECONDS", 0)), float(os.environ.get("LONG_SECONDS", 0)))
