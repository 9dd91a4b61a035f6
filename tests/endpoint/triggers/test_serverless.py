"""What a trigger does that its triggerer cancels: it finds out by itself why."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_emrs_ext._compat import AIRFLOW_3
from airflow_emrs_ext.local.runners.scripts import ScriptedSession
from airflow_emrs_ext.local.testing import LocalEmr
from airflow_emrs_ext.triggers import _compat, workflow
from tests.polling import eventually
from tests.running import named

pytestmark = pytest.mark.airflow

ROLE = "arn:aws:iam::123456789012:role/job"


@pytest.fixture
def ids(emr: LocalEmr) -> dict[str, str]:
    emr.script(session=ScriptedSession(ready_after=60))
    client = emr.client("emr-serverless")
    application_id = client.create_application(
        type="SPARK", releaseLabel="emr-7.13.0", interactiveConfiguration={"sessionEnabled": True}
    )["applicationId"]
    session = client.start_session(applicationId=application_id, executionRoleArn=ROLE)
    return {"application_id": application_id, "session_id": session["sessionId"]}


def waiting(ids: dict[str, str]) -> Any:
    trigger: Any = workflow.WorkflowTrigger(
        workflow="wait_for_state",
        arguments={"kind": "session", "ids": ids, "target_states": ["STARTED"]},
        wait_policy={"waiter_delay": 0.1},
        hook={"aws_conn_id": "aws_default"},
        on_kill_workflow="end_if_orphaned",
        on_kill_arguments={"kind": "session", "ids": ids},
    )
    trigger.task_instance = named(dag_id="a_dag", run_id="gone", task_id="a_task", map_index=-1, try_number=1)
    trigger.trigger_id = 1
    return trigger


async def cancelled(emr: LocalEmr, trigger: Any) -> None:
    async def run() -> None:
        async for _ in trigger.run():
            pass

    looking = len(emr.calls("GetSession"))
    task = asyncio.create_task(run())
    await asyncio.to_thread(eventually, lambda: len(emr.calls("GetSession")) > looking)
    # As Airflow does it: again and again, until the trigger is gone.
    while not task.done():
        task.cancel("by a user")
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("gone", [True, False], ids=["task ended by a user", "triggerer shuts down"])
async def test_a_cancelled_trigger_asks_why(
    emr: LocalEmr, ids: dict[str, str], gone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(trigger: Any) -> bool:
        return not gone

    monkeypatch.setattr(workflow, "has_owner", answer)
    await cancelled(emr, waiting(ids))
    states = {one["state"] for one in emr.sessions()}
    assert states <= ({"TERMINATING", "TERMINATED"} if gone else {"SUBMITTED", "STARTING"})


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nobody waits between two questions to Airflow."""
    monkeypatch.setattr(workflow, "_PAUSES", (0.0, 0.0))
    monkeypatch.setattr(_compat, "_AGAIN_SECONDS", 0.0)
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__JOURNAL_FOLDER", str(tmp_path))
    return tmp_path


def entries_in(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in folder.glob("*.json")]


async def test_what_cannot_be_ended_stays_in_the_journal(
    emr: LocalEmr, ids: dict[str, str], at_once: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(trigger: Any) -> bool:
        return False

    monkeypatch.setattr(workflow, "has_owner", answer)
    trigger = waiting(ids)
    # Validation is refused at once, where an outage would be waited for.
    emr.inject("TerminateSession", "error", status=400, code="ValidationException", times=None)
    await cancelled(emr, trigger)
    (entry,) = entries_in(at_once)
    assert entry["is_ended"]
    assert entry["in_hand"] is None


async def test_what_is_ended_leaves_no_entry(
    emr: LocalEmr, ids: dict[str, str], at_once: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(trigger: Any) -> bool:
        return False

    monkeypatch.setattr(workflow, "has_owner", answer)
    await cancelled(emr, waiting(ids))
    assert entries_in(at_once) == []


class Airflow3:
    """What a triggerer's or worker's other process answers about the states of tasks, one answer after the other."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    def send(self, message: Any) -> Any:
        from airflow.sdk.execution_time.comms import TaskStatesResult

        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return TaskStatesResult(task_states=answer)


NOT_KNOWN = ConnectionError("the database is away")
OTHERS = {"gone": {"a_task_0": "deferred", "a_task_1": "running"}}


@pytest.mark.skipif(not AIRFLOW_3, reason="Airflow 2 has the metadata database at hand")
@pytest.mark.parametrize(
    ("answers", "has_owner", "state"),
    [
        ([{}], False, "gone"),
        ([OTHERS], True, "unknown"),
        ([{}, {"gone": {"a_task": "deferred"}}], True, "deferred"),
        ([{"gone": {"a_task": "deferred"}}], True, "deferred"),
        ([{"gone": {"a_task": "up_for_retry"}}], True, "up_for_retry"),
        ([{"gone": {"a_task": "failed"}}], False, "failed"),
        ([{"gone": {"a_task": None}}], False, None),
        ([NOT_KNOWN, {"gone": {"a_task": "failed"}}], False, "failed"),
        ([NOT_KNOWN], True, "unknown"),
        ([{}, NOT_KNOWN], True, "unknown"),
    ],
)
async def test_airflow_3_says_whether_a_task_is_there(
    emr: LocalEmr, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch, answers: Any, has_owner: bool, state: str
) -> None:
    from airflow.sdk.execution_time import task_runner

    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Airflow3(*answers), raising=False)
    assert _compat.state_of_task(waiting(ids).task_instance, seconds=1) == state
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Airflow3(*answers), raising=False)
    await cancelled(emr, waiting(ids))
    assert bool(emr.calls("TerminateSession")) is not has_owner


@pytest.fixture
def database() -> Iterator[None]:
    """Airflow's, which the other tests of this process do not have."""
    from airflow.settings import engine
    from airflow.utils.db import initdb

    initdb()
    yield
    Path(str(engine.url.database)).unlink()


@pytest.mark.skipif(AIRFLOW_3, reason="Airflow 2 has the metadata database at hand")
@pytest.mark.usefixtures("database")
async def test_airflow_2_finds_the_answer_in_its_database(emr: LocalEmr, ids: dict[str, str]) -> None:
    await cancelled(emr, waiting(ids))
    assert {one["state"] for one in emr.sessions()} <= {"TERMINATING", "TERMINATED"}


async def test_a_shutdown_does_not_wait_for_what_a_kill_has_begun(
    emr: LocalEmr, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    async def answer(trigger: Any) -> bool:
        asked.set()
        await asyncio.Event().wait()
        return False

    async def run() -> None:
        async for _ in waiting(ids).run():
            pass

    monkeypatch.setattr(workflow, "has_owner", answer)
    task = asyncio.create_task(run())
    await asyncio.to_thread(eventually, lambda: emr.calls("GetSession"))
    task.cancel("by a user")
    await asked.wait()
    task.cancel("the triggerer shuts down")
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
    assert emr.calls("TerminateSession") == []


async def test_what_cannot_be_known_ends_nothing(
    emr: LocalEmr, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(trigger: Any) -> bool:
        raise ConnectionError("the database is away")

    monkeypatch.setattr(workflow, "has_owner", answer)
    await cancelled(emr, waiting(ids))
    assert {one["state"] for one in emr.sessions()} <= {"SUBMITTED", "STARTING"}
