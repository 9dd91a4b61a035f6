"""Which state of an application or job run may follow which."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_emrs_ext.shared.states import ApplicationState, JobRunState, State

_A, _J = ApplicationState, JobRunState

APPLICATION: Mapping[State, frozenset[State]] = {
    _A.CREATING: frozenset({_A.CREATED}),
    _A.CREATED: frozenset({_A.STARTING, _A.TERMINATED}),
    _A.STARTING: frozenset({_A.STARTED, _A.STOPPING}),
    _A.STARTED: frozenset({_A.STOPPING}),
    _A.STOPPING: frozenset({_A.STOPPED}),
    _A.STOPPED: frozenset({_A.STARTING, _A.TERMINATED}),
    _A.TERMINATED: frozenset(),
}

# SCHEDULED and RUNNING lead back to SUBMITTED when a failed attempt is followed by another.
JOB_RUN: Mapping[State, frozenset[State]] = {
    _J.SUBMITTED: frozenset({_J.QUEUED, _J.PENDING, _J.CANCELLING, _J.FAILED}),
    _J.QUEUED: frozenset({_J.PENDING, _J.CANCELLING, _J.FAILED}),
    _J.PENDING: frozenset({_J.SCHEDULED, _J.CANCELLING, _J.FAILED}),
    _J.SCHEDULED: frozenset({_J.RUNNING, _J.CANCELLING, _J.FAILED, _J.SUBMITTED}),
    _J.RUNNING: frozenset({_J.SUCCESS, _J.FAILED, _J.CANCELLING, _J.SUBMITTED}),
    _J.CANCELLING: frozenset({_J.CANCELLED}),
    _J.SUCCESS: frozenset(),
    _J.FAILED: frozenset(),
    _J.CANCELLED: frozenset(),
}
