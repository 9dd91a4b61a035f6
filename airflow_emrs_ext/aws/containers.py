"""One function per EMR on EKS API operation that the package uses, as :mod:`airflow_emrs_ext.aws.serverless` has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from airflow_emrs_ext.aws.calls import PAGE_SIZE, make_call, named, names, pages, structure
from airflow_emrs_ext.aws.retry import patiently
from airflow_emrs_ext.core.effects import Effects, RunContext
from airflow_emrs_ext.resources.containers import SERVICE
from airflow_emrs_ext.shared.states import EksJobRunState, ManagedEndpointState, VirtualClusterState

Structure = Mapping[str, Any]

_call = partial(make_call, SERVICE)


def create_virtual_cluster(
    ctx: RunContext,
    /,
    *,
    name: str,
    container_provider: Structure,
    client_token: str,
    tags: Mapping[str, str] | None = None,
    **parameters: Any,
) -> Effects[dict[str, Any]]:
    """CreateVirtualCluster; ``parameters`` are its further members in snake case.

    :return: ``id``, ``name`` and ``arn``
    """
    call = _call("create_virtual_cluster", locals())
    return (yield from named(ctx, call, "id"))


def describe_virtual_cluster(ctx: RunContext, /, virtual_cluster_id: str) -> Effects[dict[str, Any]]:
    """DescribeVirtualCluster: the ``virtualCluster`` structure."""
    return (yield from structure(ctx, _call("describe_virtual_cluster", id=virtual_cluster_id), "virtualCluster"))


def list_virtual_clusters(
    ctx: RunContext,
    /,
    *,
    container_provider_id: str | None = None,
    states: Iterable[VirtualClusterState] | None = None,
    created_at_after: datetime | None = None,
    created_at_before: datetime | None = None,
) -> Effects[list[dict[str, Any]]]:
    """ListVirtualClusters, all pages: VirtualCluster structures.

    :param container_provider_id: name of the EKS cluster
    """
    call = _call(
        "list_virtual_clusters",
        container_provider_id=container_provider_id,
        container_provider_type=container_provider_id and "EKS",
        states=names(states),
        created_after=created_at_after,
        created_before=created_at_before,
        max_results=PAGE_SIZE,
    )
    return (yield from pages(ctx, call, "virtualClusters", "id"))


def delete_virtual_cluster(ctx: RunContext, /, virtual_cluster_id: str) -> Effects[dict[str, Any]]:
    """DeleteVirtualCluster."""
    return (yield from named(ctx, _call("delete_virtual_cluster", id=virtual_cluster_id), "id"))


def start_job_run(
    ctx: RunContext,
    /,
    *,
    virtual_cluster_id: str,
    client_token: str,
    execution_role_arn: str | None = None,
    release_label: str | None = None,
    job_driver: Structure | None = None,
    configuration_overrides: Structure | None = None,
    job_template_id: str | None = None,
    job_template_parameters: Mapping[str, str] | None = None,
    retry_policy_configuration: Structure | None = None,
    name: str | None = None,
    tags: Mapping[str, str] | None = None,
    **parameters: Any,
) -> Effects[dict[str, Any]]:
    """StartJobRun; ``parameters`` are members that have no name here yet.

    The client token makes a repetition after a lost answer return the same job run.

    :return: ``id``, ``virtualClusterId``, ``name`` and ``arn``
    """
    call = _call("start_job_run", locals())
    return (yield from named(ctx, call, "virtualClusterId", "id"))


def describe_job_run(ctx: RunContext, /, virtual_cluster_id: str, job_run_id: str) -> Effects[dict[str, Any]]:
    """DescribeJobRun: the ``jobRun`` structure."""
    call = _call("describe_job_run", virtual_cluster_id=virtual_cluster_id, id=job_run_id)
    return (yield from structure(ctx, call, "jobRun"))


def list_job_runs(
    ctx: RunContext,
    /,
    virtual_cluster_id: str,
    *,
    name: str | None = None,
    states: Iterable[EksJobRunState] | None = None,
    created_at_after: datetime | None = None,
    created_at_before: datetime | None = None,
) -> Effects[list[dict[str, Any]]]:
    """ListJobRuns, all pages: JobRun structures."""
    call = _call(
        "list_job_runs",
        virtual_cluster_id=virtual_cluster_id,
        name=name,
        states=names(states),
        created_after=created_at_after,
        created_before=created_at_before,
        max_results=PAGE_SIZE,
    )
    return (yield from pages(ctx, call, "jobRuns", "id"))


def cancel_job_run(ctx: RunContext, /, virtual_cluster_id: str, job_run_id: str) -> Effects[dict[str, Any]]:
    """CancelJobRun; refused for a job run that has ended."""
    call = _call("cancel_job_run", virtual_cluster_id=virtual_cluster_id, id=job_run_id)
    return (yield from named(ctx, call, "virtualClusterId", "id"))


def create_job_template(
    ctx: RunContext,
    /,
    *,
    name: str,
    job_template_data: Structure,
    client_token: str,
    kms_key_arn: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Effects[dict[str, Any]]:
    """CreateJobTemplate.

    :return: ``id``, ``name``, ``arn`` and ``createdAt``
    """
    call = _call("create_job_template", locals())
    return (yield from named(ctx, call, "id"))


def describe_job_template(ctx: RunContext, /, job_template_id: str) -> Effects[dict[str, Any]]:
    """DescribeJobTemplate: the ``jobTemplate`` structure."""
    return (yield from structure(ctx, _call("describe_job_template", id=job_template_id), "jobTemplate"))


def list_job_templates(
    ctx: RunContext,
    /,
    *,
    created_at_after: datetime | None = None,
    created_at_before: datetime | None = None,
) -> Effects[list[dict[str, Any]]]:
    """ListJobTemplates, all pages: JobTemplate structures."""
    call = _call(
        "list_job_templates",
        created_after=created_at_after,
        created_before=created_at_before,
        max_results=PAGE_SIZE,
    )
    return (yield from pages(ctx, call, "templates", "id"))


def delete_job_template(ctx: RunContext, /, job_template_id: str) -> Effects[dict[str, Any]]:
    """DeleteJobTemplate."""
    return (yield from named(ctx, _call("delete_job_template", id=job_template_id), "id"))


def create_managed_endpoint(
    ctx: RunContext,
    /,
    *,
    virtual_cluster_id: str,
    name: str,
    type: str,
    release_label: str,
    execution_role_arn: str,
    client_token: str,
    configuration_overrides: Structure | None = None,
    tags: Mapping[str, str] | None = None,
    **parameters: Any,
) -> Effects[dict[str, Any]]:
    """CreateManagedEndpoint; ``parameters`` are members that have no name here yet.

    :return: ``id``, ``virtualClusterId``, ``name`` and ``arn``
    """
    call = _call("create_managed_endpoint", locals())
    return (yield from named(ctx, call, "virtualClusterId", "id"))


def describe_managed_endpoint(ctx: RunContext, /, virtual_cluster_id: str, endpoint_id: str) -> Effects[dict[str, Any]]:
    """DescribeManagedEndpoint: the ``endpoint`` structure."""
    call = _call("describe_managed_endpoint", virtual_cluster_id=virtual_cluster_id, id=endpoint_id)
    return (yield from structure(ctx, call, "endpoint"))


def list_managed_endpoints(
    ctx: RunContext,
    /,
    virtual_cluster_id: str,
    *,
    states: Iterable[ManagedEndpointState] | None = None,
    created_at_after: datetime | None = None,
    created_at_before: datetime | None = None,
) -> Effects[list[dict[str, Any]]]:
    """ListManagedEndpoints, all pages: Endpoint structures."""
    call = _call(
        "list_managed_endpoints",
        virtual_cluster_id=virtual_cluster_id,
        states=names(states),
        created_after=created_at_after,
        created_before=created_at_before,
        max_results=PAGE_SIZE,
    )
    return (yield from pages(ctx, call, "endpoints", "id"))


def delete_managed_endpoint(ctx: RunContext, /, virtual_cluster_id: str, endpoint_id: str) -> Effects[dict[str, Any]]:
    """DeleteManagedEndpoint."""
    call = _call("delete_managed_endpoint", virtual_cluster_id=virtual_cluster_id, id=endpoint_id)
    return (yield from named(ctx, call, "virtualClusterId", "id"))


def get_managed_endpoint_session_credentials(
    ctx: RunContext,
    /,
    virtual_cluster_id: str,
    endpoint_id: str,
    *,
    execution_role_arn: str,
    duration_in_seconds: int | None = None,
) -> Effects[dict[str, Any]]:
    """GetManagedEndpointSessionCredentials: ``credentials`` with a new ``token``, and its ``expiresAt``.

    The token is a secret: whoever has it runs code with the role.

    :param duration_in_seconds: how long it is good; the service's default is 15 minutes, its limit 12 hours
    """
    call = _call(
        "get_managed_endpoint_session_credentials",
        virtual_cluster_identifier=virtual_cluster_id,
        endpoint_identifier=endpoint_id,
        execution_role_arn=execution_role_arn,
        credential_type="TOKEN",
        duration_in_seconds=duration_in_seconds,
    )

    def read(response: dict[str, Any]) -> dict[str, Any]:
        return {"credentials": {"token": response["credentials"]["token"]}, "expiresAt": response["expiresAt"]}

    return (yield from patiently(call, ctx, read))
