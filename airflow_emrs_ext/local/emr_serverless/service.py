"""Amazon EMR Serverless: one coroutine per operation of the API, without HTTP.

Everything here runs on one event loop and changes state between two awaits, so there are no locks.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

from airflow_emrs_ext.local.config import ServiceConfig
from airflow_emrs_ext.local.connect.access import ConnectAccess
from airflow_emrs_ext.local.emr_serverless import dashboards as uis
from airflow_emrs_ext.local.emr_serverless import records, views
from airflow_emrs_ext.local.emr_serverless.applications import Application, Applications
from airflow_emrs_ext.local.emr_serverless.capacity import Capacity
from airflow_emrs_ext.local.emr_serverless.job_runs import JobRun
from airflow_emrs_ext.local.emr_serverless.naming import job_run_arn, new_id
from airflow_emrs_ext.local.emr_serverless.queueing import most_queued
from airflow_emrs_ext.local.emr_serverless.session_operations import Sessions
from airflow_emrs_ext.local.emr_serverless.session_walk import SessionWalker
from airflow_emrs_ext.local.emr_serverless.sessions import Session
from airflow_emrs_ext.local.emr_serverless.submission import grace_seconds, read_submission
from airflow_emrs_ext.local.emr_serverless.tags import MOST_TAGS, owner_of
from airflow_emrs_ext.local.emr_serverless.transitions import JOB_RUN
from airflow_emrs_ext.local.emr_serverless.walk import Walker
from airflow_emrs_ext.local.errors import ApiError, validation_error
from airflow_emrs_ext.local.resources.dashboards import Dashboards
from airflow_emrs_ext.local.resources.driving import DeliverLogs, Driven
from airflow_emrs_ext.local.resources.lifecycle import Lifecycle
from airflow_emrs_ext.local.resources.pagination import created_within, group, listing, page
from airflow_emrs_ext.local.resources.queueing import Queues
from airflow_emrs_ext.local.resources.service import Service
from airflow_emrs_ext.local.resources.tags import check_tags, merge_tags
from airflow_emrs_ext.local.runner import Runner
from airflow_emrs_ext.shared.states import ApplicationState


class EmrServerless(Service):
    """The service.

    The operations take validated parameters under the API's names and return the members of the output structure; they
    raise :class:`~airflow_emrs_ext.local.errors.ApiError`.

    :param runner: executes the attempts of job runs; started before the service is used, and closed after it
    :param config: settings, read when they are needed
    :param work_dir: where the attempts get their directories
    :param deliver_logs: makes what delivers the logs of one attempt; default: nobody does
    :param access: how clients of Spark Connect come to the sessions; default: they do not
    :param dashboards: mints the URLs of UIs
    """

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
        super().__init__(config, work_dir)
        self._runner = runner
        self._capacity = Capacity(config)
        self._queues = Queues(lambda: most_queued(config.quota_scale))
        self._applications = Applications(config, self._capacity, self._queues, self.listeners)
        self._runs: dict[str, JobRun] = {}
        self.dashboards = dashboards or Dashboards(runner, config)
        self._walker = Walker(runner, config, self._capacity, self._queues, deliver_logs)
        session_walker = SessionWalker(runner, config, self._capacity, deliver_logs)
        self.sessions = Sessions(
            config, self._applications, session_walker, access or ConnectAccess(config), self.listeners, work_dir
        )

    async def _forget(self) -> None:
        attempts: list[Driven] = [attempt for run in self._runs.values() for attempt in run.attempts]
        running = [driven.running for driven in [*attempts, *self.sessions] if driven.running]
        self.sessions.terminate_all("The endpoint was reset.")
        await self._end_tasks()
        await asyncio.gather(*(driver.stop(0) for driver in running), return_exceptions=True)
        for application in self._applications:
            shutil.rmtree(self._work_dir / application.application_id, ignore_errors=True)
        for memory in (self._applications, self._runs, self.sessions, self._tokens, self.dashboards):
            memory.clear()
        self._capacity.clear()
        self._queues.clear()

    def config_changed(self) -> None:
        """Apply changed settings to what is already waiting: idle times and capacity."""
        for application in self._applications:
            self._applications.arm(application)
        self.sessions.arm()
        self._capacity.hand_out()

    async def _end_tasks(self) -> None:
        tasks = [work.task for work in [*self._runs.values(), *self.sessions] if work.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._applications.end_tasks()

    # Applications

    async def create_application(self, **params: Any) -> dict[str, Any]:
        """CreateApplication."""
        if answer := self._tokens.recall("CreateApplication", "", params):
            return answer
        check_tags(params.get("tags") or {})
        application = self._applications.create(params)
        answer = {"applicationId": application.application_id, "arn": application.arn}
        if application.name:
            answer["name"] = application.name
        return self._tokens.remember("CreateApplication", "", params, answer)

    async def get_application(self, **params: Any) -> dict[str, Any]:
        """GetApplication; it also answers for TERMINATED applications."""
        return {"application": views.application(self._applications.get(params["applicationId"]))}

    async def list_applications(self, **params: Any) -> dict[str, Any]:
        """ListApplications: newest first; TERMINATED ones only when ``states`` asks for them."""
        states = params.get("states") or [s for s in ApplicationState if s is not ApplicationState.TERMINATED]
        shown, token = page(
            "ListApplications",
            (application for application in self._applications if application.state in states),
            lambda application: (*group(application.state, params.get("states")), -application.number),
            params,
        )
        return listing("applications", [views.application_summary(application) for application in shown], token)

    async def update_application(self, **params: Any) -> dict[str, Any]:
        """UpdateApplication."""
        application = self._applications.get(params["applicationId"])
        # The API declares no ConflictException for this operation.
        scope, code = application.application_id, "ValidationException"
        if answer := self._tokens.recall("UpdateApplication", scope, params, code=code):
            return answer
        self._applications.update(application, params)
        answer = {"application": views.application(application)}
        return self._tokens.remember("UpdateApplication", scope, params, answer)

    async def delete_application(self, **params: Any) -> dict[str, Any]:
        """DeleteApplication."""
        self._applications.delete(self._applications.get(params["applicationId"]))
        return {}

    async def start_application(self, **params: Any) -> dict[str, Any]:
        """StartApplication."""
        self._applications.start(self._applications.get(params["applicationId"]))
        return {}

    async def stop_application(self, **params: Any) -> dict[str, Any]:
        """StopApplication."""
        self._applications.stop(self._applications.get(params["applicationId"]))
        return {}

    # Job runs

    async def start_job_run(self, **params: Any) -> dict[str, Any]:
        """StartJobRun."""
        self._check_open()
        application = self._applications.get(params["applicationId"])
        scope = application.application_id
        if answer := self._tokens.recall("StartJobRun", scope, params):
            return answer
        check_tags(params.get("tags") or {})
        submission = read_submission(params, application)
        try:
            self._applications.check_takes(application, "job runs")
        except ApiError as error:  # the API declares no ServiceQuotaExceededException for this operation
            raise validation_error(error.message) from None
        job_run_id = new_id()
        turn = self._queues.enter(scope, job_run_id)
        run = JobRun(
            job_run_id=job_run_id,
            arn=job_run_arn(self.config, scope, job_run_id),
            number=len(self._runs),
            application=application,
            submission=submission,
            settings=application.settings,
            tags=dict(params.get("tags") or {}),
            life=Lifecycle(JOB_RUN, self.listeners),
            work_dir=self._work_dir / scope / job_run_id,
            cancellation=asyncio.get_running_loop().create_future(),
        )
        run.begin_attempt("The job run has been submitted.")
        self._runs[job_run_id] = run
        self._applications.work_submitted(application, application.active_runs, job_run_id)
        run.task = asyncio.create_task(self._walk(run, turn))
        answer = {"applicationId": scope, "jobRunId": job_run_id, "arn": run.arn}
        return self._tokens.remember("StartJobRun", scope, params, answer)

    async def get_job_run(self, **params: Any) -> dict[str, Any]:
        """GetJobRun: the latest attempt, or the one that is asked for."""
        run = self._run(params["applicationId"], params["jobRunId"])
        return {"jobRun": views.job_run(run, run.attempt_number(params.get("attempt")), self.config)}

    async def list_job_runs(self, **params: Any) -> dict[str, Any]:
        """ListJobRuns: newest first, grouped by state when several are asked for."""
        application = self._applications.get(params["applicationId"])
        states, mode = params.get("states"), params.get("mode")
        shown, token = page(
            "ListJobRuns",
            (
                run
                for run in self._runs.values()
                if run.application is application
                and (not states or run.state in states)
                and (mode is None or run.submission.mode == mode)
                and created_within(run.created_at, params.get("createdAtAfter"), params.get("createdAtBefore"))
            ),
            lambda run: (*group(run.state, states), -run.number),
            params,
        )
        return listing("jobRuns", [views.job_run_summary(run, self.config) for run in shown], token)

    async def list_job_run_attempts(self, **params: Any) -> dict[str, Any]:
        """ListJobRunAttempts: the latest first."""
        run = self._run(params["applicationId"], params["jobRunId"])
        shown, token = page("ListJobRunAttempts", run.attempts, lambda attempt: (-attempt.number,), params)
        attempts = [views.attempt_summary(run, attempt, self.config) for attempt in shown]
        return listing("jobRunAttempts", attempts, token)

    async def cancel_job_run(self, **params: Any) -> dict[str, Any]:
        """CancelJobRun: at once CANCELLING; harmless for a job run that is CANCELLING already."""
        run = self._run(params["applicationId"], params["jobRunId"])
        grace = grace_seconds(params.get("shutdownGracePeriodInSeconds"), run.submission.mode)
        if run.state.is_terminal:
            raise validation_error(f"Job run {run.job_run_id} is {run.state} and cannot be CANCELLED.")
        self._walker.cancel(run, "Job run cancelled by request (CancelJobRun).", grace)
        return {"applicationId": params["applicationId"], "jobRunId": run.job_run_id}

    async def get_dashboard_for_job_run(self, **params: Any) -> dict[str, Any]:
        """GetDashboardForJobRun: a URL that is good once and for a limited time."""
        run = self._run(params["applicationId"], params["jobRunId"])
        return {"url": uis.of_attempt(self.dashboards, run, run.attempt_number(params.get("attempt")))}

    # Sessions

    async def start_session(self, **params: Any) -> dict[str, Any]:
        """StartSession."""
        self._check_open()
        application = self._applications.get(params["applicationId"])
        scope = application.application_id
        if answer := self._tokens.recall("StartSession", scope, params):
            return answer
        return self._tokens.remember("StartSession", scope, params, self.sessions.start(application, params))

    async def get_session(self, **params: Any) -> dict[str, Any]:
        """GetSession."""
        return {"session": views.session(self.sessions.find(params["applicationId"], params["sessionId"]), self.config)}

    async def list_sessions(self, **params: Any) -> dict[str, Any]:
        """ListSessions: newest first, grouped by state when several are asked for."""
        return self.sessions.page(params)

    async def terminate_session(self, **params: Any) -> dict[str, Any]:
        """TerminateSession: at once TERMINATING; harmless for a session that is TERMINATING already."""
        self.sessions.terminate(self.sessions.find(params["applicationId"], params["sessionId"]))
        return {"applicationId": params["applicationId"], "sessionId": params["sessionId"]}

    async def get_session_endpoint(self, **params: Any) -> dict[str, Any]:
        """GetSessionEndpoint: a new token each time; the ones before it stay good until they expire."""
        return await self.sessions.endpoint(self.sessions.find(params["applicationId"], params["sessionId"]))

    async def get_resource_dashboard(self, **params: Any) -> dict[str, Any]:
        """GetResourceDashboard: a URL that is good once and for a limited time; none before the session is STARTED."""
        url = uis.of_session(self.dashboards, self.sessions.find(params["applicationId"], params["resourceId"]))
        return {"url": url} if url else {}

    # Tags

    async def tag_resource(self, **params: Any) -> dict[str, Any]:
        """TagResource."""
        owned = self._tags(params["resourceArn"])
        owned.update(merge_tags(owned, params["tags"], MOST_TAGS))
        return {}

    async def untag_resource(self, **params: Any) -> dict[str, Any]:
        """UntagResource."""
        owned = self._tags(params["resourceArn"])
        for key in params["tagKeys"]:
            owned.pop(key, None)
        return {}

    async def list_tags_for_resource(self, **params: Any) -> dict[str, Any]:
        """ListTagsForResource."""
        return {"tags": dict(self._tags(params["resourceArn"]))}

    # For tests

    def application_records(self) -> list[dict[str, Any]]:
        """Every application with all that is known of it, oldest first, as plain JSON."""
        return [records.application_record(application) for application in self._applications]

    def job_run_records(self, application_id: str | None = None) -> list[dict[str, Any]]:
        """Every job run with all that is known of it, oldest first, as plain JSON.

        :param application_id: only those of one application
        """
        return [
            records.job_run_record(run, self.config)
            for run in self._runs.values()
            if application_id in (None, run.application.application_id)
        ]

    def _run(self, application_id: str, job_run_id: str) -> JobRun:
        application = self._applications.get(application_id)
        run = self._runs.get(job_run_id)
        if run is None or run.application is not application:
            raise ApiError(
                "ResourceNotFoundException", f"Job run {job_run_id} of application {application_id} does not exist"
            )
        return run

    async def _walk(self, run: JobRun, turn: asyncio.Event) -> None:
        try:
            await self._walker.walk(run, turn)
        finally:
            self._applications.work_ended(run.application, run.application.active_runs, run.job_run_id)

    def _tags(self, arn: str) -> dict[str, str]:
        application_id, kind, owned_id = owner_of(arn, self.config)
        owner: Application | JobRun | Session
        if kind == "jobruns":
            owner = self._run(application_id, owned_id)
        elif kind == "sessions":
            owner = self.sessions.find(application_id, owned_id)
        else:
            owner = self._applications.get(application_id)
        return owner.tags
