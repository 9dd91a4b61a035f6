"""Which call starts a resource, and which lists it: the functions of the services, by the kind of resource."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from airflow_emrs_ext.aws import containers, ec2, serverless
from airflow_emrs_ext.aws.steps import add_step
from airflow_emrs_ext.core.effects import Effects, RunContext
from airflow_emrs_ext.resources import (
    APPLICATION,
    CLUSTER_SESSION,
    EKS_JOB_RUN,
    JOB_RUN,
    MANAGED_ENDPOINT,
    SESSION,
    STEP,
    VIRTUAL_CLUSTER,
    ResourceKind,
)
from airflow_emrs_ext.shared.states import State

_Start: TypeAlias = Callable[..., Effects[dict[str, Any]]]
_Listing: TypeAlias = Callable[..., Effects[list[dict[str, Any]]]]

_STARTS: Mapping[str, _Start] = {
    APPLICATION.key: serverless.create_application,
    JOB_RUN.key: serverless.start_job_run,
    SESSION.key: serverless.start_session,
    VIRTUAL_CLUSTER.key: containers.create_virtual_cluster,
    EKS_JOB_RUN.key: containers.start_job_run,
    MANAGED_ENDPOINT.key: containers.create_managed_endpoint,
    CLUSTER_SESSION.key: ec2.start_session,
    STEP.key: add_step,
}

_LISTINGS: Mapping[str, _Listing] = {
    APPLICATION.key: serverless.list_applications,
    JOB_RUN.key: serverless.list_job_runs,
    SESSION.key: serverless.list_sessions,
    VIRTUAL_CLUSTER.key: containers.list_virtual_clusters,
    EKS_JOB_RUN.key: containers.list_job_runs,
    MANAGED_ENDPOINT.key: containers.list_managed_endpoints,
    CLUSTER_SESSION.key: ec2.list_sessions,
    STEP.key: ec2.list_steps,
}


def start_of(kind: ResourceKind[State]) -> _Start:
    """The function that starts a resource."""
    return _STARTS[kind.key]


def listing_of(kind: ResourceKind[State]) -> _Listing:
    """The function that lists resources."""
    return _LISTINGS[kind.key]


def active(ctx: RunContext, kind: ResourceKind[State], *scope: str, **filters: Any) -> Effects[list[dict[str, Any]]]:
    """The entries of a listing of what has not ended.

    :param scope: an application's id, for what belongs to one
    :param filters: further ones of the listing
    """
    states = [state for state in kind.states if state.is_active]
    return (yield from listing_of(kind)(ctx, *scope, states=states, **filters))
