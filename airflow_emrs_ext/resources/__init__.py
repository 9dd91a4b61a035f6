"""The kinds of resources that the package knows, by their keys."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_emrs_ext.resources import containers, serverless
from airflow_emrs_ext.resources.base import (
    ClaimedKind,
    DrivenKind,
    JobRunKind,
    OwnedKind,
    ResourceKind,
    ServingKind,
    Snapshot,
    member_name,
    to_json,
)
from airflow_emrs_ext.resources.containers import EksJobRun, ManagedEndpoint, VirtualCluster
from airflow_emrs_ext.resources.serverless import (
    Application,
    JobRun,
    Session,
    attempt_facts,
    session_facts,
)
from airflow_emrs_ext.shared.states import State

SERVICES = (serverless.SERVICE, containers.SERVICE)
"""What botocore calls the services that they are of."""

APPLICATION = Application()
JOB_RUN = JobRun()
SESSION = Session()
VIRTUAL_CLUSTER = VirtualCluster()
EKS_JOB_RUN = EksJobRun()
MANAGED_ENDPOINT = ManagedEndpoint()

JOB_RUNS: Mapping[str, JobRunKind[State]] = {kind.key: kind for kind in (JOB_RUN, EKS_JOB_RUN)}
"""The kinds of job runs."""

OWNED: Mapping[str, OwnedKind[State]] = {kind.key: kind for kind in (JOB_RUN, SESSION, EKS_JOB_RUN, MANAGED_ENDPOINT)}
"""The kinds of resources that operators start, that cost money until they end, and that operators have to end."""

CLAIMED: Mapping[str, ClaimedKind[State]] = {
    **{kind.key: kind for kind in (APPLICATION, VIRTUAL_CLUSTER)},
    **OWNED,
}
"""The kinds of resources that operators start once, however often they are tried."""


def owned_in(*owner: str) -> list[OwnedKind[State]]:
    """The kinds of :data:`OWNED` that belong to something with these ids, e.g. ``application_id``."""
    return [kind for kind in OWNED.values() if kind.id_names[:-1] == owner]


__all__ = [
    "APPLICATION",
    "CLAIMED",
    "EKS_JOB_RUN",
    "JOB_RUN",
    "JOB_RUNS",
    "MANAGED_ENDPOINT",
    "OWNED",
    "SERVICES",
    "SESSION",
    "VIRTUAL_CLUSTER",
    "Application",
    "ClaimedKind",
    "DrivenKind",
    "EksJobRun",
    "JobRun",
    "JobRunKind",
    "ManagedEndpoint",
    "OwnedKind",
    "ResourceKind",
    "ServingKind",
    "Session",
    "Snapshot",
    "VirtualCluster",
    "attempt_facts",
    "member_name",
    "owned_in",
    "session_facts",
    "to_json",
]
