"""The hook of Amazon EMR Serverless."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

from airflow_emrs_ext.aws import serverless as api
from airflow_emrs_ext.hooks.base import EmrHook
from airflow_emrs_ext.shared.states import ApplicationState, JobRunState, SessionState

Structure = Mapping[str, Any]


class EmrServerlessHook(EmrHook):
    """Interact with Amazon EMR Serverless, patiently.

    Each method is one API operation: parameters in snake case, structures and answers in the API's own form, ``None``
    leaves a parameter out. Throttling, server errors and network failures are waited out with jitter for ``[emrs_ext]
    patience`` seconds, refused access for ``[emrs_ext] access_patience``; then each raises
    :class:`~airflow_emrs_ext.exceptions.ServiceUnavailable` or :class:`~airflow_emrs_ext.exceptions.AccessDenied`. What
    does not exist raises :class:`~airflow_emrs_ext.exceptions.ResourceNotFound`, and any other request that the service
    refuses :class:`~airflow_emrs_ext.exceptions.RequestRejected`. Takes the parameters of
    :class:`~airflow_emrs_ext.hooks.base.EmrHook`.
    """

    service = "emr-serverless"

    def create_application(
        self,
        *,
        release_label: str,
        type: str,
        client_token: str | None = None,
        name: str | None = None,
        **parameters: Any,
    ) -> dict[str, Any]:
        """Create an application (CreateApplication).

        :param release_label: EMR release, e.g. ``emr-7.9.0``
        :param type: ``SPARK`` or ``HIVE``
        :param client_token: makes a repetition after a lost answer return what the first request has made
        :param name: a name for people; need not be unique
        :param parameters: further members of the request in snake case, in the API's own form
        :return: ``applicationId``, ``arn`` and ``name``
        """
        return self.run(
            api.create_application(
                self.run_context,
                release_label=release_label,
                type=type,
                client_token=client_token,
                name=name,
                **parameters,
            )
        )

    def get_application(self, application_id: str) -> dict[str, Any]:
        """Describe an application (GetApplication).

        :param application_id: of the application
        :return: the ``application`` structure
        """
        return self.run(api.get_application(self.run_context, application_id))

    def list_applications(
        self,
        *,
        states: Iterable[ApplicationState] | None = None,
        created_at_after: datetime | None = None,
        created_at_before: datetime | None = None,
    ) -> list[dict[str, Any]]:
        """List applications, all pages (ListApplications).

        :param states: only those in one of these states; default: all
        :param created_at_after: only those that were created after it; default: all
        :param created_at_before: only those that were created before it; default: all
        :return: ApplicationSummary structures
        """
        return self.run(
            api.list_applications(
                self.run_context, states=states, created_at_after=created_at_after, created_at_before=created_at_before
            )
        )

    def update_application(
        self, application_id: str, *, client_token: str | None = None, **parameters: Any
    ) -> dict[str, Any]:
        """Change an application that is CREATED or STOPPED (UpdateApplication).

        :param application_id: of the application
        :param client_token: makes a repetition after a lost answer return what the first request has made
        :param parameters: further members of the request in snake case, in the API's own form
        :return: the ``application`` structure
        """
        return self.run(
            api.update_application(self.run_context, application_id, client_token=client_token, **parameters)
        )

    def start_application(self, application_id: str) -> dict[str, Any]:
        """Start an application (StartApplication).

        :param application_id: of the application
        :return: nothing but ``ResponseMetadata``
        """
        return self.run(api.start_application(self.run_context, application_id))

    def stop_application(self, application_id: str) -> dict[str, Any]:
        """Stop an application (StopApplication); refused while job runs are active.

        :param application_id: of the application
        :return: nothing but ``ResponseMetadata``
        """
        return self.run(api.stop_application(self.run_context, application_id))

    def delete_application(self, application_id: str) -> dict[str, Any]:
        """Delete an application that is CREATED or STOPPED (DeleteApplication).

        :param application_id: of the application
        :return: nothing but ``ResponseMetadata``
        """
        return self.run(api.delete_application(self.run_context, application_id))

    def start_job_run(
        self,
        *,
        application_id: str,
        execution_role_arn: str,
        client_token: str,
        job_driver: Structure,
        configuration_overrides: Structure | None = None,
        execution_iam_policy: Structure | None = None,
        execution_timeout_minutes: int | None = None,
        flex_execution: Structure | None = None,
        mode: Literal["BATCH", "STREAMING"] | None = None,
        name: str | None = None,
        retry_policy: Structure | None = None,
        tags: Mapping[str, str] | None = None,
        **parameters: Any,
    ) -> dict[str, Any]:
        """Start a job run (StartJobRun).

        :param application_id: of the application
        :param execution_role_arn: ARN of the IAM role that the Spark job runs with
        :param client_token: makes a repetition after a lost answer return what the first request has made
        :param job_driver: ``{"sparkSubmit": {…}}`` or ``{"hive": {…}}``, e.g. of :mod:`~airflow_emrs_ext.job_spec`
        :param configuration_overrides: ``{"applicationConfiguration": […], "monitoringConfiguration": {…}}``
        :param execution_iam_policy: ``{"policy": …, "policyArns": […]}``, which narrows the role
        :param execution_timeout_minutes: after which the service ends it; the service's default is 720, at most 10080
            from release emr-7.11.0 on; before it 0: never
        :param flex_execution: ``{"enabled": True}``: executors on spare capacity, which costs less and can be taken
            back; of Spark in BATCH mode only
        :param mode: ``BATCH`` or ``STREAMING``
        :param name: a name for people; need not be unique
        :param retry_policy: ``{"maxAttempts": …}``, of a streaming job run also ``maxFailedAttemptsPerHour``
        :param tags: keys and values
        :param parameters: further members of the request in snake case, in the API's own form
        :return: ``applicationId``, ``jobRunId`` and ``arn``
        """
        return self.run(
            api.start_job_run(
                self.run_context,
                application_id=application_id,
                execution_role_arn=execution_role_arn,
                client_token=client_token,
                job_driver=job_driver,
                configuration_overrides=configuration_overrides,
                execution_iam_policy=execution_iam_policy,
                execution_timeout_minutes=execution_timeout_minutes,
                flex_execution=flex_execution,
                mode=mode,
                name=name,
                retry_policy=retry_policy,
                tags=tags,
                **parameters,
            )
        )

    def get_job_run(self, application_id: str, job_run_id: str, *, attempt: int | None = None) -> dict[str, Any]:
        """Describe a job run (GetJobRun).

        :param application_id: of the application
        :param job_run_id: of the job run
        :param attempt: number of the attempt; default: the latest
        :return: the ``jobRun`` structure
        """
        return self.run(api.get_job_run(self.run_context, application_id, job_run_id, attempt=attempt))

    def list_job_runs(
        self,
        application_id: str,
        *,
        states: Iterable[JobRunState] | None = None,
        mode: Literal["BATCH", "STREAMING"] | None = None,
        created_at_after: datetime | None = None,
        created_at_before: datetime | None = None,
    ) -> list[dict[str, Any]]:
        """List the job runs of an application, all pages (ListJobRuns).

        :param application_id: of the application
        :param states: only those in one of these states; default: all
        :param mode: only those of it, ``BATCH`` or ``STREAMING``; default: all
        :param created_at_after: only those that were created after it; default: all
        :param created_at_before: only those that were created before it; default: all
        :return: JobRunSummary structures
        """
        return self.run(
            api.list_job_runs(
                self.run_context,
                application_id,
                states=states,
                mode=mode,
                created_at_after=created_at_after,
                created_at_before=created_at_before,
            )
        )

    def list_job_run_attempts(self, application_id: str, job_run_id: str) -> list[dict[str, Any]]:
        """List the attempts of a job run, all pages (ListJobRunAttempts).

        :param application_id: of the application
        :param job_run_id: of the job run
        :return: JobRunAttemptSummary structures
        """
        return self.run(api.list_job_run_attempts(self.run_context, application_id, job_run_id))

    def cancel_job_run(
        self, application_id: str, job_run_id: str, *, shutdown_grace_period_in_seconds: int | None = None
    ) -> dict[str, Any]:
        """Cancel a job run (CancelJobRun); refused for one that has ended.

        :param application_id: of the application
        :param job_run_id: of the job run
        :param shutdown_grace_period_in_seconds: how long a streaming job run may take to end by itself
        :return: ``applicationId`` and ``jobRunId``
        """
        return self.run(
            api.cancel_job_run(
                self.run_context,
                application_id,
                job_run_id,
                shutdown_grace_period_in_seconds=shutdown_grace_period_in_seconds,
            )
        )

    def get_dashboard_for_job_run(
        self, application_id: str, job_run_id: str, *, attempt: int | None = None
    ) -> str | None:
        """Get a URL of a job run's Spark UI (GetDashboardForJobRun); refused for an attempt that has not been RUNNING.

        :param application_id: of the application
        :param job_run_id: of the job run
        :param attempt: number of the attempt; default: the latest
        :return: good for one use within the hour
        """
        return self.run(api.get_dashboard_for_job_run(self.run_context, application_id, job_run_id, attempt=attempt))

    def start_session(
        self,
        *,
        application_id: str,
        execution_role_arn: str,
        client_token: str,
        configuration_overrides: Structure | None = None,
        idle_timeout_minutes: int | None = None,
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
        **parameters: Any,
    ) -> dict[str, Any]:
        """Start a session (StartSession).

        :param application_id: of the application
        :param execution_role_arn: ARN of the IAM role that the Spark job runs with
        :param client_token: makes a repetition after a lost answer return what the first request has made
        :param configuration_overrides: ``{"runtimeConfiguration": […]}``
        :param idle_timeout_minutes: after which the service ends an idle session
        :param name: a name for people; need not be unique
        :param tags: keys and values
        :param parameters: further members of the request in snake case, in the API's own form
        :return: ``applicationId``, ``sessionId`` and ``arn``
        """
        return self.run(
            api.start_session(
                self.run_context,
                application_id=application_id,
                execution_role_arn=execution_role_arn,
                client_token=client_token,
                configuration_overrides=configuration_overrides,
                idle_timeout_minutes=idle_timeout_minutes,
                name=name,
                tags=tags,
                **parameters,
            )
        )

    def describe_session(self, application_id: str, session_id: str) -> dict[str, Any]:
        """Describe a session (GetSession); the Amazon provider calls its AWS session ``get_session``.

        :param application_id: of the application
        :param session_id: of the session
        :return: the ``session`` structure
        """
        return self.run(api.get_session(self.run_context, application_id, session_id))

    def list_sessions(
        self,
        application_id: str,
        *,
        states: Iterable[SessionState] | None = None,
        created_at_after: datetime | None = None,
        created_at_before: datetime | None = None,
    ) -> list[dict[str, Any]]:
        """List the sessions of an application, all pages (ListSessions).

        :param application_id: of the application
        :param states: only those in one of these states; default: all
        :param created_at_after: only those that were created after it; default: all
        :param created_at_before: only those that were created before it; default: all
        :return: SessionSummary structures
        """
        return self.run(
            api.list_sessions(
                self.run_context,
                application_id,
                states=states,
                created_at_after=created_at_after,
                created_at_before=created_at_before,
            )
        )

    def terminate_session(self, application_id: str, session_id: str) -> dict[str, Any]:
        """Terminate a session (TerminateSession).

        :param application_id: of the application
        :param session_id: of the session
        :return: ``applicationId`` and ``sessionId``
        """
        return self.run(api.terminate_session(self.run_context, application_id, session_id))

    def get_session_endpoint(self, application_id: str, session_id: str) -> dict[str, Any]:
        """Get the endpoint of a session, and a new token for it (GetSessionEndpoint).

        :param application_id: of the application
        :param session_id: of the session
        :return: ``endpoint``, ``authToken`` and ``authTokenExpiresAt``; the token is a secret: whoever has it runs code
            with the session's role
        """
        return self.run(api.get_session_endpoint(self.run_context, application_id, session_id))

    def get_resource_dashboard(
        self, application_id: str, resource_id: str, *, resource_type: str = "SESSION"
    ) -> str | None:
        """Get a URL of a session's Spark UI (GetResourceDashboard).

        :param application_id: of the application
        :param resource_id: of the session
        :param resource_type: what it is
        :return: good for one use within the hour; ``None`` where there is none
        """
        return self.run(
            api.get_resource_dashboard(self.run_context, application_id, resource_id, resource_type=resource_type)
        )
