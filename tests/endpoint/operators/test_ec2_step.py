"""Steps of clusters of EMR on EC2: added once, found again by name, and cancelled with their task, in both modes."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from airflow_emrs_ext._compat import TaskDeferred
from airflow_emrs_ext.aws import steps
from airflow_emrs_ext.exceptions import (
    ConfigurationError,
    JobRunCancelled,
    JobRunFailed,
    RequestRejected,
    TaskKilled,
    WaitTimeout,
)
from airflow_emrs_ext.hooks.ec2 import EmrOnEc2Hook
from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from airflow_emrs_ext.operators.ec2_step import EmrOnEc2AddStepOperator, EmrOnEc2CancelStepOperator
from airflow_emrs_ext.operators.sweep import EmrOnEc2SweepOperator
from airflow_emrs_ext.results import StepResult
from airflow_emrs_ext.sensors.ec2 import EmrOnEc2StepSensor
from tests.polling import eventually
from tests.running import TaskInstance, TaskRun, context_of, run_task
from tests.typed import misfits

pytestmark = pytest.mark.airflow

ROLE = "arn:aws:iam::123456789012:role/job"
IN_BOTH_MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
HELD = [ScriptedAttempt(hold=True)]
SECOND_TRY: dict[str, Any] = {"try_number": 2, "max_tries": 2}
# Of a task with two retries that was cleared after its first try.
CLEARED: dict[str, Any] = {"try_number": 2, "max_tries": 3}
TRACEBACK = """\
Traceback (most recent call last):
  File "/tmp/spark-1b2c/job.py", line 9, in main
    raise ValueError("column missing")
ValueError: column missing
"""


def create(emr: LocalEmr, release_label: str = "emr-7.9.0", **parameters: Any) -> str:
    client = emr.client("emr")
    instances = {"KeepJobFlowAliveWhenNoSteps": True}
    made = client.run_job_flow(Name="a-cluster", Instances=instances, ReleaseLabel=release_label, **parameters)
    cluster_id = str(made["JobFlowId"])
    eventually(lambda: client.describe_cluster(ClusterId=cluster_id)["Cluster"]["Status"]["State"] == "WAITING")
    return cluster_id


@pytest.fixture
def cluster_id(emr: LocalEmr) -> str:
    emr.client("s3").create_bucket(Bucket="logs")
    return create(emr, LogUri="s3n://logs/here/")


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """What the first client of a process imports takes seconds; no scenario's deadline shall pay for it."""
    EmrOnEc2Hook(aws_conn_id=None, region_name="us-east-1").get_client_type()


def operator(cluster_id: Any, **arguments: Any) -> EmrOnEc2AddStepOperator:
    given: dict[str, Any] = {"task_id": "a_task", "cluster_id": cluster_id, "waiter_delay": 0.1, "retries": 2}
    if "hadoop_jar_step" not in arguments:
        given["job_driver"] = spark_submit("s3://b/j.py", ["a b"])
    return EmrOnEc2AddStepOperator(**{**given, **arguments})


def add(cluster_id: Any, task_instance: dict[str, Any] | None = None, **arguments: Any) -> TaskRun:
    return run_task(lambda: operator(cluster_id, **arguments), **(task_instance or {}))


def states(emr: LocalEmr) -> list[str]:
    """The states of all steps, the oldest first, after those that are being cancelled have ended."""
    return list(eventually(lambda: "CANCEL_PENDING" not in (found := _states(emr)) and (found or ["none"])))


def _states(emr: LocalEmr) -> list[str]:
    client = emr.client("emr")
    found: list[str] = []
    for cluster in emr.clusters():
        listed = client.list_steps(ClusterId=cluster["Id"])["Steps"]
        found += [one["Status"]["State"] for one in reversed(listed)]
    return found


@IN_BOTH_MODES
def test_a_step_is_added_and_waited_for(emr: LocalEmr, cluster_id: str, deferrable: bool) -> None:
    emr.script([ScriptedAttempt(stdout="42 rows\n")])
    run = add(
        cluster_id,
        job_driver=spark_submit("s3://b/j.py", ["a b"], conf={"spark.my.own": "c d"}),
        execution_role_arn=ROLE,
        show_driver_logs="always",
        deferrable=deferrable,
    )
    assert run.error is None, run.error
    result = run.result
    assert not list(misfits(result, StepResult))
    assert (result["state"], result["name"], result["action_on_failure"]) == ("COMPLETED", "a_dag.a_task", "CONTINUE")
    assert result["log_locations"]["s3_uri"] == f"s3://logs/here/{cluster_id}/steps/{result['step_id']}/"
    assert "42 rows" in result["driver_logs"][0]["text"]
    assert run.xcoms["step_id"] == result["step_id"]
    (step,) = emr.client("emr").list_steps(ClusterId=cluster_id)["Steps"]
    assert step["Name"].startswith("a_dag.a_task [emrs-ext ")
    args = step["Config"]["Args"]
    assert (step["Config"]["Jar"], args[0], args[-2:]) == ("command-runner.jar", "spark-submit", ["s3://b/j.py", "a b"])
    assert {"spark.my.own=c d", "spark.app.name=a_dag.a_task"} <= set(args)
    described = emr.client("emr").describe_step(ClusterId=cluster_id, StepId=result["step_id"])["Step"]
    assert described["ExecutionRoleArn"] == ROLE


@IN_BOTH_MODES
def test_why_it_has_failed_is_read_from_its_logs(emr: LocalEmr, cluster_id: str, deferrable: bool) -> None:
    emr.script([ScriptedAttempt(succeeded=False, stderr=TRACEBACK)])
    run = add(cluster_id, deferrable=deferrable)
    assert isinstance(run.error, JobRunFailed)
    assert "ValueError: column missing" in str(run.error)
    assert "job.py, line 9" in str(run.error)
    assert f"of cluster {cluster_id} is FAILED" in str(run.error)
    assert not list(misfits(run.error.facts, StepResult))


@IN_BOTH_MODES
def test_one_that_is_cancelled_from_outside(emr: LocalEmr, cluster_id: str, deferrable: bool) -> None:
    emr.script(HELD)
    helper = threading.Thread(target=lambda: cancel_running(emr))
    helper.start()
    run = add(cluster_id, deferrable=deferrable)
    helper.join()
    assert isinstance(run.error, JobRunCancelled)


def cancel_running(emr: LocalEmr) -> None:
    step = eventually(lambda: next((one for one in emr.steps() if _states(emr) == ["RUNNING"]), None))
    (cluster,) = emr.clusters()
    emr.client("emr").cancel_steps(ClusterId=cluster["Id"], StepIds=[step["Id"]])


def test_the_apis_own_form(emr: LocalEmr, cluster_id: str) -> None:
    jar = {"Jar": "command-runner.jar", "Args": ["spark-submit", "s3://b/j.py", 7]}
    run = add(cluster_id, hadoop_jar_step=jar, name="mine", action_on_failure="CANCEL_AND_WAIT", config={})
    assert run.error is None, run.error
    assert (run.result["name"], run.result["action_on_failure"]) == ("mine", "CANCEL_AND_WAIT")
    (step,) = emr.client("emr").list_steps(ClusterId=cluster_id)["Steps"]
    assert step["Config"]["Args"] == ["spark-submit", "s3://b/j.py", "7"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"job_driver": None}, "`job_driver` or `hadoop_jar_step`"),
        ({"job_driver": spark_submit("s3://b/j.py"), "hadoop_jar_step": {"Jar": "a.jar"}}, "and not both"),
        ({"job_driver": {"hive": {"query": "s3://b/q.sql"}}}, "`job_driver` has hive"),
        (
            {"job_driver": {"sparkSubmit": {"entry": "s3://b/j.py"}}},
            "`job_driver.sparkSubmit.entry`: there is no 'entry'",
        ),
        ({"hadoop_jar_step": {"Jar": "a.jar", "Argz": []}}, "`hadoop_jar_step.Argz`: there is no 'Argz'"),
        ({"name": "x" * 200}, "`name` has 200 characters"),
        ({"config": {"Name": "mine"}}, "`config` has Name"),
        ({"config": {"ClientRequestToken": "mine"}}, "ClientRequestToken"),
        ({"cluster_id": "a cluster"}, "`cluster_id`"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_asked(
    emr: LocalEmr, cluster_id: str, arguments: dict[str, Any], said: str
) -> None:
    run = add(**{"cluster_id": cluster_id, **arguments})
    assert isinstance(run.error, ConfigurationError), run.error
    assert said in str(run.error)
    assert emr.calls("AddJobFlowSteps") == []


def test_what_the_service_refuses_names_the_parameter(emr: LocalEmr, cluster_id: str) -> None:
    for place, arguments, remedy in (
        ("j-NOSUCHCLUSTER", {}, "`cluster_id`"),
        (cluster_id, {"hadoop_jar_step": {"Jar": "command-runner.jar", "Args": ["x" * 11_000]}}, "`hadoop_jar_step`"),
    ):
        run = add(place, **arguments)
        assert isinstance(run.error, RequestRejected), run.error
        assert remedy in str(run.error)


# Once, and not twice


@IN_BOTH_MODES
@pytest.mark.parametrize("submit_from", ["worker", "triggerer"])
def test_a_lost_answer_adds_no_second_step(emr: LocalEmr, cluster_id: str, deferrable: bool, submit_from: Any) -> None:
    emr.inject("AddJobFlowSteps", "drop")
    # Whatever a user says of botocore's retries: it would add another.
    retries = {"retries": {"max_attempts": 5, "mode": "standard"}}
    run = add(cluster_id, botocore_config=retries, deferrable=deferrable, submit_from=submit_from)
    assert run.error is None, run.error
    assert len(emr.calls("AddJobFlowSteps")) == 1
    assert states(emr) == ["COMPLETED"]


def test_a_request_that_was_lost_is_repeated_once_it_cannot_arrive_any_more(
    emr: LocalEmr, cluster_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "_SIGNED_SECONDS", 3.0)
    monkeypatch.setattr(steps, "_APPEARANCE_SECONDS", 1.0)
    emr.inject("AddJobFlowSteps", "reset")
    run = add(cluster_id)
    assert run.error is None, run.error
    assert len(emr.calls("AddJobFlowSteps")) == 2
    assert len(emr.calls("ListSteps")) >= 4
    assert states(emr) == ["COMPLETED"]


def test_while_it_is_not_known_only_the_deadline_ends_the_task(emr: LocalEmr, cluster_id: str) -> None:
    """What has been added all the same is found by its name and cancelled."""
    emr.script(HELD)
    emr.inject("AddJobFlowSteps", "drop")
    emr.inject("ListSteps", "error", times=None, after=1)

    def mend() -> None:
        eventually(lambda: len(emr.calls("ListSteps")) > 3, within=60)
        emr.clear_faults()

    helper = threading.Thread(target=mend)
    helper.start()
    run = add(cluster_id, wait_timeout=6)
    helper.join()
    assert isinstance(run.error, WaitTimeout), run.error
    assert len(emr.calls("AddJobFlowSteps")) == 1
    assert states(emr) == ["CANCELLED"]


@IN_BOTH_MODES
def test_a_try_after_a_lost_worker_goes_on_with_the_step_that_is_there(
    emr: LocalEmr, cluster_id: str, deferrable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__DEFAULT_TAGS", "False")
    emr.script(HELD)
    with pytest.raises(TaskDeferred) as deferral:
        operator(cluster_id, deferrable=True).execute(context_of(TaskInstance()))
    assert deferral.value.trigger is not None
    (step,) = emr.steps()
    assert eventually(lambda: _states(emr) == ["RUNNING"])
    emr.finish(step["Id"], after=2.0)
    run = add(cluster_id, SECOND_TRY, deferrable=deferrable)
    assert run.error is None, run.error
    assert run.result["step_id"] == step["Id"]
    # One that has ended well while nobody looked is the result, too.
    assert add(cluster_id, SECOND_TRY, deferrable=deferrable).result["step_id"] == step["Id"]
    assert states(emr) == ["COMPLETED"]


def test_after_one_that_has_failed_comes_another(emr: LocalEmr, cluster_id: str) -> None:
    emr.script([ScriptedAttempt(succeeded=False)], times=2)
    assert isinstance(add(cluster_id).error, JobRunFailed)
    assert isinstance(add(cluster_id, SECOND_TRY).error, JobRunFailed)
    assert add(cluster_id, {"try_number": 3, "max_tries": 2}).error is None
    assert states(emr) == ["FAILED", "FAILED", "COMPLETED"]


@pytest.mark.parametrize(
    ("arguments", "task"),
    [
        ({"job_driver": spark_submit("s3://b/other.py")}, SECOND_TRY),
        ({"name": "another"}, SECOND_TRY),
        ({"reattach": False}, SECOND_TRY),
        ({}, CLEARED),
        ({}, {"try_number": 4, "max_tries": 5}),
    ],
    ids=["another driver", "another name", "no reattach", "cleared", "cleared after tries that added nothing"],
)
def test_what_an_earlier_try_has_left_and_is_not_to_go_on_is_cancelled_first(
    emr: LocalEmr, cluster_id: str, arguments: dict[str, Any], task: dict[str, Any]
) -> None:
    emr.script(HELD, times=1)
    reattach = {"reattach": False} if "reattach" in arguments else {}
    first = add(cluster_id, {"try_number": 1, "max_tries": task["max_tries"]}, wait_for="running", **reattach)
    assert first.error is None, first.error
    run = add(cluster_id, task, **arguments)
    assert run.error is None, run.error
    assert run.result["step_id"] != first.result["step_id"]
    assert states(emr) == ["CANCELLED", "COMPLETED"]


def test_a_lost_try_after_a_clear_is_gone_on_with(emr: LocalEmr, cluster_id: str) -> None:
    """It has a generation of its own, whatever the tries before the clear have added."""
    assert add(cluster_id).error is None
    emr.script(HELD)
    cleared = add(cluster_id, CLEARED, wait_for="running")
    assert cleared.error is None, cleared.error
    emr.finish(cleared.result["step_id"], after=1.0)
    again = add(cluster_id, {"try_number": 3, "max_tries": 3})
    assert again.result["step_id"] == cleared.result["step_id"]
    assert states(emr) == ["COMPLETED", "COMPLETED"]


def test_what_runs_when_a_person_clears_the_task_is_gone_on_with_if_a_kill_keeps_it(
    emr: LocalEmr, cluster_id: str
) -> None:
    emr.script(HELD)
    first = add(cluster_id, wait_for="running", cancel_on_kill=False)
    emr.finish(first.result["step_id"], after=1.0)
    assert add(cluster_id, CLEARED, cancel_on_kill=False).result["step_id"] == first.result["step_id"]
    assert states(emr) == ["COMPLETED"]


def test_each_task_and_each_airflow_has_its_own(
    emr: LocalEmr, cluster_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks: list[dict[str, Any]] = [{}, {"map_index": 0}, {"task_id": "b"}, {"run_id": "another"}]
    found = [add(cluster_id, task).result["step_id"] for task in tasks]
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__DEPLOYMENT", "another")
    found.append(add(cluster_id, SECOND_TRY).result["step_id"])
    assert len(set(found)) == 5


# Its end


@IN_BOTH_MODES
def test_a_deadline_cancels_the_step_unless_it_is_to_be_kept(emr: LocalEmr, cluster_id: str, deferrable: bool) -> None:
    emr.script(HELD)
    run = add(cluster_id, wait_timeout=4, deferrable=deferrable)
    assert isinstance(run.error, WaitTimeout), run.error
    assert "asked to cancel it (cancel_on_timeout)" in str(run.error)
    kept = add(cluster_id, {"task_id": "b"}, wait_timeout=4, deferrable=deferrable, cancel_on_timeout=False)
    assert isinstance(kept.error, WaitTimeout)
    assert eventually(lambda: _states(emr) == ["CANCELLED", "RUNNING"])


def test_a_kill_while_waiting_cancels_the_step(emr: LocalEmr, cluster_id: str) -> None:
    emr.script(HELD)
    task = operator(cluster_id)

    def kill() -> None:
        eventually(lambda: _states(emr) == ["RUNNING"])
        task.on_kill()

    killer = threading.Thread(target=kill)
    killer.start()
    run = run_task(lambda: task)
    killer.join()
    assert isinstance(run.error, (JobRunCancelled, TaskKilled))
    assert states(emr) == ["CANCELLED"]


@IN_BOTH_MODES
@pytest.mark.parametrize("option", [None, "TERMINATE_PROCESS"])
def test_cancelling(emr: LocalEmr, cluster_id: str, deferrable: bool, option: Any) -> None:
    emr.script(HELD)
    ids = add(cluster_id, wait_for="running").result
    given = {"cluster_id": ids, "step_id": ids, "step_cancellation_option": option, "waiter_delay": 0.1}
    for _ in range(2):
        run = run_task(lambda: EmrOnEc2CancelStepOperator(task_id="cancel", deferrable=deferrable, **given))
        assert run.error is None, run.error
        assert run.result["state"] == "CANCELLED"
        assert not list(misfits(run.result, StepResult))


@IN_BOTH_MODES
def test_a_cancellation_that_is_refused_is_said(emr: LocalEmr, deferrable: bool) -> None:
    cluster_id = create(emr, "emr-5.20.0")
    emr.script(HELD)
    ids = add(cluster_id, wait_for="running").result
    run = run_task(
        lambda: EmrOnEc2CancelStepOperator(
            task_id="cancel", cluster_id=ids, step_id=ids, deferrable=deferrable, waiter_delay=0.1
        )
    )
    assert isinstance(run.error, RequestRejected), run.error
    assert ids["step_id"] in str(run.error)
    assert "emr-5.28.0" in str(run.error)
    assert _states(emr) == ["RUNNING"]


@IN_BOTH_MODES
def test_the_sensor(emr: LocalEmr, cluster_id: str, deferrable: bool) -> None:
    emr.script(HELD)
    ids = add(cluster_id, wait_for="submission").result
    assert ids == {"cluster_id": cluster_id, "step_id": ids["step_id"]}

    def wait(**arguments: Any) -> TaskRun:
        given = {"task_id": "wait", "cluster_id": ids, "step_id": ids, "poke_interval": 0.1, **arguments}
        return run_task(lambda: EmrOnEc2StepSensor(deferrable=deferrable, **given))

    running = wait(target_states=["RUNNING"])
    assert running.error is None, running.error
    assert running.result["state"] == "RUNNING"
    emr.finish(ids["step_id"], succeeded=False)
    assert isinstance(wait().error, JobRunFailed)
    assert wait(target_states=["FAILED"]).result["state"] == "FAILED"


def test_a_sweep_leaves_steps_alone(emr: LocalEmr, cluster_id: str) -> None:
    emr.script(HELD)
    assert add(cluster_id, wait_for="running").error is None
    run = run_task(lambda: EmrOnEc2SweepOperator(task_id="sweep", cluster_ids=[cluster_id], end=True))
    assert run.result == {"orphans": []}
    assert _states(emr) == ["RUNNING"]


def test_the_hook(emr: LocalEmr, cluster_id: str) -> None:
    hook = EmrOnEc2Hook(aws_conn_id=None, region_name="us-east-1")
    emr.script(HELD)
    step = {"Name": "one", "HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["spark-submit", "s3://b/j.py"]}}
    first, second = hook.add_job_flow_steps(cluster_id=cluster_id, steps=[step, step])["StepIds"]
    assert [one["Id"] for one in hook.list_steps(cluster_id)] == [second, first]
    assert hook.describe_step(cluster_id, first)["Name"] == "one"
    told = hook.cancel_steps(cluster_id, [second, first], step_cancellation_option="SEND_INTERRUPT")
    assert {one["StepId"]: one["Status"] for one in told} == {first: "SUBMITTED", second: "SUBMITTED"}
