"""One table of scenarios, run through blocking and deferrable mode: results, XComs and errors must be the same."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from airflow_emrs_ext.exceptions import EmrError, JobRunCancelled, JobRunFailed, RequestRejected, WaitTimeout
from airflow_emrs_ext.hooks.serverless import EmrServerlessHook
from airflow_emrs_ext.job_spec import configuration_overrides, spark_submit
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from tests.polling import eventually
from tests.running import TaskRun, run_task

pytestmark = pytest.mark.airflow

ROLE = "arn:aws:iam::123456789012:role/job"
FAILING = ScriptedAttempt(succeeded=False, details="ValueError: boom", ends_after=0.1)
Script = Callable[[LocalEmr, str], None]


@dataclass
class Scenario:
    name: str
    attempts: list[ScriptedAttempt] = field(default_factory=lambda: [ScriptedAttempt()])
    operator: dict[str, Any] = field(default_factory=dict)
    before: Script = lambda emr, application_id: None
    meanwhile: Script | None = None
    state: str = "SUCCESS"
    error: type[EmrError] | None = None
    said: str = ""
    attempt: int = 1
    left: str | None = None
    """State of the job run on the endpoint afterwards, where it differs from ``state``."""


def cancel_when_running(emr: LocalEmr, application_id: str) -> None:
    run = the_only_run(emr, application_id, "RUNNING")
    emr.client("emr-serverless").cancel_job_run(applicationId=application_id, jobRunId=run["jobRunId"])


def occupy_the_only_slot(emr: LocalEmr, application_id: str) -> None:
    client = emr.client("emr-serverless")
    emr.script([ScriptedAttempt(hold=True)], name="occupant")
    client.start_job_run(
        applicationId=application_id, executionRoleArn=ROLE, name="occupant", jobDriver=spark_submit("s3://b/j.py")
    )
    the_only_run(emr, application_id, "RUNNING")


def free_the_slot_when_queued(emr: LocalEmr, application_id: str) -> None:
    the_only_run(emr, application_id, "QUEUED", name="scenario")
    occupant = next(run for run in emr.job_runs(application_id) if run["name"] == "occupant")
    emr.finish(occupant["jobRunId"])


def the_only_run(emr: LocalEmr, application_id: str, state: str, name: str | None = None) -> dict[str, Any]:
    def found() -> dict[str, Any] | None:
        runs = [run for run in emr.job_runs(application_id) if name in (None, run["name"]) and run["state"] == state]
        return runs[0] if runs else None

    return eventually(found)


def inject(*arguments: Any, **keywords: Any) -> Script:
    return lambda emr, application_id: emr.inject(*arguments, **keywords)


SCENARIOS = [
    Scenario("success"),
    Scenario("failure", [FAILING], state="FAILED", error=JobRunFailed, said="ValueError: boom"),
    Scenario(
        "retry then success",
        [FAILING, FAILING, ScriptedAttempt()],
        {"retry_policy": {"maxAttempts": 3}},
        attempt=3,
    ),
    Scenario(
        "every attempt fails",
        [FAILING],
        {"retry_policy": {"maxAttempts": 2}},
        state="FAILED",
        error=JobRunFailed,
        said="attempt 2",
        attempt=2,
    ),
    Scenario(
        "cancelled from outside",
        [ScriptedAttempt(hold=True)],
        meanwhile=cancel_when_running,
        state="CANCELLED",
        error=JobRunCancelled,
    ),
    Scenario(
        "deadline",
        [ScriptedAttempt(hold=True)],
        {"wait_timeout": 2.5},
        state="RUNNING",
        error=WaitTimeout,
        said="wait_timeout",
        left="CANCELLED",
    ),
    Scenario(
        "deadline, run kept",
        [ScriptedAttempt(hold=True)],
        {"wait_timeout": 2.5, "cancel_on_timeout": False},
        state="RUNNING",
        error=WaitTimeout,
        said="wait_timeout",
    ),
    Scenario(
        "execution timeout",
        [ScriptedAttempt(hold=True)],
        {"execution_timeout": timedelta(seconds=3.5)},
        state="RUNNING",
        error=WaitTimeout,
        said="execution_timeout",
        left="CANCELLED",
    ),
    Scenario(
        "limit of the Amazon provider's parameters",
        [ScriptedAttempt(hold=True)],
        {"waiter_delay": 0.5, "waiter_max_attempts": 5},
        state="RUNNING",
        error=WaitTimeout,
        said="wait_timeout",
        left="CANCELLED",
    ),
    Scenario(
        "the service's own time limit",
        [ScriptedAttempt(hold=True)],
        {"execution_timeout_minutes": 5},
        before=lambda emr, _: (emr.configure(seconds_per_minute=0.1), None)[1],
        state="CANCELLED",
        error=JobRunCancelled,
    ),
    Scenario("queued then run", before=occupy_the_only_slot, meanwhile=free_the_slot_when_queued),
    Scenario("streaming", [ScriptedAttempt(hold=True)], {"mode": "STREAMING"}, state="RUNNING"),
    Scenario("wait for running", [ScriptedAttempt(hold=True)], {"wait_for": "running"}, state="RUNNING"),
    Scenario("submission throttled", before=inject("StartJobRun", "throttle", times=1)),
    Scenario("polls throttled", before=inject("GetJobRun", "throttle", times=1)),
    Scenario("submission 5xx", before=inject("StartJobRun", "error", times=1, status=503)),
    Scenario("polls 5xx", before=inject("GetJobRun", "error", times=1)),
    Scenario("connection reset before the effect", before=inject("StartJobRun", "reset", times=1)),
    Scenario("response dropped after the effect", before=inject("StartJobRun", "drop", times=1)),
    Scenario("poll answer dropped", before=inject("GetJobRun", "drop", times=1)),
    Scenario(
        "refused",
        operator={"execution_role_arn": "arn:aws:iam::12:user/me"},
        error=RequestRejected,
        said="`execution_role_arn`",
        state="",
    ),
]


def run_scenario(scenario: Scenario, emr: LocalEmr, application_id: str, deferrable: bool) -> TaskRun:
    emr.script(scenario.attempts, name="scenario")
    scenario.before(emr, application_id)
    arguments = {
        "task_id": "a_task",
        "application_id": application_id,
        "execution_role_arn": ROLE,
        "name": "scenario",
        "job_driver": spark_submit("s3://bucket/job.py", ["1"]),
        "configuration_overrides": configuration_overrides(spark_defaults={"spark.executor.instances": "1"}),
        "waiter_delay": 0.1,
        "deferrable": deferrable,
        **scenario.operator,
    }
    helper = None
    if scenario.meanwhile:
        helper = threading.Thread(target=scenario.meanwhile, args=(emr, application_id))
        helper.start()
    try:
        return run_task(lambda: EmrServerlessStartJobRunOperator(**arguments))
    finally:
        if helper:
            helper.join()


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """What the first client of a process imports takes seconds; no scenario's deadline shall pay for it."""
    EmrServerlessHook(aws_conn_id=None, region_name="us-east-1").get_client_type()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name.replace(" ", "-"))
def test_both_modes_end_the_same(emr: LocalEmr, scenario: Scenario) -> None:
    ends = {}
    for deferrable in (False, True):
        emr.reset()
        application_id = new_application(emr)
        run = run_scenario(scenario, emr, application_id, deferrable)
        assert run.deferred is (deferrable and scenario.error is not RequestRejected)
        check(scenario, run, emr, application_id)
        ends[deferrable] = run.comparable()
    assert ends[False] == ends[True]


def new_application(emr: LocalEmr) -> str:
    created = emr.client("emr-serverless").create_application(
        releaseLabel="emr-7.9.0",
        type="SPARK",
        schedulerConfiguration={"maxConcurrentRuns": 1, "queueTimeoutMinutes": 15},
        monitoringConfiguration={"s3MonitoringConfiguration": {"logUri": "s3://logs/spark"}},
    )
    return str(created["applicationId"])


def check(scenario: Scenario, run: TaskRun, emr: LocalEmr, application_id: str) -> None:
    runs = [one for one in emr.job_runs(application_id) if one["name"] == "scenario"]
    if scenario.error is None:
        assert run.error is None, run.error
        facts = run.result
    else:
        assert type(run.error) is scenario.error, run.error
        assert scenario.said in str(run.error)
        facts = run.error.facts
    if not scenario.state:
        assert runs == []
        return
    assert len(runs) == 1
    assert (facts["state"], facts["attempt"]) == (scenario.state, scenario.attempt)
    assert (facts["application_id"], facts["job_run_id"]) == (application_id, runs[0]["jobRunId"])
    assert [attempt["attempt"] for attempt in facts["attempts"]] == list(range(1, scenario.attempt + 1))
    assert facts["log_locations"]["s3_uri"].startswith(f"s3://logs/spark/applications/{application_id}/jobs/")
    assert run.xcoms["job_run_id"] == runs[0]["jobRunId"]
    left = scenario.left or scenario.state
    eventually(lambda: next(one for one in emr.job_runs(application_id) if one["name"] == "scenario")["state"] == left)
