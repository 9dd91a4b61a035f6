"""The operators on real Spark, blocking and deferrable: the same ends, and errors that say what the driver said."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from airflow_emrs_ext.exceptions import EmrError, JobRunCancelled, JobRunFailed
from airflow_emrs_ext.local.testing import LocalEmr, local_emr
from tests.polling import eventually
from tests.running import TaskRun, run_task
from tests.services import SERVICES, Service

pytestmark = [pytest.mark.spark, pytest.mark.airflow, pytest.mark.timeout(300)]

SMALL = {
    "spark.driver.cores": "1",
    "spark.driver.memory": "2g",
    "spark.executor.cores": "1",
    "spark.executor.memory": "2g",
    "spark.executor.instances": "2",
}

SUM = """
from pyspark.sql import SparkSession
print("sum", SparkSession.builder.getOrCreate().range(101).groupBy().sum().first()[0])
"""
FAIL = SUM + "raise ValueError('the third column is empty')\n"
# The first attempt leaves a marker on S3 and fails; the second finds it.
FAIL_ONCE = """
import sys, boto3
s3 = boto3.client("s3")
bucket, key = sys.argv[1:]
if not s3.list_objects_v2(Bucket=bucket, Prefix=key).get("KeyCount"):
    s3.put_object(Bucket=bucket, Key=key)
    raise RuntimeError("not yet")
"""
SLEEP = """
import time
from pyspark.sql import SparkSession
SparkSession.builder.getOrCreate().range(1).count()
while True:
    time.sleep(1)
"""


@dataclass
class Scenario:
    name: str
    program: str
    arguments: list[str] = field(default_factory=list)
    operator: dict[str, Any] = field(default_factory=dict)
    meanwhile: Callable[[LocalEmr, Service, str, str], None] | None = None
    error: type[EmrError] | None = None
    said: str = ""
    attempts: tuple[str, ...] = ("SUCCESS",)


def cancel_when_running(emr: LocalEmr, service: Service, place: str, name: str) -> None:
    def running() -> list[dict[str, Any]]:
        return [run for run in service.list_runs(emr, place) if run["name"] == name and run["state"] == "RUNNING"]

    (run,) = eventually(running, within=60)
    service.cancel(emr, place, run)


SCENARIOS = [
    Scenario("success", SUM),
    Scenario("failure", FAIL, error=JobRunFailed, said="ValueError: the third column is empty", attempts=("FAILED",)),
    Scenario(
        "retry-then-success",
        FAIL_ONCE,
        ["data", "marker/{service}/{mode}"],
        {"retry_policy": {"maxAttempts": 3}},
        attempts=("FAILED", "SUCCESS"),
    ),
    Scenario("cancelled", SLEEP, meanwhile=cancel_when_running, error=JobRunCancelled, attempts=("CANCELLED",)),
]


@pytest.fixture(scope="module")
def spark() -> Iterator[LocalEmr]:
    with local_emr("spark", application_start_seconds=0.05, scheduling_seconds=0.02, eks_retry_seconds=0.5) as emr:
        s3 = emr.client("s3")
        for bucket in ("data", "logs"):
            s3.create_bucket(Bucket=bucket)
        yield emr


@pytest.fixture
def _connected(spark: LocalEmr, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in spark.environ.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("_connected")
@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_both_modes_end_the_same_on_real_spark(spark: LocalEmr, scenario: Scenario, service: Service) -> None:
    spark.client("s3").put_object(Bucket="data", Key=f"{scenario.name}.py", Body=scenario.program.encode())
    place = service.make_place(spark, "s3://logs/")
    ends = []
    for mode in ("blocking", "deferrable"):
        run = start(spark, service, place, scenario, mode)
        facts = run.result if run.error is None else getattr(run.error, "facts", {})
        assert type(run.error) is (scenario.error or type(None)), run.error
        assert scenario.said in str(run.error)
        states = tuple(attempt["state"] for attempt in facts["attempts"])
        assert states == tuple(service.word(state) for state in scenario.attempts)
        assert facts["log_locations"]["s3_uri"].startswith("s3://logs/")
        assert f"{place}/jobs/" in facts["log_locations"]["s3_uri"]
        if "billed_resource_utilization" in facts:
            assert facts["billed_resource_utilization"]["vcpu_hour"] > 0
        ends.append(run.comparable())
        for one in (ends[-1]["facts"], ends[-1]["result"]):
            for log in (one or {}).get("driver_logs", ()):
                # A traceback names the driver's own folder, a log the time; a pod has a name of its own.
                log["text"], log["places"] = bool(log["text"]), len(log["places"])
    assert ends[0] == ends[1]


def start(emr: LocalEmr, service: Service, place: str, scenario: Scenario, mode: str) -> TaskRun:
    arguments = [argument.format(mode=mode, service=service.kind.key) for argument in scenario.arguments]
    operator = {
        "task_id": "spark",
        "name": scenario.name,
        "client_request_token": f"{scenario.name}-{mode}",
        "waiter_delay": 0.5,
        "deferrable": mode == "deferrable",
        **scenario.operator,
    }
    helper = None
    if scenario.meanwhile:
        helper = threading.Thread(target=scenario.meanwhile, args=(emr, service, place, scenario.name))
        helper.start()
    try:
        driver = (f"s3://data/{scenario.name}.py", arguments)
        return run_task(lambda: service.operator(place, *driver, conf=SMALL, **operator))
    finally:
        if helper:
            helper.join()
