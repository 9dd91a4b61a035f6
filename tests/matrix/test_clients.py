"""An unmodified Spark Connect client in a session of the local endpoint, with the endpoint's token and nothing else."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from airflow_emrs_ext.local.testing import LocalEmr, local_emr
from tests.polling import eventually

# A client's channel has threads, and the tests of one process fork none.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

ROLE = "arn:aws:iam::123456789012:role/session"
ROWS = 1_000_000

pytestmark = [pytest.mark.spark, pytest.mark.timeout(300)]


class Session:
    """A session of the service, through boto3, and the Spark session of a client in it."""

    def __init__(self, emr: LocalEmr) -> None:
        self.emr = emr
        self.service = emr.client("emr-serverless")
        self.application_id = self.service.create_application(
            type="SPARK",
            releaseLabel="emr-7.13.0",
            clientToken="clients",
            interactiveConfiguration={"sessionEnabled": True},
        )["applicationId"]
        self.session_id = self.service.start_session(
            applicationId=self.application_id, executionRoleArn=ROLE, clientToken="clients"
        )["sessionId"]
        eventually(lambda: self.state in ("STARTED", "IDLE"), within=120)

    @property
    def _ids(self) -> dict[str, str]:
        return {"applicationId": self.application_id, "sessionId": self.session_id}

    @property
    def state(self) -> str:
        return str(self.service.get_session(**self._ids)["session"]["state"])

    def connect(self) -> Any:
        """A Spark session with a token of its own."""
        from pyspark.sql import SparkSession

        answer = self.service.get_session_endpoint(**self._ids)
        host = urlsplit(answer["endpoint"]).netloc
        return SparkSession.builder.remote(f"sc://{host}/;x-aws-proxy-auth={answer['authToken']}").create()

    def terminate(self) -> None:
        self.service.terminate_session(**self._ids)
        eventually(lambda: self.state == "TERMINATED", within=60)


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with local_emr(runner="spark", application_start_seconds=0.05, scheduling_seconds=0.02) as emr:
        yield Session(emr)


@pytest.fixture(scope="module")
def spark(session: Session) -> Iterator[Any]:
    spark = session.connect()
    yield spark
    spark.stop()


def test_the_client_is_that_of_the_lock() -> None:
    try:
        client = version("pyspark-client")
    except PackageNotFoundError:
        client = version("pyspark")
    assert Path(sys.prefix).name == f".venv-client-{client}"


def test_sql(spark: Any) -> None:
    spark.sql("CREATE OR REPLACE TEMPORARY VIEW numbers AS SELECT id, id % 3 AS k FROM range(10)")
    rows = spark.sql("SELECT k, count(*) AS n FROM numbers WHERE id < :limit GROUP BY k ORDER BY k", {"limit": 7})
    assert [tuple(row) for row in rows.collect()] == [(0, 3), (1, 2), (2, 2)]


def test_an_error_of_spark_keeps_its_class(spark: Any) -> None:
    from pyspark.errors import AnalysisException

    with pytest.raises(AnalysisException, match="TABLE_OR_VIEW_NOT_FOUND"):
        spark.sql("SELECT * FROM none").collect()


def test_data_frame(spark: Any) -> None:
    import pandas as pd
    from pyspark.sql import functions as F  # noqa: N812 - Spark's own alias

    frame = spark.createDataFrame(pd.DataFrame({"word": ["b", "a", "b"], "n": [1, 2, 3]}))
    sums = frame.groupBy("word").agg(F.sum("n").alias("n")).orderBy("word")
    assert [row.asDict() for row in sums.collect()] == [{"word": "a", "n": 2}, {"word": "b", "n": 4}]
    assert sums.schema.simpleString() == "struct<word:string,n:bigint>"


def test_python_udf(spark: Any) -> None:
    from pyspark.sql import functions as F  # noqa: N812

    offset = 40
    add = F.udf(lambda value: value + offset, "long")
    assert [row[0] for row in spark.range(3).select(add("id")).collect()] == [40, 41, 42]


def test_a_million_rows(spark: Any) -> None:
    began = time.monotonic()
    frame = spark.range(ROWS).selectExpr("id", "id * 0.5 AS half", "concat('row ', id) AS text").toPandas()
    print(f"{ROWS} rows, {frame.memory_usage().sum() / 1e6:.0f} MB in {time.monotonic() - began:.1f} s")
    assert len(frame) == ROWS
    assert int(frame["id"].sum()) == ROWS * (ROWS - 1) // 2
    assert frame["text"].iloc[-1] == f"row {ROWS - 1}"


def test_stop_is_prompt_and_leaves_the_session_to_others(session: Session, spark: Any) -> None:
    other = session.connect()
    assert other.range(3).count() == 3
    began = time.monotonic()
    other.stop()
    assert time.monotonic() - began < 5
    assert spark.range(4).count() == 4


def test_work_makes_the_session_busy_and_rest_idle(session: Session, spark: Any) -> None:
    with ThreadPoolExecutor(1) as pool:
        nap = pool.submit(spark.sql("SELECT reflect('java.lang.Thread', 'sleep', 3000L)").collect)
        eventually(lambda: session.state == "BUSY", within=30)
        nap.result()
    eventually(lambda: session.state == "IDLE", within=30)


def test_expired_token_fails_soon(session: Session) -> None:
    session.emr.configure(session_token_seconds=2)
    short = session.connect()
    session.emr.configure(session_token_seconds=3600)
    assert short.range(3).count() == 3

    def refusal() -> str | None:
        try:
            short.range(3).count()
        except Exception as error:  # each version of the client has a class of its own for it
            return str(error)
        return None

    assert "expired" in eventually(refusal, within=20)
    assert session.connect().range(3).count() == 3


def test_terminated_session_ends_its_clients_soon(session: Session, spark: Any) -> None:
    session.terminate()
    began = time.monotonic()
    with pytest.raises(Exception, match=session.session_id):
        spark.range(1).count()
    assert time.monotonic() - began < 20
