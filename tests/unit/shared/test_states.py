from __future__ import annotations

import botocore.session
import pytest

from airflow_emrs_ext.shared import service_model
from airflow_emrs_ext.shared.states import (
    ApplicationState,
    ClusterState,
    EksJobRunState,
    JobRunState,
    ManagedEndpointState,
    SessionState,
    State,
    StepState,
    VirtualClusterState,
)


@pytest.mark.parametrize(
    ("service", "states", "shape"),
    [
        ("emr-serverless", ApplicationState, "ApplicationState"),
        ("emr-serverless", JobRunState, "JobRunState"),
        ("emr-serverless", SessionState, "SessionState"),
        ("emr-containers", EksJobRunState, "JobRunState"),
        ("emr-containers", VirtualClusterState, "VirtualClusterState"),
        ("emr-containers", ManagedEndpointState, "EndpointState"),
        ("emr", ClusterState, "ClusterState"),
        ("emr", StepState, "StepState"),
    ],
    ids=lambda v: str(v),
)
def test_states_are_those_of_the_api_model(service: str, states: type[State], shape: str) -> None:
    model = service_model.extend(botocore.session.get_session(), service).get_service_model(service)
    assert sorted(states) == sorted(model.shape_for(shape).enum)


def test_a_state_renders_as_the_api_spells_it() -> None:
    assert f"{JobRunState.QUEUED}" == str(JobRunState.QUEUED) == "QUEUED"


def test_a_state_that_is_new_is_active_and_may_become_any_other() -> None:
    paused = JobRunState.parse("PAUSED")
    assert (paused, str(paused), isinstance(paused, JobRunState)) == ("PAUSED", "PAUSED", True)
    assert (paused.is_known, paused.is_active, paused.is_terminal, paused.is_success) == (False, True, False, False)
    assert all(paused.can_reach([state]) for state in JobRunState)
    assert JobRunState.parse("RUNNING") is JobRunState.RUNNING
    assert "PAUSED" not in list(JobRunState)
    for garbled in ("", "running", "<html>", "A B", None, 5, ["RUNNING"]):
        with pytest.raises(ValueError, match="no state"):
            JobRunState.parse(garbled)


def test_terminal_states() -> None:
    assert {state for state in JobRunState if state.is_terminal} == {"SUCCESS", "FAILED", "CANCELLED"}
    assert {state for state in ApplicationState if state.is_terminal} == {"TERMINATED"}
    assert all(state.is_active is not state.is_terminal for state in (*JobRunState, *ApplicationState))


def test_states_of_sessions_are_not_mixed_up_with_equal_ones_of_others() -> None:
    assert {state for state in SessionState if state.is_terminal} == {"FAILED", "TERMINATED"}
    assert {state for state in SessionState if state.is_success} == {"STARTED", "IDLE", "BUSY"}
    assert SessionState.STARTED.can_reach([SessionState.IDLE])
    assert not ApplicationState.STARTED.can_reach([SessionState.IDLE])
    assert JobRunState.SUBMITTED.can_reach([JobRunState.RUNNING])
    assert not SessionState.SUBMITTED.can_reach([JobRunState.RUNNING])


def test_success_states() -> None:
    assert {state for state in (*JobRunState, *ApplicationState) if state.is_success} == {"SUCCESS", "STARTED"}


@pytest.mark.parametrize(
    ("state", "targets", "reachable"),
    [
        (JobRunState.SUBMITTED, [JobRunState.RUNNING], True),
        (JobRunState.RUNNING, [JobRunState.QUEUED], True),
        (JobRunState.SUCCESS, [JobRunState.RUNNING], False),
        (JobRunState.SUCCESS, [JobRunState.RUNNING, JobRunState.SUCCESS], True),
        (JobRunState.CANCELLING, [JobRunState.RUNNING], False),
        (JobRunState.CANCELLING, [JobRunState.SUCCESS], True),
        (JobRunState.RUNNING, [JobRunState.SUBMITTED], True),
        (JobRunState.PENDING, [JobRunState.SUBMITTED], True),
        (ApplicationState.STOPPED, [ApplicationState.STARTED], True),
        (ApplicationState.STARTED, [ApplicationState.CREATED], False),
        (ApplicationState.TERMINATED, [ApplicationState.STARTED], False),
        (StepState.CANCEL_PENDING, [StepState.RUNNING], True),
        (StepState.INTERRUPTED, [StepState.COMPLETED], False),
        (VirtualClusterState.TERMINATING, [VirtualClusterState.RUNNING], False),
        (VirtualClusterState.ARRESTED, [VirtualClusterState.RUNNING], False),
        (VirtualClusterState.ARRESTED, [VirtualClusterState.TERMINATED], True),
    ],
)
def test_what_can_still_be_reached(state: State, targets: list[State], reachable: bool) -> None:
    assert state.can_reach(targets) is reachable
