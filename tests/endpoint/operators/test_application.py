from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from airflow_emrs_ext.core.effects import OwnNotes
from airflow_emrs_ext.exceptions import ConfigurationError, RequestRejected, WaitTimeout
from airflow_emrs_ext.hooks.serverless import EmrServerlessHook
from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from airflow_emrs_ext.operators.application import (
    EmrServerlessCreateApplicationOperator,
    EmrServerlessUpdateApplicationOperator,
)
from airflow_emrs_ext.operators.application_state import (
    EmrServerlessDeleteApplicationOperator,
    EmrServerlessStartApplicationOperator,
    EmrServerlessStopApplicationOperator,
)
from airflow_emrs_ext.workflows.application import update_application
from tests.polling import eventually
from tests.running import TaskRun, run_task

pytestmark = pytest.mark.airflow

ROLE = "arn:aws:iam::123456789012:role/job"
IN_BOTH_MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])


def run(operator_class: type, **arguments: Any) -> TaskRun:
    return run_task(lambda: operator_class(task_id="a_task", waiter_delay=0.1, **arguments))


def create(**arguments: Any) -> TaskRun:
    return run(EmrServerlessCreateApplicationOperator, **{"name": "mine", "release_label": "emr-7.9.0", **arguments})


def new_application(emr: LocalEmr, **members: Any) -> str:
    created = emr.client("emr-serverless").create_application(
        **{"name": "mine", "releaseLabel": "emr-7.9.0", "type": "SPARK", **members}
    )
    eventually(lambda: state_of(emr, created["applicationId"]) == "CREATED")
    return str(created["applicationId"])


def state_of(emr: LocalEmr, application_id: str) -> str:
    response = emr.client("emr-serverless").get_application(applicationId=application_id)
    return str(response["application"]["state"])


def start_runs(emr: LocalEmr, application_id: str, count: int) -> None:
    emr.script([ScriptedAttempt(hold=True)])
    for _ in range(count):
        emr.client("emr-serverless").start_job_run(
            applicationId=application_id, executionRoleArn=ROLE, jobDriver=spark_submit("s3://b/j.py")
        )


@IN_BOTH_MODES
def test_create_with_every_setting(emr: LocalEmr, deferrable: bool) -> None:
    settings = {
        "architecture": "ARM64",
        "auto_start_configuration": {"enabled": False},
        "auto_stop_configuration": {"enabled": True, "idleTimeoutMinutes": 7},
        "initial_capacity": {
            "DRIVER": {"workerCount": 1, "workerConfiguration": {"cpu": "2 vCPU", "memory": "4 GB"}},
        },
        "maximum_capacity": {"cpu": "8 vCPU", "memory": "32 GB"},
        "monitoring_configuration": {"s3MonitoringConfiguration": {"logUri": "s3://logs/"}},
        "network_configuration": {"subnetIds": ["subnet-1"], "securityGroupIds": ["sg-1"]},
        "interactive_configuration": {"studioEnabled": True},
        "runtime_configuration": [{"classification": "spark-defaults", "properties": {"spark.executor.cores": "2"}}],
        "scheduler_configuration": {"maxConcurrentRuns": 2, "queueTimeoutMinutes": 30},
        "tags": {"team": "data"},
    }
    task = create(deferrable=deferrable, **settings)
    assert task.error is None
    result = task.result
    assert (result["state"], result["name"], result["tags"]["team"]) == ("CREATED", "mine", "data")
    assert task.xcoms["application_id"] == result["application_id"]
    found = emr.client("emr-serverless").get_application(applicationId=result["application_id"])["application"]
    assert found["architecture"] == "ARM64"
    assert found["autoStartConfiguration"] == {"enabled": False}
    assert found["autoStopConfiguration"] == {"enabled": True, "idleTimeoutMinutes": 7}
    assert found["schedulerConfiguration"] == settings["scheduler_configuration"]
    assert found["runtimeConfiguration"] == settings["runtime_configuration"]
    assert found["networkConfiguration"] == settings["network_configuration"]
    assert found["interactiveConfiguration"]["studioEnabled"] is True


@IN_BOTH_MODES
def test_create_and_start(emr: LocalEmr, deferrable: bool) -> None:
    assert create(deferrable=deferrable, start_application=True).result["state"] == "STARTED"


def test_create_without_waiting(emr: LocalEmr) -> None:
    emr.configure(application_start_seconds=30)
    assert create(wait_for_completion=False).result["state"] == "CREATING"


@IN_BOTH_MODES
def test_a_dropped_answer_makes_no_second_application(emr: LocalEmr, deferrable: bool) -> None:
    emr.inject("CreateApplication", "drop")
    task = create(deferrable=deferrable)
    assert [one["applicationId"] for one in emr.applications()] == [task.result["application_id"]]


def test_reuse_takes_the_application_of_that_name(emr: LocalEmr) -> None:
    application_id = new_application(emr)
    assert create(reuse_existing=True).result["application_id"] == application_id
    assert create(reuse_existing=False).result["application_id"] != application_id


def test_reuse_creates_what_is_not_there(emr: LocalEmr) -> None:
    application_id = new_application(emr, name="another")
    assert create(reuse_existing=True).result["application_id"] != application_id


@pytest.mark.parametrize("on_drift", ["fail", "update", "keep"])
def test_reuse_refuses_another_kind_of_application(emr: LocalEmr, on_drift: str) -> None:
    new_application(emr, type="HIVE")
    error = create(reuse_existing=True, on_drift=on_drift).error
    assert isinstance(error, ConfigurationError)
    assert "type: 'Hive' instead of 'SPARK'" in str(error)
    assert len(emr.applications()) == 1


DRIFT = {
    "release_label": "emr-7.10.0",
    "maximum_capacity": {"cpu": "32vCPU", "memory": "256 GB"},
    "runtime_configuration": [{"classification": "spark-defaults", "properties": {"spark.executor.cores": 2}}],
    "config": {"name": "mine", "autoStopConfiguration": {"idleTimeoutMinutes": "30"}},
    "name": None,
    "reuse_existing": True,
}
THERE: dict[str, Any] = {
    "maximumCapacity": {"cpu": "32 vCPU", "memory": "128 GB"},
    "runtimeConfiguration": [{"classification": "spark-defaults", "properties": {"spark.executor.cores": "1"}}],
    "networkConfiguration": {"subnetIds": ["subnet-1"]},
}


def test_drift_fails_the_task_and_is_said(emr: LocalEmr) -> None:
    new_application(emr, **THERE)
    error = create(**DRIFT).error
    assert isinstance(error, ConfigurationError)
    assert "releaseLabel: 'emr-7.9.0' instead of 'emr-7.10.0'" in str(error)
    assert "maximumCapacity.memory: '128 GB' instead of '256 GB'" in str(error)
    assert "autoStopConfiguration.idleTimeoutMinutes: 15 instead of 30" in str(error)
    assert "runtimeConfiguration" in str(error)
    assert "cpu" not in str(error), "the same, spelled otherwise"
    assert "network" not in str(error), "not given"
    assert emr.calls("UpdateApplication") == []


def test_what_is_the_same_is_no_drift(emr: LocalEmr) -> None:
    application_id = new_application(emr, **THERE)
    same = {
        "maximum_capacity": {"cpu": "32VCPU", "memory": "128GB"},
        "runtime_configuration": [{"classification": "spark-defaults", "properties": {"spark.executor.cores": 1}}],
        "network_configuration": {"subnetIds": ["subnet-1"]},
    }
    assert create(reuse_existing=True, **same).result["application_id"] == application_id


def test_drift_is_kept_if_told_so(emr: LocalEmr) -> None:
    application_id = new_application(emr, **THERE)
    task = create(**DRIFT, on_drift="keep")
    assert task.result["application_id"] == application_id
    assert emr.calls("UpdateApplication") == []


@IN_BOTH_MODES
@pytest.mark.parametrize("is_started", [True, False])
def test_drift_is_updated_and_no_job_run_is_cut(emr: LocalEmr, deferrable: bool, is_started: bool) -> None:
    application_id = new_application(emr, **THERE)
    if is_started:
        start_runs(emr, application_id, 1)
        eventually(lambda: state_of(emr, application_id) == "STARTED")
        (job_run,) = emr.job_runs()
        finishing = threading.Timer(1.0, emr.finish, [job_run["jobRunId"]])
        finishing.start()
    task = create(**DRIFT, on_drift="update", deferrable=deferrable)
    assert task.error is None
    assert task.result["state"] == ("STARTED" if is_started else "CREATED")
    assert task.result["release_label"] == "emr-7.10.0"
    assert {one["state"] for one in emr.job_runs()} <= {"SUCCESS"}
    (found,) = emr.applications()
    assert (found["applicationId"], found["maximumCapacity"]["memory"]) == (application_id, "256 GB")
    assert found["autoStopConfiguration"] == {"enabled": True, "idleTimeoutMinutes": 30}
    assert found["networkConfiguration"]["subnetIds"] == ["subnet-1"]
    calls = len(emr.calls("UpdateApplication"))
    assert create(**DRIFT, on_drift="update").error is None
    assert len(emr.calls("UpdateApplication")) == calls, "it does not differ any more"


@IN_BOTH_MODES
def test_an_application_in_use_is_left_as_it_is_at_the_deadline(emr: LocalEmr, deferrable: bool) -> None:
    application_id = new_application(emr, **THERE)
    start_runs(emr, application_id, 2)
    eventually(lambda: state_of(emr, application_id) == "STARTED")
    task = create(**DRIFT, on_drift="update", deferrable=deferrable, wait_timeout=1.0)
    assert isinstance(task.error, WaitTimeout)
    assert "by 2 job runs or sessions" in str(task.error)
    assert state_of(emr, application_id) == "STARTED"
    assert emr.calls("UpdateApplication") == emr.calls("StopApplication") == []


def test_an_application_that_was_stopped_for_nothing_is_started_again(emr: LocalEmr) -> None:
    """The change is refused, which is known once it is tried."""
    application_id = new_application(emr, **THERE)
    emr.client("emr-serverless").start_application(applicationId=application_id)
    eventually(lambda: state_of(emr, application_id) == "STARTED")
    task = create(**{**DRIFT, "release_label": "latest"}, on_drift="update")
    assert isinstance(task.error, RequestRejected)
    assert "`release_label`" in str(task.error)
    eventually(lambda: state_of(emr, application_id) == "STARTED")
    assert len(emr.calls("StopApplication")) == 1


def test_a_trigger_that_goes_on_knows_that_the_application_was_started(emr: LocalEmr) -> None:
    """The one before it was lost after it had stopped the application."""
    application_id = new_application(emr, **THERE)
    hook, notes = EmrServerlessHook(), OwnNotes()
    notes.note({"was_started": True})
    changed = update_application(
        replace(hook.run_context, notes=notes),
        application_id=application_id,
        changes={"release_label": "emr-7.10.0"},
        token="token",
        start=False,
    )
    assert hook.run(changed)["state"] == "STARTED"


@pytest.mark.parametrize("type", ["HIVE", None])
def test_the_type_may_be_in_config(emr: LocalEmr, type: str | None) -> None:
    assert create(config={} if type is None else {"type": type}).error is None
    (one,) = emr.applications()
    assert one["type"].upper() == (type or "SPARK")


def test_settings_that_are_empty_are_no_drift(emr: LocalEmr) -> None:
    application_id = new_application(emr)
    empty: dict[str, Any] = {"runtime_configuration": [], "network_configuration": {}, "initial_capacity": {}}
    assert create(reuse_existing=True, **empty).result["application_id"] == application_id


def test_what_can_be_changed_while_it_is_started_stops_nothing(emr: LocalEmr) -> None:
    application_id = new_application(emr)
    start_runs(emr, application_id, 1)
    eventually(lambda: state_of(emr, application_id) == "STARTED")
    task = create(reuse_existing=True, on_drift="update", scheduler_configuration={"maxConcurrentRuns": 3})
    assert task.error is None
    assert len(emr.calls("UpdateApplication")) == 1
    assert emr.calls("StopApplication") == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"release_label": "latest"}, "`release_label`"),
        ({"maximum_capacity": {"cpu": "lots", "memory": "16 GB"}}, "`maximum_capacity`"),
        ({"scheduler_configuration": {"maxConcurrentRuns": 5000}}, "`scheduler_configuration`"),
    ],
    ids=["release", "capacity", "scheduler"],
)
def test_a_refused_parameter_is_named_with_its_remedy(emr: LocalEmr, arguments: dict[str, Any], said: str) -> None:
    error = create(**arguments).error
    assert isinstance(error, RequestRejected)
    assert said in str(error)
    assert emr.applications() == []


def test_update(emr: LocalEmr) -> None:
    application_id = new_application(emr)
    task = run(
        EmrServerlessUpdateApplicationOperator,
        application_id=application_id,
        maximum_capacity={"cpu": "8 vCPU", "memory": "32 GB"},
        release_label="emr-7.10.0",
    )
    assert task.result["release_label"] == "emr-7.10.0"
    found = emr.client("emr-serverless").get_application(applicationId=application_id)["application"]
    assert found["maximumCapacity"]["cpu"] == "8 vCPU"


@IN_BOTH_MODES
def test_start(emr: LocalEmr, deferrable: bool) -> None:
    application_id = new_application(emr)
    started = run(EmrServerlessStartApplicationOperator, application_id=application_id, deferrable=deferrable)
    assert started.result["state"] == "STARTED"
    again = run(EmrServerlessStartApplicationOperator, application_id=application_id, deferrable=deferrable)
    assert again.result["state"] == "STARTED"


@IN_BOTH_MODES
def test_stop_cancels_everything_when_forced(emr: LocalEmr, deferrable: bool) -> None:
    application_id = new_application(emr, schedulerConfiguration={"maxConcurrentRuns": 1, "queueTimeoutMinutes": 15})
    start_runs(emr, application_id, 4)
    eventually(lambda: sorted(one["state"] for one in emr.job_runs()) == ["QUEUED"] * 3 + ["RUNNING"])
    task = run(
        EmrServerlessStopApplicationOperator, application_id=application_id, force_stop=True, deferrable=deferrable
    )
    assert task.error is None
    assert task.result["state"] == "STOPPED"
    assert {one["state"] for one in emr.job_runs()} == {"CANCELLED"}


@IN_BOTH_MODES
def test_stop_without_force_leaves_the_runs_alone(emr: LocalEmr, deferrable: bool) -> None:
    application_id = new_application(emr)
    start_runs(emr, application_id, 1)
    eventually(lambda: emr.job_runs()[0]["state"] == "RUNNING")
    task = run(EmrServerlessStopApplicationOperator, application_id=application_id, deferrable=deferrable)
    assert isinstance(task.error, RequestRejected)
    assert "`force_stop=True`" in str(task.error)
    assert emr.job_runs()[0]["state"] == "RUNNING"


def test_stop_of_an_application_at_rest_is_success(emr: LocalEmr) -> None:
    application_id = new_application(emr)
    assert run(EmrServerlessStopApplicationOperator, application_id=application_id).result["state"] == "CREATED"


@IN_BOTH_MODES
def test_delete_stops_first(emr: LocalEmr, deferrable: bool) -> None:
    application_id = new_application(emr)
    start_runs(emr, application_id, 2)
    eventually(lambda: emr.job_runs()[0]["state"] == "RUNNING")
    task = run(
        EmrServerlessDeleteApplicationOperator,
        application_id={"application_id": application_id, "name": "mine"},
        force_stop=True,
        deferrable=deferrable,
    )
    assert task.error is None
    assert task.result["state"] == "TERMINATED"
    assert state_of(emr, application_id) == "TERMINATED"


@IN_BOTH_MODES
def test_delete_twice_is_success(emr: LocalEmr, deferrable: bool) -> None:
    application_id = new_application(emr)
    for application in (application_id, application_id, "00fdoesnotexist1"):
        task = run(EmrServerlessDeleteApplicationOperator, application_id=application, deferrable=deferrable)
        assert task.error is None
        assert task.result["state"] == "TERMINATED"


@IN_BOTH_MODES
@pytest.mark.parametrize("times", [1, None])
@pytest.mark.parametrize("operation", ["StartApplication", "StopApplication", "DeleteApplication"])
def test_answers_that_are_lost_after_the_effect_are_no_failure(
    emr: LocalEmr, monkeypatch: pytest.MonkeyPatch, operation: str, times: int | None, deferrable: bool
) -> None:
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__PATIENCE", "1")
    application_id = new_application(emr)
    emr.inject(operation, "drop", times=times)
    for operator_class, state in (
        (EmrServerlessStartApplicationOperator, "STARTED"),
        (EmrServerlessStopApplicationOperator, "STOPPED"),
        (EmrServerlessDeleteApplicationOperator, "TERMINATED"),
    ):
        task = run(operator_class, application_id=application_id, deferrable=deferrable)
        assert task.error is None
        assert task.result["state"] == state


@IN_BOTH_MODES
def test_a_request_that_was_never_heard_is_a_failure(
    emr: LocalEmr, monkeypatch: pytest.MonkeyPatch, deferrable: bool
) -> None:
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__PATIENCE", "1")
    application_id = new_application(emr)
    assert run(EmrServerlessStartApplicationOperator, application_id=application_id).error is None
    emr.inject("StopApplication", "reset", times=None)
    for is_seen in (True, False):
        if not is_seen:
            # It is looked at once before the request.
            emr.inject("GetApplication", "reset", times=None, after=1)
        task = run(EmrServerlessStopApplicationOperator, application_id=application_id, deferrable=deferrable)
        assert "stop_application did not succeed for the patience" in str(task.error)
    emr.clear_faults()
    assert state_of(emr, application_id) == "STARTED"


def test_requests_without_waiting(emr: LocalEmr) -> None:
    application_id = new_application(emr)
    for operator_class, state in (
        (EmrServerlessStartApplicationOperator, "STARTED"),
        (EmrServerlessStopApplicationOperator, "STOPPED"),
        (EmrServerlessDeleteApplicationOperator, "TERMINATED"),
    ):
        task = run(operator_class, application_id=application_id, wait_for_completion=False)
        assert task.error is None
        assert task.result["application_id"] == application_id
        eventually(lambda: state_of(emr, application_id) == state)  # noqa: B023 - looked at in this very turn


def test_further_members_go_through_config_under_the_parameters(emr: LocalEmr) -> None:
    config = {"name": "from-config", "tags": {"a": "b"}, "architecture": "ARM64", "clientToken": "mine"}
    task = create(name=None, architecture="X86_64", config=config)
    assert task.error is None
    assert (task.result["name"], task.result["tags"]["a"]) == ("from-config", "b")
    assert task.result["architecture"] == "X86_64"
    assert create(name=None, architecture="X86_64", config=config).result == task.result


@IN_BOTH_MODES
def test_a_wait_has_its_deadline(emr: LocalEmr, deferrable: bool) -> None:
    emr.configure(application_start_seconds=60)
    task = create(wait_timeout=1.2, deferrable=deferrable)
    assert isinstance(task.error, WaitTimeout)
    assert "CREATING" in str(task.error)
