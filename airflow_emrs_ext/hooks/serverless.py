"""The hook of Amazon EMR Serverless."""

from __future__ import annotations

from airflow_emrs_ext.aws import serverless as api
from airflow_emrs_ext.hooks.base import EmrHook, verb


class EmrServerlessHook(EmrHook):
    """Interact with Amazon EMR Serverless, patiently.

    Each method is one API operation (see :mod:`airflow_emrs_ext.aws.serverless`); throttling, server errors and network
    failures are waited out with jitter for ``[emrs_ext] patience`` seconds instead of failing the task. Asynchronous
    code runs the same functions: ``await hook.arun(serverless.get_job_run(hook.run_context, …))``. Takes the parameters
    of :class:`~airflow_emrs_ext.hooks.base.EmrHook`.
    """

    service = "emr-serverless"

    create_application = verb(api.create_application)
    get_application = verb(api.get_application)
    list_applications = verb(api.list_applications)
    update_application = verb(api.update_application)
    start_application = verb(api.start_application)
    stop_application = verb(api.stop_application)
    delete_application = verb(api.delete_application)
    start_job_run = verb(api.start_job_run)
    get_job_run = verb(api.get_job_run)
    list_job_runs = verb(api.list_job_runs)
    list_job_run_attempts = verb(api.list_job_run_attempts)
    cancel_job_run = verb(api.cancel_job_run)
    get_dashboard_for_job_run = verb(api.get_dashboard_for_job_run)
    start_session = verb(api.start_session)
    # GetSession: the Amazon provider calls its AWS session get_session.
    describe_session = verb(api.get_session)
    list_sessions = verb(api.list_sessions)
    terminate_session = verb(api.terminate_session)
    get_session_endpoint = verb(api.get_session_endpoint)
    get_resource_dashboard = verb(api.get_resource_dashboard)
