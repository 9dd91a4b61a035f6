"""One function per EMR on EC2 API operation that the package uses, as :mod:`airflow_emrs_ext.aws.serverless` has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from airflow_emrs_ext.aws.calls import PAGE_SIZE, make_call, named, names, pages, structure
from airflow_emrs_ext.aws.retry import Settle, patiently
from airflow_emrs_ext.core.effects import Call, Effects, RunContext
from airflow_emrs_ext.exceptions import ServiceUnavailable
from airflow_emrs_ext.resources.ec2 import SERVICE
from airflow_emrs_ext.shared.states import SessionState, StepState

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


def add_job_flow_steps(
    ctx: RunContext,
    /,
    *,
    cluster_id: str,
    steps: Sequence[Structure],
    execution_role_arn: str | None = None,
    **parameters: Any,
) -> Effects[dict[str, Any]]:
    """AddJobFlowSteps; ``parameters`` are members that have no name here yet.

    It takes no client token, so that it is never repeated where it may have had its effect.

    :return: ``StepIds``, in the order of the steps
    :raises ServiceUnavailable: whether the steps were added is not known
    """
    call = steps_call(cluster_id, steps, execution_role_arn, **parameters)

    def give_up(failure: Exception) -> Effects[dict[str, Any] | None]:
        yield from ()
        raise ServiceUnavailable(
            f"Whether add_job_flow_steps has added steps to cluster {cluster_id} is not known: {failure}. It takes no "
            "client token, and is not repeated: list_steps tells what is there.",
            {"operation": call.operation, "cluster_id": cluster_id},
        ) from failure

    return (yield from adding(ctx, call, len(steps), give_up))


def steps_call(cluster_id: str, steps: Sequence[Structure], execution_role_arn: str | None, **parameters: Any) -> Call:
    """The call that adds steps."""
    members = {"job_flow_id": cluster_id, "steps": list(steps), "execution_role_arn": execution_role_arn}
    return _call("add_job_flow_steps", {"parameters": parameters}, **members)


def adding(ctx: RunContext, call: Call, count: int, settle: Settle[dict[str, Any]]) -> Effects[dict[str, Any]]:
    """The answer to a call that adds so many steps, made again only where it certainly had no effect.

    :param settle: see :func:`~airflow_emrs_ext.aws.retry.patiently`
    """

    def read(response: dict[str, Any]) -> dict[str, Any]:
        found = response["StepIds"]
        if len(found) != count or not all(isinstance(one, str) and one for one in found):
            raise ValueError(f"StepIds is {found!r}")
        return response

    return patiently(call, ctx, read, settle)


def describe_step(ctx: RunContext, /, cluster_id: str, step_id: str) -> Effects[dict[str, Any]]:
    """DescribeStep: the ``Step`` structure."""
    return (yield from structure(ctx, _call("describe_step", cluster_id=cluster_id, step_id=step_id), "Step"))


def list_steps(
    ctx: RunContext,
    /,
    cluster_id: str,
    *,
    states: Iterable[StepState] | None = None,
    created_at_after: datetime | None = None,
    created_at_before: datetime | None = None,
) -> Effects[list[dict[str, Any]]]:
    """ListSteps, all pages: StepSummary structures, the newest first, with ``ClusterId``, ``State`` and ``CreatedAt``.

    The API has no filters of times, so that all pages are taken.
    """
    call = _call("list_steps", cluster_id=cluster_id, step_states=names(states))
    listed = [
        {**one, **_found_in(one), "ClusterId": cluster_id}
        for one in (yield from pages(ctx, call, "Steps", "Id", marker="marker"))
    ]
    return [
        one
        for one in listed
        if (created_at_after is None or one.get("CreatedAt", created_at_after) >= created_at_after)
        and (created_at_before is None or one.get("CreatedAt", created_at_before) <= created_at_before)
    ]


def _found_in(step: Structure) -> dict[str, Any]:
    """State and time of an entry of ListSteps, as far as it has them, as members of their own like everywhere else."""
    status = step.get("Status") or {}
    found = {"State": status.get("State"), "CreatedAt": (status.get("Timeline") or {}).get("CreationDateTime")}
    return {name: value for name, value in found.items() if value is not None}


def cancel_steps(
    ctx: RunContext, /, cluster_id: str, step_ids: Sequence[str], *, step_cancellation_option: str | None = None
) -> Effects[list[dict[str, Any]]]:
    """CancelSteps: for each step its ``StepId``, ``Status`` and ``Reason``; a status may be FAILED."""
    call = _call(
        "cancel_steps",
        cluster_id=cluster_id,
        step_ids=list(step_ids),
        step_cancellation_option=step_cancellation_option,
    )

    def read(response: dict[str, Any]) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = response["CancelStepsInfoList"]
        if {one["StepId"] for one in told} != set(step_ids):
            raise ValueError(f"CancelStepsInfoList is {told!r}")
        return told

    return (yield from patiently(call, ctx, read))
