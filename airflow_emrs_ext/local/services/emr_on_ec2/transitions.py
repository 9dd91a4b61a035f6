"""Which state of a cluster or step may follow which."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_emrs_ext.shared.states import ClusterState as S
from airflow_emrs_ext.shared.states import State
from airflow_emrs_ext.shared.states import StepState as T

CLUSTER: Mapping[State, frozenset[State]] = {
    S.STARTING: frozenset({S.BOOTSTRAPPING, S.TERMINATING}),
    S.BOOTSTRAPPING: frozenset({S.RUNNING, S.TERMINATING}),
    S.RUNNING: frozenset({S.WAITING, S.TERMINATING}),
    S.WAITING: frozenset({S.RUNNING, S.TERMINATING}),
    S.TERMINATING: frozenset({S.TERMINATED, S.TERMINATED_WITH_ERRORS}),
    S.TERMINATED: frozenset(),
    S.TERMINATED_WITH_ERRORS: frozenset(),
}

STEP: Mapping[State, frozenset[State]] = {
    T.PENDING: frozenset({T.RUNNING, T.CANCELLED}),
    T.RUNNING: frozenset({T.COMPLETED, T.FAILED, T.CANCEL_PENDING, T.INTERRUPTED}),
    T.CANCEL_PENDING: frozenset({T.CANCELLED, T.COMPLETED, T.FAILED}),
    T.COMPLETED: frozenset(),
    T.CANCELLED: frozenset(),
    T.FAILED: frozenset(),
    T.INTERRUPTED: frozenset(),
}
