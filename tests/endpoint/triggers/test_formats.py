"""Workers, triggerers and journals of different versions in one deployment.

``recorded/format-1.json`` is what the first release has written: the arguments of triggers, their events, and entries
of the journal. What is written now has to be as good for its readers.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_emrs_ext._compat import TaskDeferred
from airflow_emrs_ext.core.formats import known
from airflow_emrs_ext.exceptions import InvalidEvent
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt, ScriptedSession
from airflow_emrs_ext.operators.containers_job_run import EmrContainersStartJobRunOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.operators.session import EmrServerlessStartSessionOperator
from airflow_emrs_ext.triggers import recovery, workflow
from airflow_emrs_ext.triggers._compat import TaskRow
from airflow_emrs_ext.triggers.workflow import WorkflowTrigger
from airflow_emrs_ext.workflows.registry import WORKFLOWS
from tests.polling import eventually
from tests.running import TaskInstance, context_of, named

pytestmark = pytest.mark.airflow

RECORDED = (Path(__file__).parent / "recorded/format-1.json").read_text()
ROLE = "arn:aws:iam::123456789012:role/job"
WAITING = {"execution_role_arn": ROLE, "deferrable": True, "waiter_delay": 0.1}
JOB = {"job_driver": {"sparkSubmit": {"entryPoint": "s3://b/j.py"}}, **WAITING}
EKS_JOB = {
    "release_label": "emr-7.9.0-latest",
    "job_driver": {"sparkSubmitJobDriver": {"entryPoint": "s3://b/j.py"}},
    **WAITING,
}

# The tasks whose deferrals were recorded.
TASKS: Mapping[str, Callable[[Mapping[str, str]], Any]] = {
    "job_run": lambda ids: EmrServerlessStartJobRunOperator(
        task_id="job_run", application_id=ids["<application_id>"], **JOB
    ),
    "job_run_live": lambda ids: EmrServerlessStartJobRunOperator(
        task_id="job_run_live", application_id=ids["<application_id>"], show_driver_logs="live", **JOB
    ),
    "job_run_submitted": lambda ids: EmrServerlessStartJobRunOperator(
        task_id="job_run_submitted", application_id=ids["<application_id>"], submit_from="triggerer", **JOB
    ),
    "session": lambda ids: EmrServerlessStartSessionOperator(
        task_id="session", application_id=ids["<application_id>"], **WAITING
    ),
    "eks_job_run": lambda ids: EmrContainersStartJobRunOperator(
        task_id="eks_job_run", virtual_cluster_id=ids["<virtual_cluster_id>"], **EKS_JOB
    ),
}
DONE = {"SUCCESS", "COMPLETED", "STARTED", "IDLE"}
each = pytest.mark.parametrize("name", TASKS)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__JOURNAL_FOLDER", str(tmp_path))
    monkeypatch.setattr(recovery, "row_of_task", lambda identity: TaskRow("failed", None, 1, has_resumed=False))
    return tmp_path


@pytest.fixture
def ids(emr: LocalEmr) -> dict[str, str]:
    """What stands for the ids in what was recorded, and what there is of each kind."""
    emr.script([ScriptedAttempt(hold=True)], session=ScriptedSession(ready_after=0.1))
    serverless_api, containers = emr.client("emr-serverless"), emr.client("emr-containers")
    application = serverless_api.create_application(
        releaseLabel="emr-7.13.0", type="SPARK", interactiveConfiguration={"sessionEnabled": True}
    )["applicationId"]
    provider = {"type": "EKS", "id": "eks", "info": {"eksInfo": {"namespace": "n"}}}
    cluster = containers.create_virtual_cluster(name="c", containerProvider=provider)["id"]
    found = {
        "<application_id>": application,
        "<virtual_cluster_id>": cluster,
        "<job_run_id>": serverless_api.start_job_run(
            applicationId=application, executionRoleArn=ROLE, jobDriver=JOB["job_driver"]
        )["jobRunId"],
        "<session_id>": serverless_api.start_session(applicationId=application, executionRoleArn=ROLE)["sessionId"],
        "<eks_job_run_id>": containers.start_job_run(
            virtualClusterId=cluster,
            executionRoleArn=ROLE,
            releaseLabel=EKS_JOB["release_label"],
            jobDriver=EKS_JOB["job_driver"],
        )["id"],
    }
    eventually(lambda: {run["state"] for run in [*emr.job_runs(), *emr.eks_job_runs()]} == {"RUNNING"})
    return found


def recorded(kind: str, name: str, ids: Mapping[str, str]) -> Any:
    text = RECORDED
    for place, real in {**ids, "<another_job_run_id>": ids["<job_run_id>"]}.items():
        text = text.replace(place, real)
    # The endpoint uploads logs sooner than the service did: nobody need wait for the last lines as long.
    return json.loads(text.replace('"driver_log_interval": 15.0', '"driver_log_interval": 0.5'))[kind][name]


def finish(emr: LocalEmr) -> None:
    """Let what runs succeed, and what is started from now on."""
    emr.script([ScriptedAttempt()])
    for run in [*emr.job_runs(), *emr.eks_job_runs()]:
        emr.finish(run.get("jobRunId") or run["id"], succeeded=True)


def event_of(arguments: Mapping[str, Any]) -> Any:
    async def fire() -> Any:
        async for event in WorkflowTrigger(**json.loads(json.dumps(arguments))).run():
            return json.loads(json.dumps(event.payload))
        raise AssertionError("the trigger ended without an event")

    return asyncio.run(fire())


def resumed(task: Any, method: str, event: Any, **xcoms: Any) -> Any:
    """The result of a task that goes on with an event, however often it waits again."""
    ti = TaskInstance(task_id=task.task_id, xcoms=dict(xcoms))
    while True:
        try:
            return getattr(task, method)(context_of(ti), event)
        except TaskDeferred as deferral:
            method, event = deferral.method_name, event_of(deferral.trigger.serialize()[1])


def with_additions(structure: Any) -> Any:
    """The same with another member in each object, as a later version may write it."""
    if isinstance(structure, dict):
        # These are the user's and the service's.
        others = ("request", "ids", "result", "task")
        own = {key: value if key in others else with_additions(value) for key, value in structure.items()}
        return {**own, "an_addition": {"of": "a later version"}}
    return structure


@each
@pytest.mark.parametrize("written", [lambda it: it, with_additions], ids=["released", "next"])
def test_a_trigger_of_another_version_is_finished(
    emr: LocalEmr, ids: dict[str, str], name: str, written: Callable[[Any], Any]
) -> None:
    trigger = recorded("triggers", name, ids)
    finish(emr)
    event = event_of(written(trigger["arguments"]))
    assert event["format"] == 1
    assert resumed(TASKS[name](ids), trigger["method"], event)["state"] in DONE
    assert not {"CancelJobRun", "TerminateSession"} & {call["operation"] for call in emr.calls()}


@each
@pytest.mark.parametrize("written", [lambda it: it, with_additions], ids=["released", "next"])
def test_a_worker_goes_on_with_the_event_of_another_version(
    emr: LocalEmr, ids: dict[str, str], name: str, written: Callable[[Any], Any]
) -> None:
    finish(emr)
    event = written(recorded("events", name, ids))
    assert resumed(TASKS[name](ids), recorded("triggers", name, ids)["method"], event)["state"] in DONE


@each
@pytest.mark.parametrize("written", [lambda it: it, with_additions], ids=["released", "next"])
def test_what_another_version_has_left_is_ended(
    emr: LocalEmr, ids: dict[str, str], folder: Path, name: str, written: Callable[[Any], Any]
) -> None:
    entry = written(recorded("entries", name, ids))
    # Only a session that is not ready yet is nobody's.
    entry["arguments"]["target_states"] = []
    (folder / "entry.json").write_text(json.dumps(entry))
    assert recovery.look_after_what_was_left() == 1
    ended = {"job_run_id": "CancelJobRun", "session_id": "TerminateSession"}
    operations = [ended[key] for key in entry["on_kill_arguments"]["ids"] if key in ended]
    assert [call["operation"] for call in emr.calls() if call["operation"] in ended.values()] == operations


# What a reader of the first release takes as it is: one member more, and it cannot run the trigger.
STRICT = ("wait_policy", "hook", "arguments", "on_kill_arguments")


def members(arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from (("", name) for name in arguments)
    yield from ((part, name) for part in STRICT for name in arguments[part] or {})
    for part in ("arguments", "on_kill_arguments"):
        yield from ((f"{part}.epoch", name) for name in (arguments[part] or {}).get("epoch") or {})
    if then := arguments["then"]:
        yield from (("then.wait_policy", name) for name in then["wait_policy"])


@each
def test_the_first_release_knows_each_member_that_is_written(emr: LocalEmr, ids: dict[str, str], name: str) -> None:
    with pytest.raises(TaskDeferred) as deferral:
        TASKS[name](ids).execute(context_of(TaskInstance(task_id=name)))
    path, arguments = deferral.value.trigger.serialize()
    then = recorded("triggers", name, ids)
    assert (path, deferral.value.method_name) == (then["class_path"], then["method"])
    assert set(members(arguments)) <= set(members(then["arguments"]))


@pytest.mark.parametrize("newer", [{"format": 2}, {"workflow": "follow_by_ear"}, {"on_kill_workflow": "end_by_ear"}])
def test_a_trigger_of_a_newer_format_waits_and_says_so(
    emr: LocalEmr,
    ids: dict[str, str],
    newer: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    monkeypatch.setattr(WorkflowTrigger, "log", SimpleNamespace(warning=lambda *line: said.append(str(line))))
    arguments = {**recorded("triggers", "job_run", ids)["arguments"], **newer}
    trigger: Any = WorkflowTrigger(**arguments)
    trigger.task_instance = named(dag_id="d", run_id="r", task_id="t", map_index=-1, try_number=1)
    assert trigger.serialize()[1] == arguments, "nothing is lost where it is only passed on"
    monkeypatch.setattr(workflow, "_SAY_SECONDS", 0.05)

    async def wait() -> None:
        task = asyncio.create_task(anext(trigger.run()))
        while len(said) < 3:
            assert not task.done()
            await asyncio.sleep(0.01)
        task.cancel("by a user")
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(wait(), 30))
    assert all(ids["<job_run_id>"] in line for line in said)
    assert not emr.calls("CancelJobRun")


def test_a_trigger_of_a_newer_format_ends_its_wait_at_the_deadline_and_leaves_the_job_run(
    emr: LocalEmr, ids: dict[str, str]
) -> None:
    trigger = recorded("triggers", "job_run", ids)
    arguments = {**trigger["arguments"], "format": 2, "wait_policy": {"deadline": 0.0}}
    event = event_of(arguments)
    with pytest.raises(InvalidEvent, match=ids["<job_run_id>"]):
        resumed(TASKS["job_run"](ids), "execute_complete", event)
    assert not emr.calls("CancelJobRun")


def test_an_event_of_a_newer_format_fails_the_try_and_leaves_the_job_run(emr: LocalEmr, ids: dict[str, str]) -> None:
    event = {**recorded("events", "job_run", ids), "format": 2}
    started = {"application_id": ids["<application_id>"], "job_run_id": ids["<job_run_id>"]}
    with pytest.raises(InvalidEvent, match=ids["<job_run_id>"]) as failure:
        resumed(TASKS["job_run"](ids), "execute_complete", event, **started)
    assert {name: failure.value.facts[name] for name in started} == started
    assert not emr.calls("CancelJobRun")


def test_every_workflow_says_what_it_takes() -> None:
    given = {"kind": "job_run", "request": {}, "seed": "", "end_on_timeout": True, "an_addition": 1}
    assert known(WORKFLOWS["idempotent_start_billable"], given).keys() == given.keys() - {"an_addition"}
    assert {name for name in WORKFLOWS if known(WORKFLOWS[name], {"an_addition": 1})} == set()
