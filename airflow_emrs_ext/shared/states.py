"""The states of every resource, spelled once.

Each enumeration holds exactly the values of the enumeration of the same resource in botocore's model (a test compares
them). Everything else in the package asks a state what it means (:attr:`State.is_terminal`, :attr:`State.is_success`,
:attr:`State.can_reach`) and never spells one.

A state that a service has added since is read by :meth:`State.parse`: it is active, no success, and any other may
follow it, so that whoever waits goes on waiting.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from functools import cache
from typing import Any, TypeVar

S = TypeVar("S", bound="State")

_SPELLING = re.compile(r"[A-Z][A-Z0-9_]*")


class State(str, Enum):
    """A state as the API spells it; compares equal to the plain string and renders as it."""

    __str__ = str.__str__

    @classmethod
    def parse(cls: type[S], value: Any) -> S:
        """The state that the API spells ``value``, also one that this version of the package does not know.

        :raises ValueError: it is nothing that an API spells as a state
        """
        if not isinstance(value, str) or not _SPELLING.fullmatch(value):
            raise ValueError(f"{value!r} is no state")
        if value in cls.__members__:
            return cls(value)
        unknown = str.__new__(cls, value)
        unknown._name_ = unknown._value_ = value
        return unknown

    @property
    def is_known(self) -> bool:
        """This version of the package knows what the state means."""
        return self in _NEXT[type(self)]

    @property
    def is_terminal(self) -> bool:
        """The resource will never leave this state."""
        return self.is_known and not _NEXT[type(self)][self]

    @property
    def is_active(self) -> bool:
        """The resource exists and may still change or cost money."""
        return not self.is_terminal

    @property
    def is_success(self) -> bool:
        """The state in which the resource has done what it was made for."""
        return self in _SUCCESS[type(self)]

    def can_reach(self, targets: Iterable[State]) -> bool:
        """Whether the resource is in one of ``targets`` or may still come to be."""
        return not self.is_known or not _reachable(type(self), self).isdisjoint(targets)


class ApplicationState(State):
    """States of an EMR Serverless application (GetApplication)."""

    CREATING = "CREATING"
    CREATED = "CREATED"
    STARTING = "STARTING"
    STARTED = "STARTED"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    TERMINATED = "TERMINATED"


class JobRunState(State):
    """States of an EMR Serverless job run (GetJobRun)."""

    SUBMITTED = "SUBMITTED"
    PENDING = "PENDING"
    SCHEDULED = "SCHEDULED"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"
    QUEUED = "QUEUED"


class SessionState(State):
    """States of a session of EMR Serverless, or of a cluster of EMR on EC2 (GetSession)."""

    SUBMITTED = "SUBMITTED"
    STARTING = "STARTING"
    STARTED = "STARTED"
    IDLE = "IDLE"
    BUSY = "BUSY"
    FAILED = "FAILED"
    TERMINATING = "TERMINATING"
    TERMINATED = "TERMINATED"


class EksJobRunState(State):
    """States of an EMR on EKS job run (DescribeJobRun)."""

    PENDING = "PENDING"
    SUBMITTED = "SUBMITTED"
    RUNNING = "RUNNING"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    CANCEL_PENDING = "CANCEL_PENDING"
    COMPLETED = "COMPLETED"


class VirtualClusterState(State):
    """States of an EMR on EKS virtual cluster (DescribeVirtualCluster)."""

    RUNNING = "RUNNING"
    TERMINATING = "TERMINATING"
    TERMINATED = "TERMINATED"
    ARRESTED = "ARRESTED"


class ManagedEndpointState(State):
    """States of an EMR on EKS managed endpoint (DescribeManagedEndpoint)."""

    CREATING = "CREATING"
    ACTIVE = "ACTIVE"
    TERMINATING = "TERMINATING"
    TERMINATED = "TERMINATED"
    TERMINATED_WITH_ERRORS = "TERMINATED_WITH_ERRORS"


class ClusterState(State):
    """States of a cluster of EMR on EC2 (DescribeCluster)."""

    STARTING = "STARTING"
    BOOTSTRAPPING = "BOOTSTRAPPING"
    RUNNING = "RUNNING"
    WAITING = "WAITING"
    TERMINATING = "TERMINATING"
    TERMINATED = "TERMINATED"
    TERMINATED_WITH_ERRORS = "TERMINATED_WITH_ERRORS"


class StepState(State):
    """States of a step of a cluster of EMR on EC2 (DescribeStep)."""

    PENDING = "PENDING"
    CANCEL_PENDING = "CANCEL_PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"
    INTERRUPTED = "INTERRUPTED"


_A, _J, _S = ApplicationState, JobRunState, SessionState
_E, _V, _M, _C = EksJobRunState, VirtualClusterState, ManagedEndpointState, ClusterState
_T = StepState

_AFTER_SUBMISSION: frozenset[State] = frozenset(JobRunState) - {_J.SUBMITTED}
_SESSION_ENDS: frozenset[State] = frozenset({_S.FAILED, _S.TERMINATING, _S.TERMINATED})
_EKS_ENDS: frozenset[State] = frozenset({_E.COMPLETED, _E.FAILED, _E.CANCEL_PENDING, _E.CANCELLED})
_ENDPOINT_ENDS: frozenset[State] = frozenset({_M.TERMINATING, _M.TERMINATED, _M.TERMINATED_WITH_ERRORS})
_CLUSTER_ENDS: frozenset[State] = frozenset({_C.TERMINATING, _C.TERMINATED, _C.TERMINATED_WITH_ERRORS})
_STEP_ENDS: frozenset[State] = frozenset({_T.COMPLETED, _T.CANCELLED, _T.FAILED, _T.INTERRUPTED})

# The states that a later look may find after a state. A retried attempt leads from RUNNING back to the scheduler's.
# By kind of resource, as states of different kinds that are spelled alike are equal.
_NEXT: dict[type[State], dict[State, frozenset[State]]] = {
    ApplicationState: {
        _A.CREATING: frozenset({_A.CREATED, _A.TERMINATED}),
        _A.CREATED: frozenset({_A.STARTING, _A.TERMINATED}),
        _A.STARTING: frozenset({_A.STARTED, _A.STOPPING, _A.STOPPED, _A.TERMINATED}),
        _A.STARTED: frozenset({_A.STOPPING, _A.TERMINATED}),
        _A.STOPPING: frozenset({_A.STOPPED, _A.TERMINATED}),
        _A.STOPPED: frozenset({_A.STARTING, _A.TERMINATED}),
        _A.TERMINATED: frozenset(),
    },
    JobRunState: {
        _J.SUBMITTED: _AFTER_SUBMISSION,
        _J.QUEUED: _AFTER_SUBMISSION,
        _J.PENDING: _AFTER_SUBMISSION,
        _J.SCHEDULED: _AFTER_SUBMISSION,
        _J.RUNNING: _AFTER_SUBMISSION | {_J.SUBMITTED},
        _J.CANCELLING: frozenset({_J.CANCELLED, _J.FAILED, _J.SUCCESS}),
        _J.CANCELLED: frozenset(),
        _J.FAILED: frozenset(),
        _J.SUCCESS: frozenset(),
    },
    SessionState: {
        _S.SUBMITTED: _SESSION_ENDS | {_S.STARTING, _S.STARTED, _S.IDLE, _S.BUSY},
        _S.STARTING: _SESSION_ENDS | {_S.STARTED, _S.IDLE, _S.BUSY},
        _S.STARTED: _SESSION_ENDS | {_S.IDLE, _S.BUSY},
        _S.IDLE: _SESSION_ENDS | {_S.BUSY},
        _S.BUSY: _SESSION_ENDS | {_S.IDLE},
        _S.TERMINATING: frozenset({_S.FAILED, _S.TERMINATED}),
        _S.FAILED: frozenset(),
        _S.TERMINATED: frozenset(),
    },
    EksJobRunState: {
        _E.PENDING: _EKS_ENDS | {_E.SUBMITTED, _E.RUNNING},
        _E.SUBMITTED: _EKS_ENDS | {_E.PENDING, _E.RUNNING},
        _E.RUNNING: _EKS_ENDS | {_E.PENDING, _E.SUBMITTED},
        _E.CANCEL_PENDING: frozenset({_E.CANCELLED, _E.FAILED, _E.COMPLETED}),
        _E.CANCELLED: frozenset(),
        _E.FAILED: frozenset(),
        _E.COMPLETED: frozenset(),
    },
    VirtualClusterState: {
        _V.RUNNING: frozenset({_V.TERMINATING, _V.TERMINATED, _V.ARRESTED}),
        # Its termination has failed for want of permissions, and may be requested again.
        _V.ARRESTED: frozenset({_V.TERMINATING, _V.TERMINATED}),
        _V.TERMINATING: frozenset({_V.TERMINATED, _V.ARRESTED}),
        _V.TERMINATED: frozenset(),
    },
    ManagedEndpointState: {
        _M.CREATING: _ENDPOINT_ENDS | {_M.ACTIVE},
        _M.ACTIVE: _ENDPOINT_ENDS,
        _M.TERMINATING: frozenset({_M.TERMINATED, _M.TERMINATED_WITH_ERRORS}),
        _M.TERMINATED: frozenset(),
        _M.TERMINATED_WITH_ERRORS: frozenset(),
    },
    ClusterState: {
        _C.STARTING: _CLUSTER_ENDS | {_C.BOOTSTRAPPING, _C.RUNNING, _C.WAITING},
        _C.BOOTSTRAPPING: _CLUSTER_ENDS | {_C.RUNNING, _C.WAITING},
        _C.RUNNING: _CLUSTER_ENDS | {_C.WAITING},
        _C.WAITING: _CLUSTER_ENDS | {_C.RUNNING},
        _C.TERMINATING: frozenset({_C.TERMINATED, _C.TERMINATED_WITH_ERRORS}),
        _C.TERMINATED: frozenset(),
        _C.TERMINATED_WITH_ERRORS: frozenset(),
    },
    StepState: {
        _T.PENDING: _STEP_ENDS | {_T.RUNNING, _T.CANCEL_PENDING},
        _T.RUNNING: _STEP_ENDS | {_T.CANCEL_PENDING},
        # CancelSteps does not promise that the step is cancelled.
        _T.CANCEL_PENDING: _STEP_ENDS | {_T.RUNNING},
        _T.COMPLETED: frozenset(),
        _T.CANCELLED: frozenset(),
        _T.FAILED: frozenset(),
        _T.INTERRUPTED: frozenset(),
    },
}

_SUCCESS: dict[type[State], frozenset[State]] = {
    ApplicationState: frozenset({_A.STARTED}),
    JobRunState: frozenset({_J.SUCCESS}),
    # Ready for work.
    SessionState: frozenset({_S.STARTED, _S.IDLE, _S.BUSY}),
    EksJobRunState: frozenset({_E.COMPLETED}),
    VirtualClusterState: frozenset({_V.RUNNING}),
    ManagedEndpointState: frozenset({_M.ACTIVE}),
    # Takes sessions and steps.
    ClusterState: frozenset({_C.RUNNING, _C.WAITING}),
    StepState: frozenset({_T.COMPLETED}),
}


@cache
def _reachable(kind: type[State], state: State) -> frozenset[State]:
    seen: set[State] = set()
    todo = [state]
    while todo:
        current = todo.pop()
        if current not in seen:
            seen.add(current)
            todo.extend(_NEXT[kind][current])
    return frozenset(seen)
