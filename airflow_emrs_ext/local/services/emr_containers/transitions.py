"""Which state of a virtual cluster, job run or managed endpoint may follow which."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_emrs_ext.shared.states import EksJobRunState, ManagedEndpointState, State, VirtualClusterState

_V, _J, _M = VirtualClusterState, EksJobRunState, ManagedEndpointState

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

MANAGED_ENDPOINT: Mapping[State, frozenset[State]] = {
    _M.CREATING: frozenset({_M.ACTIVE, _M.TERMINATING, _M.TERMINATED_WITH_ERRORS}),
    _M.ACTIVE: frozenset({_M.TERMINATING, _M.TERMINATED_WITH_ERRORS}),
    _M.TERMINATING: frozenset({_M.TERMINATED}),
    _M.TERMINATED: frozenset(),
    _M.TERMINATED_WITH_ERRORS: frozenset(),
}
