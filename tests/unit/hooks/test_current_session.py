"""Ordinary PySpark code finds the session of its block, and never another one's."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytest.importorskip("pyspark.sql.connect.session")

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.connect.session import SparkSession as ConnectSession

from airflow_emrs_ext.hooks.current_session import current


@pytest.fixture(autouse=True)
def nothing_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No address, and no session that an earlier test of this process has left open."""
    monkeypatch.delenv("SPARK_REMOTE", raising=False)
    monkeypatch.setattr(ConnectSession, "_default_session", None)
    monkeypatch.setattr(ConnectSession, "_active_session", threading.local())
    yield
    assert "SPARK_REMOTE" not in os.environ


@pytest.fixture
def sessions() -> Iterator[list[Any]]:
    """Sessions of servers that nobody asks anything."""
    made = [ConnectSession(connection=f"sc://127.0.0.1:{port}") for port in (9, 10)]
    yield made
    for one in made:
        one._client.close()


def found() -> list[Any]:
    """What code finds that was not given any."""
    return [SparkSession.builder.getOrCreate(), SparkSession.getActiveSession(), SparkSession.active()]


def in_a_thread(look: Any) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(look).result(timeout=20)


def test_the_session_of_the_block_is_found(sessions: list[Any]) -> None:
    with current(sessions[0], "sc://127.0.0.1:9"):
        assert found() == [sessions[0]] * 3
        assert in_a_thread(SparkSession.builder.getOrCreate) is sessions[0]
    assert SparkSession.getActiveSession() is None
    with pytest.raises(PySparkException):
        SparkSession.builder.getOrCreate()


def test_an_inner_block_has_its_own(sessions: list[Any]) -> None:
    with current(sessions[0], "sc://127.0.0.1:9"):
        with current(sessions[1], "sc://127.0.0.1:10"):
            assert found() == [sessions[1]] * 3
        assert found() == [sessions[0]] * 3


def test_threads_never_see_each_others(sessions: list[Any]) -> None:
    both = threading.Barrier(3)

    def work(spark: Any) -> list[Any]:
        with current(spark, "sc://127.0.0.1:9"):
            both.wait(20)
            seen = found()
            both.wait(20)
            return seen

    with ThreadPoolExecutor(2) as pool:
        working = [pool.submit(work, one) for one in sessions]
        both.wait(20)
        # A thread of neither block: whose session it means is not known.
        with pytest.raises(PySparkException):
            SparkSession.builder.getOrCreate()
        both.wait(20)
        assert [one.result(20) for one in working] == [[one] * 3 for one in sessions]


def test_an_address_of_the_users_own_comes_back(sessions: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setenv("SPARK_REMOTE", "sc://elsewhere")
        with current(sessions[0], "sc://127.0.0.1:9"), current(sessions[1], "sc://127.0.0.1:10"):
            assert os.environ["SPARK_REMOTE"] != "sc://elsewhere"
        assert os.environ["SPARK_REMOTE"] == "sc://elsewhere"


def test_sessions_of_the_users_own_come_back(sessions: list[Any]) -> None:
    """Of the thread and of the process, which need not be the same."""
    ConnectSession._active_session.session = sessions[0]
    ConnectSession._default_session = sessions[0]
    inner = ConnectSession(connection="sc://127.0.0.1:11")
    with current(inner, "sc://127.0.0.1:11"):
        assert found() == [inner] * 3
        assert in_a_thread(SparkSession.builder.getOrCreate) is inner
    inner._client.close()
    assert SparkSession.active() is sessions[0]
    assert in_a_thread(SparkSession.active) is sessions[0]


def test_what_pyspark_made_the_default_is_the_blocks_own(sessions: list[Any]) -> None:
    """It makes the first session that is created the default one of the process."""
    ConnectSession._set_default_and_active_session(sessions[0])
    with current(sessions[0], "sc://127.0.0.1:9"):
        assert found() == [sessions[0]] * 3
    assert ConnectSession._default_session is None
