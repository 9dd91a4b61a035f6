"""A client newer than its session's Spark gets what createDataFrame asks for; any other is left alone."""

from __future__ import annotations

import logging

import pyspark
import pytest
from pyspark.errors import PySparkException

from airflow_emrs_ext.hooks.newer_client import adjust

OF_4_0 = {
    "spark.sql.execution.pandas.inferPandasDictAsMap": "false",
    "spark.sql.pyspark.legacy.inferMapTypeFromFirstPair.enabled": "true",
}
PARTS = {
    "spark.sql.session.localRelationChunkSizeRows": "5",
    "spark.sql.session.localRelationChunkSizeBytes": "6",
    "spark.sql.session.localRelationBatchOfChunksSizeBytes": "7",
}
SIZE_LIMIT = "spark.sql.session.localRelationSizeLimit"
THRESHOLD = "spark.sql.session.localRelationCacheThreshold"


class Spark:
    """As much of a Spark session as has a version and settings."""

    def __init__(self, version: str, settings: dict[str, str]) -> None:
        self.version = version
        self.settings = {THRESHOLD: "1048576", **settings}
        self.conf = self

    def get(self, name: str) -> str:
        return self.settings[name]

    def isModifiable(self, name: str) -> bool:  # noqa: N802 - as PySpark's
        return name in self.settings

    def set(self, name: str, value: str) -> None:
        self.settings[name] = value


@pytest.mark.parametrize("server", ["4.1.3", "4.1.9-amzn-0", "4.2.0", "5.0.0", "unknown"])
def test_of_a_server_of_its_version_or_newer_or_of_none_nothing_is_changed(
    server: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pyspark, "__version__", "4.1.4")
    spark = Spark(server, {})

    adjust(spark, logging.getLogger("task"))

    assert set(spark.settings) == {THRESHOLD}
    assert not caplog.messages


@pytest.mark.parametrize(
    ("client", "server", "has", "added"),
    [
        ("4.1.3", "3.5.6-amzn-2", {}, 7),
        ("4.1.3", "4.0.2-amzn-0", OF_4_0, 5),
        ("4.2.0", "4.1.1", {**OF_4_0, **PARTS}, 1),
        ("4.2.0", "4.1.4", {**OF_4_0, **PARTS, SIZE_LIMIT: "3221225472b"}, 1),
        ("4.9.0", "4.8.0", {**OF_4_0, **PARTS, SIZE_LIMIT: "8"}, 0),
    ],
)
def test_an_older_server_gets_what_it_lacks_and_keeps_what_it_has(
    client: str,
    server: str,
    has: dict[str, str],
    added: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(pyspark, "__version__", client)
    spark = Spark(server, has)

    adjust(spark, logging.getLogger("task"))

    assert {name: spark.settings[name] for name in has} == {
        name: value.removesuffix("b") for name, value in has.items()
    }
    # Larger data goes in one piece only where the server does not know parts of it.
    assert spark.settings[THRESHOLD] == ("67108864" if not PARTS.keys() & has.keys() else "1048576")
    (message,) = caplog.messages
    assert message.startswith(f"pyspark {client} of this task is newer than Spark {server} of the session")
    assert message.endswith(f"pyspark {server[:3]} is the client for it")
    assert (f"({added} settings were added, with which createDataFrame works" in message) == (added > 0)


def test_a_session_that_does_not_answer_fails_no_task(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Silent(Spark):
        def isModifiable(self, name: str) -> bool:  # noqa: N802
            raise PySparkException("the session is gone")

    monkeypatch.setattr(pyspark, "__version__", "4.1.4")
    caplog.set_level(logging.INFO)

    adjust(Silent("4.0.2", {}), logging.getLogger("task"))

    assert "could not be found out: the session is gone" in caplog.text
