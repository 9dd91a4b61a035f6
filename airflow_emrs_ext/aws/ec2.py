"""One function per EMR on EC2 API operation that the package uses, as :mod:`airflow_emrs_ext.aws.serverless` has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from airflow_emrs_ext.aws.calls import PAGE_SIZE, make_call, named, names, pages, structure
from airflow_emrs_ext.aws.retry import patiently
from airflow_emrs_ext.core.effects import Effects, RunContext
from airflow_emrs_ext.resources.ec2 import SERVICE
from airflow_emrs_ext.shared.states import SessionState

Structure = Mapping[str, Any]

_call = partial(make_call, SERVICE)


def describe_cluster(ctx: RunContext, /, cluster_id: str) -> Effects[dict[str, Any]]:
    """DescribeCluster: the ``Cluster`` structure."""
    return (yield from structure(ctx, _call("describe_cluster", cluster_id=cluster_id), "Cluster"))


def list_clusters(ctx: RunContext, /, *, cluster_states: Iterable[str] | None = None) -> Effects[list[dict[str, Any]]]:
    """ListClusters, all pages: ClusterSummary structures."""
    call = _call("list_clusters", cluster_states=None if cluster_states is None else list(cluster_states))
    return (yield from pages(ctx, call, "Clusters", "Id", marker="marker"))


def start_session(
    ctx: RunContext,
    /,
    *,
    cluster_id: str,
    client_request_token: str,
    execution_role_arn: str | None = None,
    name: str | None = None,
    engine_configurations: Sequence[Structure] | None = None,
    monitoring_configuration: Structure | None = None,
    session_idle_timeout_in_minutes: int | None = None,
    tags: Mapping[str, str] | None = None,
    **parameters: Any,
) -> Effects[dict[str, Any]]:
    """StartSession; ``parameters`` are members that have no name here yet.

    The client token makes a repetition after a lost answer return the same session.

    :return: ``Id``, ``ClusterId``, ``Arn`` and ``State``
    """
    started = yield from named(ctx, _call("start_session", locals()), "Id")
    # The service need not name the cluster; if it does, the first look finds out whether it is this one.
    return {"ClusterId": cluster_id, **started}


def get_session(ctx: RunContext, /, cluster_id: str, session_id: str) -> Effects[dict[str, Any]]:
    """GetSession: the ``Session`` structure."""
    call = _call("get_session", cluster_id=cluster_id, session_id=session_id)
    return (yield from structure(ctx, call, "Session"))


def list_sessions(
    ctx: RunContext,
    /,
    cluster_id: str,
    *,
    states: Iterable[SessionState] | None = None,
    created_at_after: datetime | None = None,
    created_at_before: datetime | None = None,
) -> Effects[list[dict[str, Any]]]:
    """ListSessions, all pages: Session structures; the API has no filters of times, so that all pages are taken."""
    call = _call("list_sessions", cluster_id=cluster_id, session_states=names(states), max_results=PAGE_SIZE)
    listed = yield from pages(ctx, call, "Sessions", "ClusterId", "Id")
    # One that is not dated is left in: whoever needs its date asks for it.
    return [
        one
        for one in listed
        if (created_at_after is None or one.get("CreatedAt", created_at_after) >= created_at_after)
        and (created_at_before is None or one.get("CreatedAt", created_at_before) <= created_at_before)
    ]


def terminate_session(ctx: RunContext, /, cluster_id: str, session_id: str) -> Effects[dict[str, Any]]:
    """TerminateSession."""
    call = _call("terminate_session", cluster_id=cluster_id, session_id=session_id)
    return (yield from named(ctx, call, "ClusterId", "SessionId"))


def get_session_endpoint(ctx: RunContext, /, cluster_id: str, session_id: str) -> Effects[dict[str, Any]]:
    """GetSessionEndpoint: the ``Endpoint``, with ``AuthToken`` and ``AuthTokenExpirationTime``, or ``Credentials``.

    Both are secrets: whoever has one of them runs code with the session's role.
    """
    call = _call("get_session_endpoint", cluster_id=cluster_id, session_id=session_id)

    def read(response: dict[str, Any]) -> dict[str, Any]:
        known = ("Endpoint", "AuthToken", "AuthTokenExpirationTime", "Credentials")
        return {"Endpoint": response["Endpoint"], **{name: response[name] for name in known if name in response}}

    return (yield from patiently(call, ctx, read))
