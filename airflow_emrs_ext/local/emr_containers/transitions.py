"""Which state of a virtual cluster or job run may follow which."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_emrs_ext.states import EksJobRunState, State, VirtualClusterState

_V, _J = VirtualClusterState, EksJobRunState

VIRTUAL_CLUSTER: Mapping[State, frozenset[State]] = {
    _V.RUNNING: frozenset({_V.TERMINATING}),
    _V.TERMINATING: frozenset({_V.TERMINATED}),
    _V.TERMINATED: frozenset(),
}

# A job run stays RUNNING between a failed attempt and the next.
JOB_RUN: Mapping[State, frozenset[State]] = {
    _J.PENDING: frozenset({_J.SUBMITTED, _J.CANCEL_PENDING, _J.FAILED}),
    _J.SUBMITTED: frozenset({_J.RUNNING, _J.CANCEL_PENDING, _J.FAILED}),
    _J.RUNNING: frozenset({_J.COMPLETED, _J.FAILED, _J.CANCEL_PENDING}),
    _J.CANCEL_PENDING: frozenset({_J.CANCELLED}),
    _J.COMPLETED: frozenset(),
    _J.FAILED: frozenset(),
    _J.CANCELLED: frozenset(),
}
