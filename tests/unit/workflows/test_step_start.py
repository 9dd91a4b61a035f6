"""A step of a task is found, ended or added: the chain of client tokens where the service takes none."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError

from airflow_emrs_ext.aws.ownership_tags import TaskIdentity, digested, generation_of
from airflow_emrs_ext.core.owner_names import tags_in
from airflow_emrs_ext.exceptions import RequestRejected, WaitTimeout
from airflow_emrs_ext.workflows.idempotent_start import end_uncertain_start, idempotent_start, idempotent_start_billable
from airflow_emrs_ext.workflows.lifecycle import request_end_best_effort
from tests.unit.stepping import Stepper

BEGAN = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)
JOB = {"sparkSubmit": {"entryPoint": "s3://b/j.py"}}
LOST = ConnectionClosedError(endpoint_url="https://emr")


class Cluster:
    """The steps of a cluster; one that is asked to end is CANCEL_PENDING for a look."""

    def __init__(self, lost: int = 0) -> None:
        self.steps: list[dict[str, Any]] = []
        self.stepper = Stepper(self._answers(), now=BEGAN.timestamp())
        self.lost = lost
        self.refuses = False
        self.ends_in = "CANCELLED"

    @property
    def states(self) -> list[str]:
        return [one["Status"]["State"] for one in self.steps]

    def become(self, state: str, number: int = -1) -> None:
        self.steps[number]["Status"]["State"] = state

    def count(self, operation: str) -> int:
        return sum(call.operation == operation for call in self.stepper.calls)

    def _answers(self) -> Iterator[Any]:
        while True:
            call = self.stepper.calls[-1]
            answer = getattr(self, f"_{call.operation}")(call.parameters)
            if isinstance(answer, dict):
                now = datetime.fromtimestamp(self.stepper.now, timezone.utc)
                date = now.strftime("%a, %d %b %Y %H:%M:%S GMT")
                answer = {**answer, "ResponseMetadata": {"HTTPHeaders": {"date": date}}}
            yield answer

    def _add_job_flow_steps(self, parameters: Any) -> Any:
        (step,) = parameters["Steps"]
        created = datetime.fromtimestamp(self.stepper.now, timezone.utc)
        status = {"State": "RUNNING", "Timeline": {"CreationDateTime": created}}
        self.steps.append({"Id": f"s-{len(self.steps)}", "Name": step["Name"], "Status": status})
        self.lost -= 1
        return LOST if self.lost >= 0 else {"StepIds": [self.steps[-1]["Id"]]}

    def _list_steps(self, parameters: Any) -> Any:
        wanted = parameters.get("StepStates")
        return {"Steps": [one for one in reversed(self.steps) if not wanted or one["Status"]["State"] in wanted]}

    def _describe_step(self, parameters: Any) -> Any:
        (step,) = (one for one in self.steps if one["Id"] == parameters["StepId"])
        answer = {**step, "Status": dict(step["Status"])}
        if step["Status"]["State"] == "CANCEL_PENDING":
            step["Status"]["State"] = self.ends_in
        return {"Step": answer}

    def _cancel_steps(self, parameters: Any) -> Any:
        (step_id,) = parameters["StepIds"]
        (step,) = (one for one in self.steps if one["Id"] == step_id)
        if self.refuses:
            return {"CancelStepsInfoList": [{"StepId": step_id, "Status": "FAILED", "Reason": "It runs"}]}
        step["Status"]["State"] = "CANCEL_PENDING"
        return {"CancelStepsInfoList": [{"StepId": step_id, "Status": "SUBMITTED"}]}


def arguments(try_number: int = 1, tries: int = 0, ends: bool = True, task_id: str = "load", **more: Any) -> Any:
    given = {"job_driver": JOB, **more}
    reattach = given.pop("reattach", True)
    identity = TaskIdentity("etl", "a run", task_id, -1, given.pop("deployment", "production"))
    request = {"cluster_id": "j-1", "name": "etl.load", "tags": digested(identity.tags), **given}
    return {
        "kind": "step",
        "request": request,
        "seed": identity.seed(*(() if reattach else (try_number,))),
        "try_number": try_number,
        "epoch": {"tries": tries, "began": BEGAN.timestamp(), "ends": ends},
        "reattach": reattach,
    }


def start(cluster: Cluster, *args: Any, **given: Any) -> str:
    cluster.stepper.now += 60
    facts = cluster.stepper.run(lambda ctx: idempotent_start(ctx, **arguments(*args, **given)))
    return str(facts["step_id"])


def test_a_try_goes_on_with_what_runs_or_has_ended_well() -> None:
    cluster = Cluster()
    assert start(cluster) == "s-0"
    for state in ("RUNNING", "PENDING", "PAUSED", "COMPLETED"):
        cluster.become(state)
        assert start(cluster, 2) == "s-0"
    assert cluster.count("add_job_flow_steps") == 1


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED", "INTERRUPTED"])
def test_after_one_that_has_ended_badly_comes_another(state: str) -> None:
    cluster = Cluster()
    start(cluster)
    cluster.become(state)
    assert start(cluster, 2) == "s-1"
    assert [generation_of(tags_in(one["Name"])) for one in cluster.steps] == [0, 1]


@pytest.mark.parametrize(("ends_in", "then"), [("CANCELLED", "s-1"), ("COMPLETED", "s-0"), ("FAILED", "s-1")])
def test_one_that_is_being_cancelled_is_waited_for_whatever_it_leads_to(ends_in: str, then: str) -> None:
    cluster = Cluster()
    start(cluster)
    cluster.become("CANCEL_PENDING")
    cluster.ends_in = ends_in
    assert start(cluster, 2) == then
    assert cluster.count("cancel_steps") == 0


@pytest.mark.parametrize(
    "given",
    [
        {"job_driver": {"sparkSubmit": {"entryPoint": "s3://b/other.py"}}},
        {"reattach": False},
        {"tries": 1},
    ],
    ids=str,
)
def test_what_is_not_to_go_on_is_cancelled_before_another_is_added(given: dict[str, Any]) -> None:
    cluster = Cluster()
    start(cluster, **({"reattach": False} if "reattach" in given else {}))
    assert start(cluster, 2, **given) == "s-1"
    assert cluster.states == ["CANCELLED", "RUNNING"]
    operations = [call.operation for call in cluster.stepper.calls]
    assert operations.index("cancel_steps") < len(operations) - operations[::-1].index("add_job_flow_steps")


def test_a_cancellation_that_is_refused_lets_nothing_be_added_beside_it() -> None:
    cluster = Cluster()
    start(cluster)
    cluster.refuses = True
    with pytest.raises(RequestRejected, match="It runs"):
        start(cluster, 2, tries=1)
    assert cluster.states == ["RUNNING"]


def test_a_success_from_before_a_clear_does_not_count_and_a_lost_try_after_it_is_gone_on_with() -> None:
    cluster = Cluster()
    start(cluster)
    cluster.become("COMPLETED")
    assert start(cluster, 4, tries=3) == "s-1"
    assert start(cluster, 5, tries=3) == "s-1"
    assert cluster.count("add_job_flow_steps") == 2
    assert cluster.count("cancel_steps") == 0


def test_retries_that_were_lowered_are_no_clear() -> None:
    """Airflow's number of earlier tries looks larger than the number of those that there were."""
    cluster = Cluster()
    for try_number in (1, 2, 3):
        assert start(cluster, try_number, tries=5) == f"s-{try_number - 1}"
        cluster.become("FAILED")
    assert len(cluster.steps) == 3


def test_what_runs_when_the_task_is_cleared_is_the_tasks_if_a_kill_keeps_it() -> None:
    cluster = Cluster()
    start(cluster)
    assert start(cluster, 2, tries=1, ends=False) == "s-0"


def test_what_is_anothers_is_neither_taken_nor_described() -> None:
    cluster = Cluster()
    start(cluster)
    start(cluster, task_id="other")
    start(cluster, deployment="staging")
    described = cluster.count("describe_step")
    cluster.steps.append({"Id": "s-X", "Name": "by hand", "Status": dict(cluster.steps[0]["Status"])})
    assert start(cluster, 2, task_id="third", tries=1) == "s-4"
    assert "CANCELLED" not in cluster.states
    # Of its own alone.
    assert cluster.count("describe_step") == described + 1


def test_an_equal_step_of_a_dag_run_that_was_deleted_is_not_taken() -> None:
    """Its DAG run had the same id, and its tries count anew: it is older than the first try of this one."""
    cluster = Cluster()
    start(cluster)
    cluster.become("COMPLETED")
    cluster.stepper.now = (BEGAN + timedelta(seconds=100)).timestamp()
    again = arguments()
    again["epoch"]["began"] = (BEGAN + timedelta(seconds=95)).timestamp()
    assert cluster.stepper.run(lambda ctx: idempotent_start(ctx, **again))["step_id"] == "s-1"


def test_a_deadline_while_an_answer_is_lost_cancels_what_is_listed_and_adds_nothing() -> None:
    cluster = Cluster(lost=1)

    def listing(parameters: Any) -> Any:
        """What has been added appears once the deadline has passed, when what is active is asked for."""
        return {"Steps": cluster.steps if "StepStates" in parameters else []}

    deadline = cluster.stepper.now + 100
    cluster._list_steps = listing  # type: ignore[method-assign]
    with pytest.raises(WaitTimeout, match="Whether the step was added is not known"):
        cluster.stepper.run(
            lambda ctx: idempotent_start_billable(ctx, end_on_timeout=True, **arguments()), deadline=deadline
        )
    assert cluster.count("add_job_flow_steps") == 1
    assert cluster.states == ["CANCEL_PENDING"]


def test_the_end_of_an_uncertain_start_is_no_start(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    cluster = Cluster()

    def end(ctx: Any) -> Any:
        ctx.notes.note({"asked": True})
        return end_uncertain_start(ctx, **arguments())

    cluster.stepper.run(end)
    assert cluster.steps == []
    assert "Whether a step was started is not known" in caplog.text


def test_a_refused_cancellation_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    cluster = Cluster()
    ids = {"cluster_id": "j-1", "step_id": start(cluster)}
    cluster.refuses = True
    cluster.stepper.run(lambda ctx: request_end_best_effort(ctx, kind="step", ids=ids))
    assert "It runs" in caplog.text
    assert "s-0" in caplog.text
    cluster.become("COMPLETED")
    caplog.clear()
    cluster.stepper.run(lambda ctx: request_end_best_effort(ctx, kind="step", ids=ids))
    assert caplog.text == ""
