"""The kinds of resources that the package knows, by their keys."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_emrs_ext.resources import containers, ec2, serverless
from airflow_emrs_ext.resources.base import (
    Api,
    EndableKind,
    JobRunKind,
    ResourceKind,
    Snapshot,
    SparkDriver,
    tags_of,
    to_json,
)
from airflow_emrs_ext.resources.containers import EksJobRun, ManagedEndpoint, VirtualCluster
from airflow_emrs_ext.resources.ec2 import ClusterSession, Step, cluster_session_facts
from airflow_emrs_ext.resources.serverless import (
    Application,
    JobRun,
    Session,
    attempt_facts,
    price_facts,
    session_facts,
)
from airflow_emrs_ext.shared.states import State

APIS: Mapping[str, Api] = {api.service: api for api in (serverless.API, containers.API, ec2.API)}
"""The APIs that they are of, by what botocore calls the services."""

SERVICES = tuple(APIS)
"""What botocore calls the services."""

APPLICATION = Application()
JOB_RUN = JobRun()
SESSION = Session()
VIRTUAL_CLUSTER = VirtualCluster()
EKS_JOB_RUN = EksJobRun()
MANAGED_ENDPOINT = ManagedEndpoint()
CLUSTER_SESSION = ClusterSession()
STEP = Step()

JOB_RUNS: Mapping[str, JobRunKind[State]] = {kind.key: kind for kind in (JOB_RUN, EKS_JOB_RUN, STEP)}
"""The kinds of job runs."""

BILLABLE: Mapping[str, EndableKind[State]] = {
    kind.key: kind for kind in (JOB_RUN, SESSION, EKS_JOB_RUN, MANAGED_ENDPOINT, CLUSTER_SESSION, STEP)
}
"""The kinds of resources that operators start, that cost money until they end, and that operators have to end."""

SPARK_CONNECT = tuple(kind for kind in BILLABLE.values() if kind.spark_connect is not None)
"""The kinds of resources that tasks work in with Spark Connect."""

RESOURCES: Mapping[str, ResourceKind[State]] = {
    **{kind.key: kind for kind in (APPLICATION, VIRTUAL_CLUSTER)},
    **BILLABLE,
}
"""The kinds of resources that operators start once, however often they are tried."""


def billable_in(*owner: str) -> list[EndableKind[State]]:
    """The kinds of :data:`BILLABLE` that belong to something with these ids, e.g. ``application_id``."""
    return [kind for kind in BILLABLE.values() if kind.id_names[:-1] == owner]


__all__ = [
    "APIS",
    "APPLICATION",
    "BILLABLE",
    "CLUSTER_SESSION",
    "EKS_JOB_RUN",
    "JOB_RUN",
    "JOB_RUNS",
    "MANAGED_ENDPOINT",
    "RESOURCES",
    "SERVICES",
    "SESSION",
    "SPARK_CONNECT",
    "STEP",
    "VIRTUAL_CLUSTER",
    "Api",
    "Application",
    "ClusterSession",
    "EksJobRun",
    "EndableKind",
    "JobRun",
    "JobRunKind",
    "ManagedEndpoint",
    "ResourceKind",
    "Session",
    "Snapshot",
    "SparkDriver",
    "Step",
    "VirtualCluster",
    "attempt_facts",
    "billable_in",
    "cluster_session_facts",
    "price_facts",
    "session_facts",
    "tags_of",
    "to_json",
]
