"""What the web server does while AWS is silent."""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress

import pytest
from botocore.config import Config

from airflow_emrs_ext.plugin.targets import target
from airflow_emrs_ext.plugin.views import LinkUnavailable, connecting
from airflow_emrs_ext.plugin.views.connecting import PageHook
from tests.endpoint.plugin.test_targets import Fixture, no_target, work
from tests.polling import eventually

pytestmark = pytest.mark.airflow

__all__ = ["work"]


def test_who_waits_for_aws_keeps_nobody_else_waiting(work: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    silent, other = (work.job_run(work.application(), "SUCCESS") for _ in range(2))
    target("spark-ui", other)  # who comes first waits for imports
    monkeypatch.setattr(connecting, "_IN_SECONDS", Config(read_timeout=3600, retries={"total_max_attempts": 1}))
    work.emr.inject("GetJobRun", "stall", application_id=silent.ids["application_id"])

    def wait() -> None:
        # Until the endpoint ends, or the tests do.
        with suppress(LinkUnavailable):
            target("spark-ui", silent)

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    eventually(lambda: not work.emr.faults())
    assert target("spark-ui", other)
    assert target("console", silent)
    assert waiting.is_alive()


def test_a_page_says_that_aws_does_not_answer(work: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "_IN_SECONDS", Config(read_timeout=0.3, retries={"total_max_attempts": 1}))
    record = work.job_run(work.application(), "SUCCESS")
    work.emr.inject("*", "stall", times=None)
    began = time.monotonic()
    none = no_target(lambda: target("spark-ui", record))
    assert time.monotonic() - began < 30
    assert (none.status, none.title, none.again_after) == (503, "AWS does not answer", 5)
    assert all(one in none.text for one in (*record.ids.values(), "aws_default"))


def test_limits_of_seconds_whatever_the_connection_says(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"read_timeout": 600, "connect_timeout": 600, "retries": {"max_attempts": 9}, "user_agent_extra": "mine"}
    connection = {"conn_type": "aws", "login": "a", "password": "b", "extra": {"config_kwargs": said}}
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps(connection))
    hook = PageHook(aws_conn_id="mine", region_name="eu-west-1")
    for service in ("emr-serverless", "s3", "logs"):
        config = hook.client(service).meta.config
        assert (config.connect_timeout, config.read_timeout, config.retries["total_max_attempts"]) == (2, 4, 1)
        assert "mine" in config.user_agent_extra
