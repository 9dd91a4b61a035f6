"""The kinds of resources that the package knows, by their keys."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_emrs_ext.resources import containers, serverless
from airflow_emrs_ext.resources.base import (
    EndableKind,
    JobRunKind,
    ResourceKind,
    Snapshot,
    SparkDriver,
    member_name,
    to_json,
)
from airflow_emrs_ext.resources.containers import EksJobRun, ManagedEndpoint, VirtualCluster
from airflow_emrs_ext.resources.serverless import (
    Application,
    JobRun,
    Session,
    attempt_facts,
    price_facts,
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

BILLABLE: Mapping[str, EndableKind[State]] = {
    kind.key: kind for kind in (JOB_RUN, SESSION, EKS_JOB_RUN, MANAGED_ENDPOINT)
}
"""The kinds of resources that operators start, that cost money until they end, and that operators have to end."""

RESOURCES: Mapping[str, ResourceKind[State]] = {
    **{kind.key: kind for kind in (APPLICATION, VIRTUAL_CLUSTER)},
    **BILLABLE,
}
"""The kinds of resources that operators start once, however often they are tried."""


def billable_in(*owner: str) -> list[EndableKind[State]]:
    """The kinds of :data:`BILLABLE` that belong to something with these ids, e.g. ``application_id``."""
    return [kind for kind in BILLABLE.values() if kind.id_names[:-1] == owner]


__all__ = [
    "APPLICATION",
    "BILLABLE",
    "EKS_JOB_RUN",
    "JOB_RUN",
    "JOB_RUNS",
    "MANAGED_ENDPOINT",
    "RESOURCES",
    "SERVICES",
    "SESSION",
    "VIRTUAL_CLUSTER",
    "Application",
    "EksJobRun",
    "EndableKind",
    "JobRun",
    "JobRunKind",
    "ManagedEndpoint",
    "ResourceKind",
    "Session",
    "Snapshot",
    "SparkDriver",
    "VirtualCluster",
    "attempt_facts",
    "billable_in",
    "member_name",
    "price_facts",
    "session_facts",
    "to_json",
]
