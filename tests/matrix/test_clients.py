"""An unmodified Spark Connect client in sessions of the local endpoint, with the endpoint's token and nothing else.

There is a session of each family of release labels that has a Spark Connect server of its own, or the nearest.
``make test-clients`` makes a table of what works.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
import pytest

from airflow_emrs_ext.hooks.newer_client import adjust
from airflow_emrs_ext.local.testing import LocalEmr, local_emr
from tests.frames import a_frame_of_pandas_becomes_a_data_frame, rows_become_a_data_frame
from tests.polling import eventually

# A client's channel has threads, and the tests of one process fork none.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

ROLE = "arn:aws:iam::123456789012:role/session"
ROWS = 1_000_000
SERVER = os.environ.get("EMRS_TEST_SERVER")
"""The Spark of the endpoint, if it is one that no release has (``make test-servers``)."""
LABELS = ("emr-spark-8.1.0",) if SERVER else ("emr-7.13.0", "emr-spark-8.0.0", "emr-spark-8.1.0")

pytestmark = [pytest.mark.spark, pytest.mark.timeout(300)]


try:
    CLIENT = version("pyspark-client")
except PackageNotFoundError:
    CLIENT = version("pyspark")


@dataclass(frozen=True)
class Failure:
    """What a client cannot do in sessions of some releases, or on some Spark, and the test that shows it."""

    client: str
    sessions: Collection[str]
    test: str
    reason: str


FRAMES = ("test_rows_become_a_data_frame", "test_a_frame_of_pandas_becomes_a_data_frame")
REASON = "createDataFrame asks for settings that an older Spark does not have, or says otherwise"
FAILURES: Collection[Failure] = [
    *(Failure("4.1", ("emr-7.13.0", "emr-spark-8.0.0"), frames, REASON) for frames in FRAMES),
    *(Failure("4.2", LABELS, frames, REASON) for frames in FRAMES),
    *(Failure("4.3", LABELS, frames, REASON) for frames in FRAMES),
]


class Session:
    """A session of the service, through boto3, and the Spark session of a client in it."""

    def __init__(self, emr: LocalEmr, label: str) -> None:
        self.emr = emr
        self.label = label
        self.service = emr.client("emr-serverless")
        self.application_id = self.service.create_application(
            type="SPARK",
            releaseLabel=label,
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


@pytest.fixture(scope="module", params=LABELS)
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    with local_emr(runner="spark", application_start_seconds=0.05, scheduling_seconds=0.02) as emr:
        yield Session(emr, request.param)


@pytest.fixture(scope="module")
def spark(session: Session) -> Iterator[Any]:
    spark = session.connect()
    yield spark
    spark.stop()


@pytest.fixture(autouse=True)
def _what_is_known_to_fail(request: pytest.FixtureRequest, session: Session) -> None:
    for one in FAILURES:
        is_here = CLIENT.startswith(one.client) and (SERVER or session.label) in one.sessions
        if is_here and request.node.originalname == one.test:
            request.applymarker(pytest.mark.xfail(reason=one.reason, strict=True))


def test_the_client_is_that_of_the_lock() -> None:
    assert Path(sys.prefix).name == f".venv-client-{CLIENT}"


def test_the_session_runs_the_spark_of_its_release(
    spark: Any, session: Session, record_property: Callable[[str, object], None]
) -> None:
    record_property("server", spark.version)
    if SERVER:
        assert spark.version == SERVER
        return
    # No package has a server of 3.5: what is nearest serves in its place.
    assert spark.version.rpartition(".")[0] == {"emr-spark-8.1.0": "4.1"}.get(session.label, "4.0")


def test_sql(spark: Any) -> None:
    spark.sql("CREATE OR REPLACE TEMPORARY VIEW numbers AS SELECT id, id % 3 AS k FROM range(10)")
    rows = spark.sql("SELECT k, count(*) AS n FROM numbers WHERE id < :limit GROUP BY k ORDER BY k", {"limit": 7})
    assert [tuple(row) for row in rows.collect()] == [(0, 3), (1, 2), (2, 2)]


def test_an_error_of_spark_keeps_its_class(spark: Any) -> None:
    from pyspark.errors import AnalysisException

    with pytest.raises(AnalysisException, match="TABLE_OR_VIEW_NOT_FOUND"):
        spark.sql("SELECT * FROM none").collect()


def test_data_frame(spark: Any) -> None:
    from pyspark.sql import functions as F  # noqa: N812 - Spark's own alias

    frame = spark.range(10).withColumn("k", F.col("id") % 2).groupBy("k").agg(F.sum("id").alias("n")).orderBy("k")
    assert [row.asDict() for row in frame.collect()] == [{"k": 0, "n": 20}, {"k": 1, "n": 25}]
    assert frame.schema.simpleString() == "struct<k:bigint,n:bigint>"


def test_rows_become_a_data_frame(spark: Any) -> None:
    rows_become_a_data_frame(spark)


def test_a_frame_of_pandas_becomes_a_data_frame(spark: Any) -> None:
    a_frame_of_pandas_becomes_a_data_frame(spark)


def test_both_in_a_session_of_this_package(session: Session, caplog: pytest.LogCaptureFixture) -> None:
    """It adds what a server lacks that is older than the client, and names the client that is right."""
    spark = session.connect()
    adjust(spark, logging.getLogger("task"))
    rows_become_a_data_frame(spark)
    a_frame_of_pandas_becomes_a_data_frame(spark)
    is_newer = tuple(map(int, CLIENT.split(".")[:2])) > tuple(map(int, spark.version.split(".")[:2]))
    assert bool(caplog.messages) == is_newer
    if is_newer:
        # Of Spark 4.0 four, and the threshold; of 4.1 one, which it says with a unit.
        added = 5 if spark.version < "4.1" else 1
        assert f"({added} settings were added" in caplog.text
        assert f"pyspark {spark.version.rpartition('.')[0]} is the client for it" in caplog.text
    spark.stop()


def test_python_udf(spark: Any) -> None:
    from pyspark.sql import functions as F  # noqa: N812

    offset = 40
    add = F.udf(lambda value: value + offset, "long")
    assert [row[0] for row in spark.range(3).select(add("id")).collect()] == [40, 41, 42]


def test_pandas_udf(spark: Any) -> None:
    from pyspark.sql import functions as F  # noqa: N812

    def halves(values: pd.Series) -> pd.Series:  # type: ignore[type-arg]
        return values / 2

    half = F.pandas_udf(halves, "double")
    assert [row[0] for row in spark.range(3).select(half("id")).collect()] == [0.0, 0.5, 1.0]


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
