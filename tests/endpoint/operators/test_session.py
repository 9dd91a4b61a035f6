"""Sessions: one table of scenarios in both modes, ownership, generations, kills, parameters and what is refused."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from airflow_emrs_ext._compat import AIRFLOW_3, AirflowException, TaskDeferred
from airflow_emrs_ext.exceptions import (
    ConfigurationError,
    Crashed,
    EmrError,
    InvalidEvent,
    QuotaExceeded,
    RequestRejected,
    ResourceNotFound,
    SessionEnded,
    TaskKilled,
    WaitTimeout,
)
from airflow_emrs_ext.hooks.serverless import EmrServerlessHook
from airflow_emrs_ext.local.runners.scripts import ScriptedSession
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from airflow_emrs_ext.operators.application_state import EmrServerlessStopApplicationOperator
from airflow_emrs_ext.operators.session import (
    EmrServerlessListSessionsOperator,
    EmrServerlessStartSessionOperator,
    EmrServerlessTerminateSessionOperator,
)
from airflow_emrs_ext.sensors.serverless import EmrServerlessSessionSensor
from airflow_emrs_ext.workflows.lifecycle import request_end_best_effort
from tests.polling import eventually, let_it_age
from tests.running import TaskInstance, TaskRun, context_of, run_task

pytestmark = pytest.mark.airflow

ROLE = "arn:aws:iam::123456789012:role/job"
IN_BOTH_MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
SLOW = ScriptedSession(ready_after=30)
OVER = {"FAILED", "TERMINATED"}
TAGS = {
    "airflow-emrs-ext:dag_id": "a_dag",
    "airflow-emrs-ext:run_id": "manual__2026-05-01",
    "airflow-emrs-ext:task_id": "a_task",
    "airflow-emrs-ext:deployment": "tests",
}


def create(emr: LocalEmr, **parameters: Any) -> str:
    given = {"releaseLabel": "emr-7.13.0", "interactiveConfiguration": {"sessionEnabled": True}, **parameters}
    return str(emr.client("emr-serverless").create_application(type="SPARK", **given)["applicationId"])


@pytest.fixture
def application_id(emr: LocalEmr) -> str:
    return create(emr)


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """What the first client of a process imports takes seconds; no scenario's deadline shall pay for it."""
    EmrServerlessHook(aws_conn_id=None, region_name="us-east-1").get_client_type()


def operator(application_id: Any, **arguments: Any) -> EmrServerlessStartSessionOperator:
    return EmrServerlessStartSessionOperator(
        **{
            "task_id": "a_task",
            "application_id": application_id,
            "execution_role_arn": ROLE,
            "waiter_delay": 0.1,
            **arguments,
        }
    )


def start(application_id: Any, task_instance: dict[str, Any] | None = None, **arguments: Any) -> TaskRun:
    return run_task(lambda: operator(application_id, **arguments), **(task_instance or {}))


def terminate(**arguments: Any) -> TaskRun:
    return run_task(
        lambda: EmrServerlessTerminateSessionOperator(**{"task_id": "a_task", "waiter_delay": 0.1, **arguments})
    )


def left_running(emr: LocalEmr) -> list[str]:
    """The ids of the sessions that are not over, after those that are ending have ended."""
    eventually(lambda: all(one["state"] != "TERMINATING" for one in emr.sessions()))
    return [one["sessionId"] for one in emr.sessions() if one["state"] not in OVER]


@dataclass
class Scenario:
    name: str
    session: ScriptedSession = field(default_factory=ScriptedSession)
    operator: dict[str, Any] = field(default_factory=dict)
    before: Callable[[LocalEmr], Any] = lambda emr: None
    meanwhile: Callable[[LocalEmr], Any] | None = None
    error: type[EmrError] | None = None
    said: str = ""
    left: int = 0
    """How many sessions run afterwards."""
    deferred: bool = True


def terminate_when_starting(emr: LocalEmr) -> None:
    session = eventually(lambda: next((one for one in emr.sessions() if one["state"] == "STARTING"), None))
    emr.client("emr-serverless").terminate_session(
        applicationId=session["applicationId"], sessionId=session["sessionId"]
    )


def inject(*arguments: Any, **keywords: Any) -> Callable[[LocalEmr], Any]:
    return lambda emr: emr.inject(*arguments, **keywords)


SCENARIOS = [
    Scenario("ready", left=1),
    Scenario(
        "fails while starting",
        ScriptedSession(ready_after=5, ends_after=0.1, details="Driver ran out of memory"),
        error=SessionEnded,
        said="Driver ran out of memory",
    ),
    Scenario(
        "terminated from outside", SLOW, meanwhile=terminate_when_starting, error=SessionEnded, said="start another"
    ),
    Scenario(
        "deadline", SLOW, {"wait_timeout": 2.5}, error=WaitTimeout, said="asked to terminate it (terminate_on_timeout)"
    ),
    Scenario(
        "deadline, session kept",
        SLOW,
        {"wait_timeout": 2.5, "terminate_on_timeout": False},
        error=WaitTimeout,
        said="Raise wait_timeout (2.5 s) if it needs longer. It is left as it is.",
        left=1,
    ),
    Scenario(
        "execution timeout",
        SLOW,
        {"execution_timeout": timedelta(seconds=3.5)},
        error=WaitTimeout,
        said="Raise execution_timeout (3.5 s)",
    ),
    Scenario("start throttled", before=inject("StartSession", "throttle", times=1), left=1),
    Scenario("looks throttled", before=inject("GetSession", "throttle", times=2), left=1),
    Scenario("start answered 503", before=inject("StartSession", "error", times=1, status=503), left=1),
    Scenario("connection reset before the effect", before=inject("StartSession", "reset", times=1), left=1),
    Scenario("answer lost after the effect", before=inject("StartSession", "drop", times=1), left=1),
    Scenario(
        "answers lost until the deadline",
        operator={"wait_timeout": 1.0},
        before=inject("StartSession", "drop", times=5),
        error=WaitTimeout,
        said="start_session",
        deferred=False,
    ),
    Scenario(
        "looks refused for a moment",
        before=inject("GetSession", "error", times=2, status=403, code="AccessDeniedException"),
        left=1,
    ),
    Scenario(
        "refused",
        operator={"execution_role_arn": "arn:aws:iam::12:user/me"},
        error=RequestRejected,
        said="`execution_role_arn`",
        deferred=False,
    ),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name.replace(" ", "-"))
def test_both_modes_end_the_same(emr: LocalEmr, scenario: Scenario) -> None:
    ends = {}
    for deferrable in (False, True):
        emr.reset()
        application_id = create(emr)
        emr.script(session=scenario.session)
        scenario.before(emr)
        helper = scenario.meanwhile and threading.Thread(target=scenario.meanwhile, args=(emr,))
        if helper:
            helper.start()
        run = start(application_id, deferrable=deferrable, **scenario.operator)
        if helper:
            helper.join()
        assert type(run.error) is (scenario.error or type(None)), run.error
        assert run.deferred is (deferrable and scenario.deferred)
        if scenario.error:
            assert scenario.said in str(run.error)
        else:
            assert run.result["state"] in {"STARTED", "IDLE"}
            assert run.result["session_id"] == emr.sessions()[0]["sessionId"]
        assert len(left_running(emr)) == scenario.left
        assert len(emr.sessions()) <= 1
        ends[deferrable] = {"error": str(type(run.error)), "keys": sorted(run.result or ())}
    assert ends[False] == ends[True]


def test_the_result_is_a_reference_without_a_secret(emr: LocalEmr, application_id: str) -> None:
    run = start(application_id, name="mine", idle_timeout_minutes=20, tags={"team": "data"})
    assert run.result["name"] == "mine"
    assert run.result["idle_timeout_minutes"] == 20
    assert run.result["tags"].items() >= {**TAGS, "team": "data"}.items()
    assert run.xcoms["session_id"] == run.result["session_id"]
    assert "token" not in str(run.xcoms).lower()
    assert emr.calls("GetSessionEndpoint") == []


def test_spark_properties_may_be_a_plain_dictionary(emr: LocalEmr, application_id: str) -> None:
    start(application_id, runtime_configuration={"spark.executor.cores": 2, "spark.sql.ansi.enabled": True})
    found = emr.client("emr-serverless").get_session(
        applicationId=application_id, sessionId=emr.sessions()[0]["sessionId"]
    )["session"]
    assert found["name"] == "a_dag.a_task"
    assert found["idleTimeoutMinutes"] == 15
    properties = {"spark.executor.cores": "2", "spark.sql.ansi.enabled": "true"}
    assert found["configurationOverrides"] == {
        "runtimeConfiguration": [{"classification": "spark-defaults", "properties": properties}]
    }


@IN_BOTH_MODES
def test_another_try_finds_the_session_of_the_one_before(emr: LocalEmr, application_id: str, deferrable: bool) -> None:
    emr.script(session=ScriptedSession(ready_after=1.0))
    with pytest.raises(TaskDeferred):
        operator(application_id, deferrable=True).execute(context_of(TaskInstance()))
    again = start(application_id, {"try_number": 2}, deferrable=deferrable)
    assert again.error is None
    assert [one["sessionId"] for one in emr.sessions()] == [again.result["session_id"]]


def test_a_session_that_has_ended_is_followed_by_another(emr: LocalEmr, application_id: str) -> None:
    found = []
    for try_number in (1, 2, 3):
        found.append(start(application_id, {"try_number": try_number}).result["session_id"])
        assert terminate(session={"application_id": application_id, "session_id": found[-1]}).error is None
    assert len(set(found)) == 3


def test_each_task_and_map_index_has_its_own(emr: LocalEmr, application_id: str) -> None:
    tasks: list[dict[str, Any]] = [{}, {"map_index": 0}, {"map_index": 1}, {"task_id": "b"}, {"run_id": "another"}]
    found = {start(application_id, task).result["session_id"] for task in tasks}
    assert len(found) == len(tasks)
    assert {one["name"] for one in emr.sessions()} == {"a_dag.a_task", "a_dag.a_task[0]", "a_dag.a_task[1]", "a_dag.b"}


def test_changed_parameters_end_what_the_earlier_try_had_started(emr: LocalEmr, application_id: str) -> None:
    first = start(application_id).result["session_id"]
    other = start(application_id, {"task_id": "other"}).result["session_id"]
    second = start(application_id, {"try_number": 2}, idle_timeout_minutes=30).result["session_id"]
    assert first != second
    assert set(left_running(emr)) == {other, second}
    # The way back: the first session has ended, the second is left with other parameters.
    third = start(application_id, {"try_number": 3}).result["session_id"]
    assert set(left_running(emr)) == {other, third}


@IN_BOTH_MODES
def test_the_late_kill_of_an_earlier_try_costs_the_next_one_nothing(
    emr: LocalEmr, application_id: str, deferrable: bool
) -> None:
    emr.script(session=SLOW)
    with pytest.raises(TaskDeferred):
        operator(application_id, deferrable=True).execute(context_of(TaskInstance()))
    # Launched: what is scripted from now on is for the next one.
    (first,) = eventually(lambda: [one for one in emr.sessions() if one["logPath"]])
    let_it_age(emr.sessions())

    def kill() -> None:
        eventually(lambda: emr.calls("ListSessions"))
        emr.script(session=ScriptedSession())
        ids = {"application_id": application_id, "session_id": first["sessionId"]}
        hook = EmrServerlessHook()
        hook.run(request_end_best_effort(hook.run_context, kind="session", ids=ids))

    killer = threading.Thread(target=kill)
    killer.start()
    run = start(application_id, {"try_number": 2, "max_tries": 1}, deferrable=deferrable)
    killer.join()
    assert run.error is None
    assert run.result["session_id"] != first["sessionId"]
    assert left_running(emr) == [run.result["session_id"]]


def test_a_kill_while_waiting_terminates_the_session(emr: LocalEmr, application_id: str) -> None:
    emr.script(session=SLOW)
    task = operator(application_id)

    def kill() -> None:
        eventually(lambda: [one for one in emr.sessions() if one["state"] == "STARTING"])
        task.on_kill()

    killer = threading.Thread(target=kill)
    killer.start()
    # Airflow ends the process after on_kill; here the wait goes on and sees what on_kill did.
    run = run_task(lambda: task)
    killer.join()
    assert isinstance(run.error, SessionEnded)
    assert left_running(emr) == []


def test_a_kill_before_the_answer_terminates_what_was_started(emr: LocalEmr, application_id: str) -> None:
    emr.script(session=SLOW)
    emr.inject("StartSession", "drop", times=1)
    task = operator(application_id)

    def killed(*_: Any) -> None:
        task.on_kill()

    def kill() -> None:
        eventually(lambda: emr.sessions())
        os.kill(os.getpid(), signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, killed)
    try:
        threading.Thread(target=kill).start()
        with pytest.raises(TaskKilled):
            task.execute(context_of(TaskInstance()))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert left_running(emr) == []
    assert len(emr.sessions()) == 1


def test_a_kill_leaves_the_session_alone_if_told_so(emr: LocalEmr, application_id: str) -> None:
    task = operator(application_id, terminate_on_kill=False)
    run_task(lambda: task)
    task.on_kill()
    assert emr.calls("TerminateSession") == []


def test_ids_that_cannot_be_stored_leave_the_session_to_the_next_try(emr: LocalEmr, application_id: str) -> None:
    class Broken(TaskInstance):
        def xcom_push(self, key: str, value: Any, **_: Any) -> None:
            raise ConnectionError("the database is away")

    with pytest.raises(Crashed, match="the database is away") as failed:
        operator(application_id).execute(context_of(Broken()))
    assert left_running(emr) == [failed.value.facts["session_id"]]
    task = start(application_id, {"try_number": 2, "max_tries": 1}, retries=1)
    assert task.result["session_id"] == failed.value.facts["session_id"]


@pytest.mark.parametrize(
    "event", [None, {"format": 1, "error": {"type": "Crashed", "message": "", "facts": {}}}], ids=str
)
def test_an_end_that_nobody_foresaw_leaves_the_session_to_the_next_try(
    emr: LocalEmr, application_id: str, event: Any
) -> None:
    ti = TaskInstance()
    with pytest.raises(TaskDeferred):
        operator(application_id, deferrable=True).execute(context_of(ti))
    with pytest.raises((InvalidEvent, Crashed)):
        operator(application_id, deferrable=True).execute_complete(context_of(ti), event)
    left = left_running(emr)
    task = start(application_id, {"try_number": 2, "max_tries": 1}, retries=1)
    assert ([task.result["session_id"]], len(emr.sessions())) == (left, 1)


def test_without_waiting(emr: LocalEmr, application_id: str) -> None:
    emr.script(session=SLOW)
    run = start(application_id, wait_for_completion=False)
    assert run.result["state"] in {"SUBMITTED", "STARTING"}
    assert terminate(session=run.result, wait_for_completion=False).error is None
    assert left_running(emr) == []


@IN_BOTH_MODES
def test_terminating_is_idempotent(emr: LocalEmr, application_id: str, deferrable: bool) -> None:
    session = start(application_id).result
    emr.inject("TerminateSession", "drop", times=1)
    for _ in range(2):
        run = terminate(session=session, deferrable=deferrable)
        assert run.error is None
        assert run.result["state"] == "TERMINATED"
    by_id = terminate(application_id=application_id, session_id=session["session_id"], deferrable=deferrable)
    assert by_id.result["total_execution_duration_seconds"] is not None


@IN_BOTH_MODES
def test_terminating_what_is_not_there_is_success(emr: LocalEmr, application_id: str, deferrable: bool) -> None:
    run = terminate(application_id=application_id, session_id="00fdoesnotexist1", deferrable=deferrable)
    assert run.result["state"] == "TERMINATED"


def test_stopping_an_application_by_force_ends_its_sessions(emr: LocalEmr, application_id: str) -> None:
    start(application_id)
    emr.script([ScriptedAttempt(hold=True)])

    def stop(force_stop: bool) -> TaskRun:
        return run_task(
            lambda: EmrServerlessStopApplicationOperator(
                task_id="a_task", application_id=application_id, force_stop=force_stop, waiter_delay=0.1
            )
        )

    refused = stop(False)
    assert "`force_stop=True`" in str(refused.error)
    assert stop(True).result["state"] == "STOPPED"
    assert left_running(emr) == []


def test_listing(emr: LocalEmr, application_id: str) -> None:
    session = start(application_id).result

    def listed(**arguments: Any) -> list[str]:
        run = run_task(
            lambda: EmrServerlessListSessionsOperator(task_id="a_task", application_id=application_id, **arguments)
        )
        assert run.error is None, run.error
        return [one["session_id"] for one in run.result["sessions"]]

    assert listed() == [session["session_id"]]
    assert listed(states=["FAILED"]) == []
    assert listed(created_at_after="2026-01-01T00:00:00+02:00") == [session["session_id"]]
    assert listed(created_at_after="2099-01-01") == []


def sense(**arguments: Any) -> TaskRun:
    return run_task(
        lambda: EmrServerlessSessionSensor(**{"task_id": "a_task", "waiter_delay": 0.1, "timeout": 20, **arguments})
    )


@IN_BOTH_MODES
def test_the_sensor_waits_for_any_state(emr: LocalEmr, application_id: str, deferrable: bool) -> None:
    emr.script(session=ScriptedSession(ready_after=0.5))
    session = start(application_id, wait_for_completion=False).result
    assert sense(session=session, deferrable=deferrable).result["state"] in {"STARTED", "IDLE"}
    emr.end_session(session["session_id"], "node lost")
    ended = sense(session=session, deferrable=deferrable)
    assert isinstance(ended.error, SessionEnded)
    assert "node lost" in str(ended.error)
    failed = sense(session=session, deferrable=deferrable, target_states=["FAILED"])
    assert failed.result["state_details"] == "node lost"


@pytest.mark.parametrize(
    ("application", "arguments", "error_class", "said"),
    [
        ({"interactiveConfiguration": {}}, {}, RequestRejected, "'sessionEnabled': True"),
        (
            {"releaseLabel": "emr-7.9.0", "interactiveConfiguration": {}},
            {},
            RequestRejected,
            "emr-7.13.0 or newer: give the application another",
        ),
        ({"autoStartConfiguration": {"enabled": False}}, {}, RequestRejected, "Start the application first"),
        ({}, {"application_id": "00fdoesnotexist1"}, ResourceNotFound, "`application_id`"),
        ({}, {"idle_timeout_minutes": -1}, ConfigurationError, "`idle_timeout_minutes`"),
        ({}, {"idle_timeout_minutes": "soon"}, ConfigurationError, "`idle_timeout_minutes`"),
        ({}, {"runtime_configuration": {}, "configuration_overrides": {}}, ConfigurationError, "not both"),
        ({}, {"config": {"clientToken": "x"}}, ConfigurationError, "clientToken"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_bad_input_says_what_to_change(
    emr: LocalEmr, application: dict[str, Any], arguments: dict[str, Any], error_class: type[EmrError], said: str
) -> None:
    given = {"application_id": create(emr, **application), **arguments}
    run = start(given.pop("application_id"), **given)
    assert type(run.error) is error_class, run.error
    assert said in str(run.error)
    assert emr.sessions() == []


def test_too_many_sessions(emr: LocalEmr, application_id: str) -> None:
    emr.configure(scheduling_seconds=60)
    for _ in range(25):
        emr.client("emr-serverless").start_session(applicationId=application_id, executionRoleArn=ROLE)
    emr.configure(quota_scale=1)
    run = start(application_id)
    assert isinstance(run.error, QuotaExceeded)
    assert "`emr_serverless_session`" in str(run.error)


@pytest.mark.parametrize(
    ("error", "left"),
    [("Trigger timeout" if AIRFLOW_3 else "Trigger/execution timeout", 0), ("no such class", 1)],
    ids=["its time is over", "its trigger cannot be run"],
)
def test_airflow_fails_a_deferred_task_by_itself(emr: LocalEmr, application_id: str, error: str, left: int) -> None:
    emr.script(session=SLOW)
    ti = TaskInstance()
    with pytest.raises(TaskDeferred):
        operator(application_id, deferrable=True).execute(context_of(ti))
    with pytest.raises(AirflowException):
        operator(application_id, deferrable=True).resume_execution("__fail__", {"error": error}, {"ti": ti})
    assert len(left_running(emr)) == left


def test_the_idle_timeout_of_config_counts(emr: LocalEmr, application_id: str) -> None:
    start(application_id)
    start(application_id, {"task_id": "b"}, config={"idleTimeoutMinutes": 60})
    start(application_id, {"task_id": "c"}, config={"idleTimeoutMinutes": 60}, idle_timeout_minutes=5)
    assert [one["idleTimeoutMinutes"] for one in emr.sessions()] == [15, 60, 5]


@pytest.mark.parametrize(
    ("session", "said"), [("00f", r"start\.output"), ("{'session_id': '00f'}", "there is no 'application_id' in it")]
)
def test_what_does_not_say_which_session_is_refused(session: str, said: str) -> None:
    task = EmrServerlessTerminateSessionOperator(task_id="end", session=session)
    with pytest.raises(ConfigurationError, match=said):
        task.execute(context_of(TaskInstance()))
