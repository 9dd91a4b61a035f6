"""Amazon EMR Serverless."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.dashboards import Dashboards
from airflow_emrs_ext.local.base.driving import DeliverLogs
from airflow_emrs_ext.local.base.leniency import enforce
from airflow_emrs_ext.local.base.lifecycle import Listener
from airflow_emrs_ext.local.base.queueing import Queues
from airflow_emrs_ext.local.base.runner import Runner
from airflow_emrs_ext.local.services.connect.access import ConnectAccess
from airflow_emrs_ext.local.services.emr_serverless import rules
from airflow_emrs_ext.local.services.emr_serverless.application_settings import most_queued
from airflow_emrs_ext.local.services.emr_serverless.applications import Application, Applications
from airflow_emrs_ext.local.services.emr_serverless.capacity import Capacity
from airflow_emrs_ext.local.services.emr_serverless.job_run_operations import JobRuns
from airflow_emrs_ext.local.services.emr_serverless.job_runs import JobRun
from airflow_emrs_ext.local.services.emr_serverless.session_operations import Sessions
from airflow_emrs_ext.local.services.emr_serverless.session_walk import SessionWalker
from airflow_emrs_ext.local.services.emr_serverless.sessions import Session
from airflow_emrs_ext.local.services.emr_serverless.walk import Walker
from airflow_emrs_ext.local.services.emr_serverless.workers import Demand
from airflow_emrs_ext.local.services.service import Service


class EmrServerless(Service):
    """The service.

    :param runner: executes the attempts of job runs; started before the service is used, and closed after it
    :param config: settings, read when they are needed
    :param work_dir: where the attempts get their directories
    :param deliver_logs: makes what delivers the logs of one attempt; default: nobody does
    :param access: how clients of Spark Connect come to the sessions; default: they do not
    :param dashboards: mints the URLs of UIs
    """

    TOKEN_MISUSED: ClassVar[str] = "ConflictException"
    MOST_TAGS: ClassVar[int] = rules.MOST_TAGS

    def __init__(
        self,
        runner: Runner,
        *,
        config: ServiceConfig,
        work_dir: Path,
        deliver_logs: DeliverLogs | None = None,
        access: ConnectAccess | None = None,
        dashboards: Dashboards | None = None,
    ) -> None:
        listeners: list[Listener] = []
        queues = Queues(lambda: most_queued(config.quota_scale))
        self._capacity = Capacity(config)
        self.applications: Applications = Applications(config, listeners, self._capacity, queues)
        walker = Walker(runner, config, self._capacity, queues, deliver_logs)
        self.job_runs: JobRuns = JobRuns(config, listeners, self.applications, work_dir, walker)
        self.sessions: Sessions = Sessions(
            config,
            listeners,
            self.applications,
            work_dir,
            SessionWalker(runner, config, self._capacity, deliver_logs),
            access or ConnectAccess(config),
        )
        self.dashboards: Dashboards = dashboards or Dashboards(runner, config)
        super().__init__(
            config,
            listeners,
            work_dir,
            owners=self.applications,
            driven=(self.job_runs, self.sessions),
            memories=(self.dashboards, self._capacity, queues),
        )

    def config_changed(self) -> None:
        """Apply changed settings to what is already waiting: idle times and capacity."""
        for application in self.applications:
            self.applications.arm(application)
        self.sessions.arm()
        self._capacity.hand_out()

    def workers_of(self, application: Application) -> dict[str, tuple[Demand, int]]:
        """As :meth:`~.capacity.Capacity.workers_of`.

        :param application: the application
        """
        return self._capacity.workers_of(application.id)

    # Applications

    async def create_application(self, **params: Any) -> dict[str, Any]:
        """CreateApplication."""
        return self._tokens.once("CreateApplication", "", params, lambda: self.applications.create(params))

    async def get_application(self, **params: Any) -> dict[str, Any]:
        """GetApplication; it also answers for TERMINATED applications."""
        return {"application": self.applications.view(self.applications.get(params["applicationId"]))}

    async def list_applications(self, **params: Any) -> dict[str, Any]:
        """ListApplications: newest first; TERMINATED ones only when ``states`` asks for them."""
        return self.applications.page(params)

    async def update_application(self, **params: Any) -> dict[str, Any]:
        """UpdateApplication."""
        application = self.applications.get(params["applicationId"])
        return self._tokens.once(
            "UpdateApplication",
            application.id,
            params,
            lambda: self.applications.update(application, params),
            # The API declares no ConflictException for this operation.
            code="ValidationException",
        )

    async def delete_application(self, **params: Any) -> dict[str, Any]:
        """DeleteApplication."""
        self.applications.delete(self.applications.get(params["applicationId"]))
        return {}

    async def start_application(self, **params: Any) -> dict[str, Any]:
        """StartApplication."""
        self.applications.start(self.applications.get(params["applicationId"]))
        return {}

    async def stop_application(self, **params: Any) -> dict[str, Any]:
        """StopApplication."""
        self.applications.stop(self.applications.get(params["applicationId"]))
        return {}

    # Job runs

    async def start_job_run(self, **params: Any) -> dict[str, Any]:
        """StartJobRun."""
        self._check_open()
        application = self.applications.get(params["applicationId"])
        return self._tokens.once(
            "StartJobRun", application.id, params, lambda: self.job_runs.start(application, params)
        )

    async def get_job_run(self, **params: Any) -> dict[str, Any]:
        """GetJobRun: the latest attempt, or the one that is asked for."""
        run = self._run(params)
        return {"jobRun": self.job_runs.view(run, run.attempt_number(params.get("attempt")))}

    async def list_job_runs(self, **params: Any) -> dict[str, Any]:
        """ListJobRuns: newest first, grouped by state when several are asked for."""
        return self.job_runs.page(params)

    async def list_job_run_attempts(self, **params: Any) -> dict[str, Any]:
        """ListJobRunAttempts: the latest first."""
        return self.job_runs.page_of_attempts(self._run(params), params)

    async def cancel_job_run(self, **params: Any) -> dict[str, Any]:
        """CancelJobRun: at once CANCELLING; harmless for a job run that is CANCELLING already."""
        self.job_runs.cancel(self._run(params), params.get("shutdownGracePeriodInSeconds"))
        return {"applicationId": params["applicationId"], "jobRunId": params["jobRunId"]}

    async def get_dashboard_for_job_run(self, **params: Any) -> dict[str, Any]:
        """GetDashboardForJobRun: a URL that is good once and for a limited time."""
        run = self._run(params)
        return {"url": self.job_runs.dashboard_url(run, run.attempt_number(params.get("attempt")), self.dashboards)}

    # Sessions

    async def start_session(self, **params: Any) -> dict[str, Any]:
        """StartSession."""
        self._check_open()
        application = self.applications.get(params["applicationId"])
        return self._tokens.once(
            "StartSession", application.id, params, lambda: self.sessions.start(application, params)
        )

    async def get_session(self, **params: Any) -> dict[str, Any]:
        """GetSession."""
        return {"session": self.sessions.view(self._session(params))}

    async def list_sessions(self, **params: Any) -> dict[str, Any]:
        """ListSessions: newest first, grouped by state when several are asked for."""
        return self.sessions.page(params)

    async def terminate_session(self, **params: Any) -> dict[str, Any]:
        """TerminateSession: at once TERMINATING; harmless for a session that is TERMINATING already."""
        self.sessions.terminate(self._session(params))
        return {"applicationId": params["applicationId"], "sessionId": params["sessionId"]}

    async def get_session_endpoint(self, **params: Any) -> dict[str, Any]:
        """GetSessionEndpoint: a new token each time; the ones before it stay good until they expire."""
        return await self.sessions.endpoint(self._session(params))

    async def get_resource_dashboard(self, **params: Any) -> dict[str, Any]:
        """GetResourceDashboard: a URL that is good once and for a limited time; none before the session is STARTED."""
        session = self.sessions.find(params["applicationId"], params["resourceId"])
        if session.started_at is None:
            return {}
        enforce(rules.no_uis(session.request.monitoring), self.config.lenient)
        return {"url": self.dashboards.mint(session.label, session)}

    def _run(self, params: dict[str, Any]) -> JobRun:
        return self.job_runs.find(params["applicationId"], params["jobRunId"])

    def _session(self, params: dict[str, Any]) -> Session:
        return self.sessions.find(params["applicationId"], params["sessionId"])
