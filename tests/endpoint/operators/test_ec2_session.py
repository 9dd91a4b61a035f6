"""Sessions of clusters of EMR on EC2: the lifecycle of every kind, and what is this kind's own, in both modes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from airflow_emrs_ext._compat import AIRFLOW_3, TaskDeferred
from airflow_emrs_ext.exceptions import (
    ConfigurationError,
    EmrError,
    RequestRejected,
    ResourceNotFound,
    SessionEnded,
    WaitTimeout,
)
from airflow_emrs_ext.hooks.ec2 import EmrOnEc2Hook
from airflow_emrs_ext.local.runners.scripts import ScriptedSession
from airflow_emrs_ext.local.testing import LocalEmr
from airflow_emrs_ext.operators.ec2_session import (
    EmrOnEc2ListSessionsOperator,
    EmrOnEc2StartSessionOperator,
    EmrOnEc2TerminateSessionOperator,
    cluster_session_ids,
    emr_on_ec2_session,
)
from airflow_emrs_ext.operators.spark import EmrServerlessSparkSqlOperator
from airflow_emrs_ext.operators.sweep import EmrOnEc2SweepOperator
from airflow_emrs_ext.results import ClusterSessionResult, ClusterSessionsResult, SweepResult
from airflow_emrs_ext.sensors.ec2 import EmrOnEc2SessionSensor
from tests.polling import eventually
from tests.running import TaskInstance, TaskRun, context_of, run_task
from tests.typed import misfits

if AIRFLOW_3:
    from airflow.sdk import DAG
else:
    from airflow import DAG

pytestmark = pytest.mark.airflow

ROLE = "arn:aws:iam::123456789012:role/job"
IN_BOTH_MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
SLOW = ScriptedSession(ready_after=30)
OVER = {"FAILED", "TERMINATED"}
READY = {"STARTED", "IDLE"}


def create(emr: LocalEmr, **parameters: Any) -> str:
    client = emr.client("emr")
    given = {"ReleaseLabel": "emr-spark-8.0.0", "SessionEnabled": True, **parameters}
    made = client.run_job_flow(Name="a-cluster", Instances={"KeepJobFlowAliveWhenNoSteps": True}, **given)
    cluster_id = str(made["JobFlowId"])
    eventually(lambda: client.describe_cluster(ClusterId=cluster_id)["Cluster"]["Status"]["State"] == "WAITING")
    return cluster_id


@pytest.fixture
def cluster_id(emr: LocalEmr) -> str:
    return create(emr)


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """What the first client of a process imports takes seconds; no scenario's deadline shall pay for it."""
    EmrOnEc2Hook(aws_conn_id=None, region_name="us-east-1").get_client_type()


def operator(cluster_id: Any, **arguments: Any) -> EmrOnEc2StartSessionOperator:
    return EmrOnEc2StartSessionOperator(
        **{"task_id": "a_task", "cluster_id": cluster_id, "waiter_delay": 0.1, **arguments}
    )


def start(cluster_id: Any, task_instance: dict[str, Any] | None = None, **arguments: Any) -> TaskRun:
    return run_task(lambda: operator(cluster_id, **arguments), **(task_instance or {}))


def terminate(**arguments: Any) -> TaskRun:
    return run_task(lambda: EmrOnEc2TerminateSessionOperator(**{"task_id": "a_task", "waiter_delay": 0.1, **arguments}))


def left_running(emr: LocalEmr) -> list[str]:
    """The ids of the sessions that are not over, after those that are ending have ended."""
    eventually(lambda: all(one["State"] != "TERMINATING" for one in emr.cluster_sessions()))
    return [one["Id"] for one in emr.cluster_sessions() if one["State"] not in OVER]


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
    session = eventually(lambda: next((one for one in emr.cluster_sessions() if one["State"] == "STARTING"), None))
    emr.client("emr").terminate_session(ClusterId=session["ClusterId"], SessionId=session["Id"])


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
        said="It is left as it is.",
        left=1,
    ),
    Scenario("start throttled", before=inject("StartSession", "throttle", times=1), left=1),
    Scenario("looks throttled", before=inject("GetSession", "throttle", times=2), left=1),
    Scenario("start answered 500", before=inject("StartSession", "error", times=1, status=500), left=1),
    Scenario("answer lost after the effect", before=inject("StartSession", "drop", times=1), left=1),
    Scenario(
        "looks refused for a moment",
        before=inject("GetSession", "error", times=2, status=400, code="AccessDeniedException"),
        left=1,
    ),
    Scenario(
        "refused", operator={"idle_timeout_minutes": 0}, error=RequestRejected, said="must be at least", deferred=False
    ),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name.replace(" ", "-"))
def test_both_modes_end_the_same(emr: LocalEmr, scenario: Scenario) -> None:
    ends = {}
    for deferrable in (False, True):
        emr.reset()
        cluster_id = create(emr)
        emr.script(session=scenario.session)
        scenario.before(emr)
        helper = scenario.meanwhile and threading.Thread(target=scenario.meanwhile, args=(emr,))
        if helper:
            helper.start()
        run = start(cluster_id, deferrable=deferrable, **scenario.operator)
        if helper:
            helper.join()
        assert type(run.error) is (scenario.error or type(None)), run.error
        assert run.deferred is (deferrable and scenario.deferred)
        if scenario.error:
            assert scenario.said in str(run.error)
        else:
            assert run.result["state"] in READY
            assert run.result["session_id"] == emr.cluster_sessions()[0]["Id"]
        assert len(left_running(emr)) == scenario.left
        assert len(emr.cluster_sessions()) <= 1
        ends[deferrable] = {"error": str(type(run.error)), "keys": sorted(run.result or ())}
    assert ends[False] == ends[True]


def test_the_request_and_the_result(emr: LocalEmr, cluster_id: str) -> None:
    monitoring = {"S3LoggingConfiguration": {"Enabled": True, "LogUri": "s3://logs/sessions"}}
    run = start(
        {"cluster_id": cluster_id},
        name="mine",
        execution_role_arn=ROLE,
        idle_timeout_minutes=20,
        monitoring_configuration=monitoring,
        runtime_configuration={"spark.executor.cores": 2},
        tags={"team": "data"},
    )
    result = run.result
    assert (result["name"], result["idle_timeout_minutes"], result["execution_role_arn"]) == ("mine", 20, ROLE)
    assert (result["cluster_id"], result["release_label"]) == (cluster_id, "emr-spark-8.0.0")
    tags = {"team": "data", "airflow-emrs-ext:dag_id": "a_dag", "airflow-emrs-ext:task_id": "a_task"}
    assert result["tags"].items() >= tags.items()
    assert run.xcoms["session_id"] == result["session_id"]
    (found,) = emr.cluster_sessions()
    assert found["EngineConfigurations"] == [
        {"Classification": "spark-defaults", "Properties": {"spark.executor.cores": "2"}}
    ]
    assert found["MonitoringConfiguration"] == monitoring
    assert 1 <= len(found["clientToken"]) <= 36
    assert "token" not in str(run.xcoms).lower()
    assert emr.calls("GetSessionEndpoint") == []


def test_what_is_not_given_has_its_default(emr: LocalEmr, cluster_id: str) -> None:
    result = start(cluster_id).result
    assert (result["name"], result["idle_timeout_minutes"]) == ("a_dag.a_task", 15)


def test_config_takes_the_apis_own_form(emr: LocalEmr, cluster_id: str) -> None:
    config = {"SessionIdleTimeoutInMinutes": 30, "Tags": [{"Key": "team", "Value": "data"}]}
    result = start(cluster_id, config=config).result
    assert (result["idle_timeout_minutes"], result["tags"]["team"]) == (30, "data")
    token = start(cluster_id, config={"ClientRequestToken": "mine"})
    assert isinstance(token.error, ConfigurationError)
    assert "ClientRequestToken" in str(token.error)


@IN_BOTH_MODES
def test_another_try_finds_the_session_of_the_one_before(emr: LocalEmr, cluster_id: str, deferrable: bool) -> None:
    emr.script(session=ScriptedSession(ready_after=1.0))
    with pytest.raises(TaskDeferred):
        operator(cluster_id, deferrable=True).execute(context_of(TaskInstance()))
    again = start(cluster_id, {"try_number": 2}, deferrable=deferrable)
    assert again.error is None
    assert [one["Id"] for one in emr.cluster_sessions()] == [again.result["session_id"]]


def test_a_session_that_has_ended_is_followed_by_another(emr: LocalEmr, cluster_id: str) -> None:
    found = []
    for try_number in (1, 2, 3):
        found.append(start(cluster_id, {"try_number": try_number}).result["session_id"])
        assert terminate(session={"cluster_id": cluster_id, "session_id": found[-1]}).error is None
    assert len(set(found)) == 3


def test_each_task_and_map_index_has_its_own(emr: LocalEmr, cluster_id: str) -> None:
    tasks: list[dict[str, Any]] = [{}, {"map_index": 0}, {"map_index": 1}, {"task_id": "b"}, {"run_id": "another"}]
    assert len({start(cluster_id, task).result["session_id"] for task in tasks}) == len(tasks)


def test_changed_parameters_end_what_the_earlier_try_had_started(emr: LocalEmr, cluster_id: str) -> None:
    first = start(cluster_id).result["session_id"]
    other = start(cluster_id, {"task_id": "other"}).result["session_id"]
    second = start(cluster_id, {"try_number": 2}, idle_timeout_minutes=30).result["session_id"]
    assert first != second
    assert set(left_running(emr)) == {other, second}


def test_without_reattach_a_try_starts_anew(emr: LocalEmr, cluster_id: str) -> None:
    first = start(cluster_id, reattach=False).result["session_id"]
    second = start(cluster_id, {"try_number": 2}, reattach=False).result["session_id"]
    assert first != second
    assert left_running(emr) == [second]


def test_a_cleared_task_counts_what_it_makes_anew(emr: LocalEmr, cluster_id: str) -> None:
    """The tag that tells the generation is written by AddTags, with the ids of cluster and session."""
    start(cluster_id)
    # Of no retries there is one try before a person has cleared the task.
    run = start(cluster_id, {"try_number": 3, "max_tries": 2})
    assert run.error is None
    assert left_running(emr) == [run.result["session_id"]]


def test_a_kill_while_waiting_terminates_the_session(emr: LocalEmr, cluster_id: str) -> None:
    emr.script(session=SLOW)
    task = operator(cluster_id)

    def kill() -> None:
        eventually(lambda: [one for one in emr.cluster_sessions() if one["State"] == "STARTING"])
        task.on_kill()

    killer = threading.Thread(target=kill)
    killer.start()
    run = run_task(lambda: task)
    killer.join()
    assert isinstance(run.error, SessionEnded)
    assert left_running(emr) == []


@IN_BOTH_MODES
def test_terminating_is_idempotent(emr: LocalEmr, cluster_id: str, deferrable: bool) -> None:
    started = start(cluster_id).result
    for _ in range(2):
        run = terminate(session=started, deferrable=deferrable)
        assert run.error is None
        assert run.result["state"] == "TERMINATED"
    assert left_running(emr) == []


@IN_BOTH_MODES
def test_terminating_what_is_not_there_is_success(emr: LocalEmr, cluster_id: str, deferrable: bool) -> None:
    run = terminate(cluster_id=cluster_id, session_id="not-there", deferrable=deferrable)
    assert run.result == {
        "cluster_id": cluster_id,
        "session_id": "not-there",
        "state": "TERMINATED",
        "state_details": "not found",
    }


@IN_BOTH_MODES
def test_an_invalid_request_is_not_taken_for_gone(emr: LocalEmr, cluster_id: str, deferrable: bool) -> None:
    started = start(cluster_id).result
    emr.inject("TerminateSession", "error", times=1, status=400, code="InvalidRequestException")
    run = terminate(session=started, deferrable=deferrable)
    assert isinstance(run.error, RequestRejected)
    assert not isinstance(run.error, ResourceNotFound)
    assert left_running(emr) == [started["session_id"]]
    unknown = terminate(cluster_id="j-NOTTHERE", session_id=started["session_id"], deferrable=deferrable)
    assert isinstance(unknown.error, RequestRejected)
    assert "Check `cluster_id`" in str(unknown.error)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"SessionEnabled": False}, "Create the cluster with `SessionEnabled`"),
        ({"ReleaseLabel": "emr-7.9.0", "SessionEnabled": False}, "emr-spark-8.0.0"),
    ],
)
def test_a_cluster_that_has_no_sessions(emr: LocalEmr, parameters: dict[str, Any], said: str) -> None:
    run = start(create(emr, **parameters))
    assert isinstance(run.error, RequestRejected)
    assert said in str(run.error)


def test_listing(emr: LocalEmr, cluster_id: str) -> None:
    first, second = (start(cluster_id, {"task_id": name}).result for name in ("a", "b"))
    terminate(session=first)

    def listed(**arguments: Any) -> list[str]:
        run = run_task(lambda: EmrOnEc2ListSessionsOperator(task_id="list", cluster_id=cluster_id, **arguments))
        return [one["session_id"] for one in run.result["sessions"]]

    run = run_task(lambda: EmrOnEc2ListSessionsOperator(task_id="list", cluster_id=cluster_id))
    assert list(misfits(run.result, ClusterSessionsResult)) == list(misfits(second, ClusterSessionResult)) == []
    assert listed() == [second["session_id"], first["session_id"]]
    assert listed(states=["TERMINATED"]) == [first["session_id"]]


@IN_BOTH_MODES
def test_the_sensor_waits_for_any_state(emr: LocalEmr, cluster_id: str, deferrable: bool) -> None:
    started = start(cluster_id, wait_for_completion=False).result

    def sense(**arguments: Any) -> TaskRun:
        return run_task(
            lambda: EmrOnEc2SessionSensor(
                task_id="sense", session=started, deferrable=deferrable, poke_interval=0.1, **arguments
            )
        )

    assert sense().result["state"] in {"STARTED", "IDLE", "BUSY"}
    terminate(session=started)
    assert isinstance(sense().error, SessionEnded)
    assert sense(target_states=["TERMINATED"]).result["state"] == "TERMINATED"


def test_a_sweep_ends_what_a_dag_run_has_left(emr: LocalEmr, cluster_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    create(emr, SessionEnabled=False)
    started = start(cluster_id).result
    runs = {"active": 0, "all": 1}
    monkeypatch.setattr(
        "airflow_emrs_ext.operators.sweep.count_dag_runs",
        lambda context, dag_id, run_id, active=False: runs["active" if active else "all"],
    )
    swept = run_task(lambda: EmrOnEc2SweepOperator(task_id="sweep", end=True))
    assert swept.error is None
    assert list(misfits(swept.result, SweepResult)) == []
    (orphan,) = swept.result["orphans"]
    assert (orphan["kind"], orphan["session_id"], orphan["ended"]) == ("cluster_session", started["session_id"], True)
    assert left_running(emr) == []


def test_more_tags_than_the_service_takes(emr: LocalEmr, cluster_id: str) -> None:
    own = {f"key-{number}": "value" for number in range(8)}
    assert start(cluster_id, tags=own).result["tags"] == own


@pytest.mark.parametrize(
    ("session", "said"),
    [
        ("a-session", "`cluster_id` is 'a-session', which is no id: those look like j-"),
        ({"application_id": "00f", "session_id": "01"}, "there is no 'cluster_id' in it"),
        ({"cluster_id": "j-1", "session_id": None}, "`session_id` is None"),
        ({"cluster_id": "j-1", "session_id": "arn:aws:x"}, "no spaces, slashes and colons"),
    ],
)
def test_what_does_not_say_which_session_is_refused(session: Any, said: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        cluster_session_ids(session)
    assert said in str(error.value)


def test_wrapped_tasks_lie_between_start_and_end() -> None:
    with DAG("a_dag", schedule=None):
        parameters: Any = {"region_name": "eu-west-1", "deferrable": True}
        with emr_on_ec2_session(cluster_id="j-1", terminate={"retries": 3}, **parameters) as session:
            EmrServerlessSparkSqlOperator(task_id="work", sql="SELECT 1", session=session)
    dag: Any = session.operator.dag
    start_task, work, end_task = (dag.get_task(name) for name in ("start_session", "work", "terminate_session"))
    assert (start_task.is_setup, end_task.is_teardown) == (True, True)
    assert work.upstream_task_ids == {"start_session"}
    assert end_task.upstream_task_ids >= {"start_session"}
    assert (end_task.region_name, end_task.deferrable, end_task.retries) == ("eu-west-1", True, 3)
