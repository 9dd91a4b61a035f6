"""One function per EMR Serverless API operation that the package uses: typed in, as effects, botocore answers out.

Parameters are the API's in snake case; structures are given in the API's own form. ``None`` leaves a parameter out.
Every call is patient (:func:`~airflow_emrs_ext.aws.retry.patiently`), so each may raise
:class:`~airflow_emrs_ext.exceptions.ServiceUnavailable` and the refusals of
:mod:`airflow_emrs_ext.resources.api_errors`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from airflow_emrs_ext.aws.calls import PAGE_SIZE, make_call, named, names, pages, structure
from airflow_emrs_ext.aws.retry import patiently
from airflow_emrs_ext.core.effects import Effects, RunContext
from airflow_emrs_ext.resources.serverless import SERVICE
from airflow_emrs_ext.shared.states import ApplicationState, JobRunState, SessionState

Structure = Mapping[str, Any]

_call = partial(make_call, SERVICE)


def create_application(
    ctx: RunContext,
    /,
    *,
    release_label: str,
    type: str,
    client_token: str | None = None,
    name: str | None = None,
    **parameters: Any,
) -> Effects[dict[str, Any]]:
    """CreateApplication; ``parameters`` are its further members in snake case.

    :return: ``applicationId``, ``arn`` and ``name``
    """
    call = _call("create_application", locals())
    return (yield from named(ctx, call, "applicationId"))


def get_application(ctx: RunContext, /, application_id: str) -> Effects[dict[str, Any]]:
    """GetApplication: the ``application`` structure."""
    return (yield from structure(ctx, _call("get_application", application_id=application_id), "application"))


def list_applications(
    ctx: RunContext,
    /,
    *,
    states: Iterable[ApplicationState] | None = None,
    created_at_after: datetime | None = None,
    created_at_before: datetime | None = None,
) -> Effects[list[dict[str, Any]]]:
    """ListApplications, all pages: ApplicationSummary structures.

    :param created_at_after: as in the other listings; the API has no such filter here
    :param created_at_before: likewise
    """
    call = _call("list_applications", states=names(states), max_results=PAGE_SIZE)
    listed = yield from pages(ctx, call, "applications", "id")
    return [
        one
        for one in listed
        if (created_at_after is None or one["createdAt"] > created_at_after)
        and (created_at_before is None or one["createdAt"] < created_at_before)
    ]


def update_application(
    ctx: RunContext, /, application_id: str, *, client_token: str | None = None, **parameters: Any
) -> Effects[dict[str, Any]]:
    """UpdateApplication; ``parameters`` are its further members in snake case.

    :return: the ``application`` structure
    """
    call = _call("update_application", application_id=application_id, client_token=client_token, **parameters)
    return (yield from structure(ctx, call, "application"))


def start_application(ctx: RunContext, /, application_id: str) -> Effects[dict[str, Any]]:
    """StartApplication."""
    return (yield from patiently(_call("start_application", application_id=application_id), ctx))


def stop_application(ctx: RunContext, /, application_id: str) -> Effects[dict[str, Any]]:
    """StopApplication; refused while job runs are active."""
    return (yield from patiently(_call("stop_application", application_id=application_id), ctx))


def delete_application(ctx: RunContext, /, application_id: str) -> Effects[dict[str, Any]]:
    """DeleteApplication; refused unless the application is CREATED or STOPPED."""
    return (yield from patiently(_call("delete_application", application_id=application_id), ctx))


def start_job_run(
    ctx: RunContext,
    /,
    *,
    application_id: str,
    execution_role_arn: str,
    client_token: str,
    job_driver: Structure,
    configuration_overrides: Structure | None = None,
    execution_iam_policy: Structure | None = None,
    execution_timeout_minutes: int | None = None,
    flex_execution: Structure | None = None,
    mode: str | None = None,
    name: str | None = None,
    retry_policy: Structure | None = None,
    tags: Mapping[str, str] | None = None,
    **parameters: Any,
) -> Effects[dict[str, Any]]:
    """StartJobRun; ``parameters`` are members that have no name here yet.

    The client token makes a repetition after a lost answer return the same job run.

    :return: ``applicationId``, ``jobRunId`` and ``arn``
    """
    call = _call("start_job_run", locals())
    return (yield from named(ctx, call, "applicationId", "jobRunId"))


def get_job_run(
    ctx: RunContext, /, application_id: str, job_run_id: str, *, attempt: int | None = None
) -> Effects[dict[str, Any]]:
    """GetJobRun: the ``jobRun`` structure of ``attempt`` (default: the latest)."""
    call = _call("get_job_run", locals())
    return (yield from structure(ctx, call, "jobRun"))


def list_job_runs(
    ctx: RunContext,
    /,
    application_id: str,
    *,
    states: Iterable[JobRunState] | None = None,
    mode: str | None = None,
    created_at_after: datetime | None = None,
    created_at_before: datetime | None = None,
) -> Effects[list[dict[str, Any]]]:
    """ListJobRuns, all pages: JobRunSummary structures."""
    call = _call("list_job_runs", locals(), states=names(states), max_results=PAGE_SIZE)
    return (yield from pages(ctx, call, "jobRuns", "id"))


def list_job_run_attempts(ctx: RunContext, /, application_id: str, job_run_id: str) -> Effects[list[dict[str, Any]]]:
    """ListJobRunAttempts, all pages: JobRunAttemptSummary structures."""
    call = _call("list_job_run_attempts", application_id=application_id, job_run_id=job_run_id, max_results=PAGE_SIZE)
    return (yield from pages(ctx, call, "jobRunAttempts", "state", apart=("attempt", "createdAt")))


def cancel_job_run(
    ctx: RunContext, /, application_id: str, job_run_id: str, *, shutdown_grace_period_in_seconds: int | None = None
) -> Effects[dict[str, Any]]:
    """CancelJobRun; refused for a job run that has ended."""
    call = _call("cancel_job_run", locals())
    return (yield from named(ctx, call, "applicationId", "jobRunId"))


def get_dashboard_for_job_run(
    ctx: RunContext, /, application_id: str, job_run_id: str, *, attempt: int | None = None
) -> Effects[str | None]:
    """GetDashboardForJobRun: a URL for one use within the hour, of ``attempt`` (default: the latest).

    Refused for an attempt that has not been RUNNING.
    """
    call = _call("get_dashboard_for_job_run", locals())
    url: str | None = (yield from patiently(call, ctx)).get("url")
    return url


def start_session(
    ctx: RunContext,
    /,
    *,
    application_id: str,
    execution_role_arn: str,
    client_token: str,
    configuration_overrides: Structure | None = None,
    idle_timeout_minutes: int | None = None,
    name: str | None = None,
    tags: Mapping[str, str] | None = None,
    **parameters: Any,
) -> Effects[dict[str, Any]]:
    """StartSession; ``parameters`` are members that have no name here yet.

    The client token makes a repetition after a lost answer return the same session.

    :return: ``applicationId``, ``sessionId`` and ``arn``
    """
    call = _call("start_session", locals())
    return (yield from named(ctx, call, "applicationId", "sessionId"))


def get_session(ctx: RunContext, /, application_id: str, session_id: str) -> Effects[dict[str, Any]]:
    """GetSession: the ``session`` structure."""
    call = _call("get_session", application_id=application_id, session_id=session_id)
    return (yield from structure(ctx, call, "session"))


def list_sessions(
    ctx: RunContext,
    /,
    application_id: str,
    *,
    states: Iterable[SessionState] | None = None,
    created_at_after: datetime | None = None,
    created_at_before: datetime | None = None,
) -> Effects[list[dict[str, Any]]]:
    """ListSessions, all pages: SessionSummary structures."""
    call = _call("list_sessions", locals(), states=names(states), max_results=PAGE_SIZE)
    return (yield from pages(ctx, call, "sessions", "applicationId", "sessionId"))


def terminate_session(ctx: RunContext, /, application_id: str, session_id: str) -> Effects[dict[str, Any]]:
    """TerminateSession."""
    call = _call("terminate_session", application_id=application_id, session_id=session_id)
    return (yield from named(ctx, call, "applicationId", "sessionId"))


def get_session_endpoint(ctx: RunContext, /, application_id: str, session_id: str) -> Effects[dict[str, Any]]:
    """GetSessionEndpoint: the ``endpoint``, a new ``authToken`` and its ``authTokenExpiresAt``.

    The token is a secret: whoever has it runs code with the session's role.
    """
    call = _call("get_session_endpoint", application_id=application_id, session_id=session_id)

    def read(response: dict[str, Any]) -> dict[str, Any]:
        return {name: response[name] for name in ("endpoint", "authToken", "authTokenExpiresAt")}

    return (yield from patiently(call, ctx, read))


def get_resource_dashboard(
    ctx: RunContext, /, application_id: str, resource_id: str, *, resource_type: str = "SESSION"
) -> Effects[str | None]:
    """GetResourceDashboard: a URL for one use within the hour, ``None`` where there is none."""
    call = _call("get_resource_dashboard", locals())
    url: str | None = (yield from patiently(call, ctx)).get("url")
    return url
