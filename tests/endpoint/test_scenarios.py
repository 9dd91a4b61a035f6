"""One table of scenarios, run through blocking and deferrable mode: results, XComs and errors must be the same."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from airflow_emrs_ext.exceptions import (
    EmrError,
    JobRunCancelled,
    JobRunFailed,
    RequestRejected,
    WaitTimeout,
)
from airflow_emrs_ext.hooks.containers import EmrContainersHook
from airflow_emrs_ext.hooks.serverless import EmrServerlessHook
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from tests.polling import eventually
from tests.running import TaskRun, run_task
from tests.services import ROLE, SERVERLESS, SERVICES, Service

pytestmark = pytest.mark.airflow

FAILING = ScriptedAttempt(succeeded=False, details="ValueError: boom", ends_after=0.1)


@dataclass(frozen=True)
class Bench:
    """A service at the endpoint, and what job runs run on there."""

    emr: LocalEmr
    service: Service
    place: str

    def runs(self, name: str | None = None) -> list[dict[str, Any]]:
        """Its job runs."""
        return [run for run in self.service.list_runs(self.emr, self.place) if name in (None, run["name"])]

    def the_only_run(self, state: str, name: str | None = None) -> dict[str, Any]:
        """The one that comes to be in a state."""
        return eventually(lambda: next((run for run in self.runs(name) if run["state"] == state), None))


Script = Callable[[Bench], None]


@dataclass
class Scenario:
    name: str
    attempts: list[ScriptedAttempt] = field(default_factory=lambda: [ScriptedAttempt()])
    operator: dict[str, Any] = field(default_factory=dict)
    before: Script = lambda bench: None
    meanwhile: Script | None = None
    state: str = "SUCCESS"
    error: type[EmrError] | None = None
    said: str = ""
    attempt: int = 1
    left: str | None = None
    """State of the job run on the endpoint afterwards, where it differs from ``state``."""
    only: Service | None = None
    """The service that knows such a thing; ``None``: each."""


def cancel_when_running(bench: Bench) -> None:
    bench.service.cancel(bench.emr, bench.place, bench.the_only_run("RUNNING"))


def occupy_the_only_slot(bench: Bench) -> None:
    bench.emr.script([ScriptedAttempt(hold=True)], name="occupant")
    bench.emr.client("emr-serverless").start_job_run(
        applicationId=bench.place,
        executionRoleArn=ROLE,
        name="occupant",
        jobDriver=bench.service.submit("s3://b/j.py"),
    )
    bench.the_only_run("RUNNING")


def free_the_slot_when_queued(bench: Bench) -> None:
    bench.the_only_run("QUEUED", name="scenario")
    (occupant,) = bench.runs("occupant")
    bench.emr.finish(occupant["jobRunId"])


def inject(operation: str, *arguments: Any, **keywords: Any) -> Script:
    return lambda bench: bench.emr.inject(bench.service.word(operation), *arguments, **keywords)


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
        said="Raise wait_timeout (2.5 s) if it needs longer. The service was asked to cancel it (cancel_on_timeout).",
        left="CANCELLED",
    ),
    Scenario(
        "deadline, run kept",
        [ScriptedAttempt(hold=True)],
        {"wait_timeout": 2.5, "cancel_on_timeout": False},
        state="RUNNING",
        error=WaitTimeout,
        said="Raise wait_timeout (2.5 s) if it needs longer. It is left as it is.",
    ),
    Scenario(
        "deadline, cancellation refused",
        [ScriptedAttempt(hold=True)],
        {"wait_timeout": 2.5},
        before=inject("CancelJobRun", "error", status=400, code="ValidationException", times=None),
        state="RUNNING",
        error=WaitTimeout,
        said="It could not be ended and may still run: cancel it. cancel_job_run was refused: ValidationException",
    ),
    Scenario(
        "execution timeout",
        [ScriptedAttempt(hold=True)],
        {"execution_timeout": timedelta(seconds=3.5)},
        state="RUNNING",
        error=WaitTimeout,
        said="Raise execution_timeout (3.5 s)",
        left="CANCELLED",
    ),
    Scenario(
        "limit of the Amazon provider's parameters",
        [ScriptedAttempt(hold=True)],
        {"waiter_delay": 0.5, "waiter_max_attempts": 5},
        state="RUNNING",
        error=WaitTimeout,
        said="Raise waiter_max_attempts (5, 0.5 s each)",
        left="CANCELLED",
    ),
    Scenario(
        "the service's own time limit",
        [ScriptedAttempt(hold=True)],
        {"execution_timeout_minutes": 5},
        before=lambda bench: (bench.emr.configure(seconds_per_minute=0.1), None)[1],
        state="CANCELLED",
        error=JobRunCancelled,
        only=SERVERLESS,
    ),
    Scenario("queued then run", before=occupy_the_only_slot, meanwhile=free_the_slot_when_queued, only=SERVERLESS),
    Scenario("streaming", [ScriptedAttempt(hold=True)], {"mode": "STREAMING"}, state="RUNNING", only=SERVERLESS),
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


def run_scenario(scenario: Scenario, bench: Bench, deferrable: bool) -> TaskRun:
    bench.emr.script(scenario.attempts, name="scenario")
    scenario.before(bench)
    arguments = {
        "task_id": "a_task",
        "name": "scenario",
        "waiter_delay": 0.1,
        "deferrable": deferrable,
        **scenario.operator,
    }
    helper = None
    if scenario.meanwhile:
        helper = threading.Thread(target=scenario.meanwhile, args=(bench,))
        helper.start()
    try:
        conf = {"spark.executor.instances": "1"}
        return run_task(
            lambda: bench.service.operator(bench.place, "s3://bucket/job.py", ["1"], conf=conf, **arguments)
        )
    finally:
        if helper:
            helper.join()


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """What the first client of a process imports takes seconds; no scenario's deadline shall pay for it."""
    for hook in (EmrServerlessHook, EmrContainersHook):
        hook(aws_conn_id=None, region_name="us-east-1").get_client_type()


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name.replace(" ", "-"))
def test_both_modes_end_the_same(emr: LocalEmr, scenario: Scenario, service: Service) -> None:
    if scenario.only not in (None, service):
        pytest.skip("the service knows no such thing")
    ends = {}
    for deferrable in (False, True):
        emr.reset()
        bench = Bench(emr, service, service.make_place(emr, "s3://logs/spark"))
        run = run_scenario(scenario, bench, deferrable)
        assert run.deferred is (deferrable and scenario.error is not RequestRejected)
        check(scenario, run, bench)
        ends[deferrable] = run.comparable()
    assert ends[False] == ends[True]


def check(scenario: Scenario, run: TaskRun, bench: Bench) -> None:
    runs = bench.runs("scenario")
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
    owner, own = bench.service.kind.pick(facts).values()
    assert (owner, own) == (bench.place, runs[0][bench.service.record_id])
    assert (facts["state"], facts["attempt"]) == (bench.service.word(scenario.state), scenario.attempt)
    assert [attempt["attempt"] for attempt in facts["attempts"]] == list(range(1, scenario.attempt + 1))
    assert f"{bench.place}/jobs/" in facts["log_locations"]["s3_uri"]
    assert facts["log_locations"]["s3_uri"].startswith("s3://logs/spark/")
    assert run.xcoms["job_run_id"] == own
    bench.the_only_run(bench.service.word(scenario.left or scenario.state), "scenario")
