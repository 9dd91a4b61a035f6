"""Applications: what they are, how they start and stop, and when they do so by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from airflow_emrs_ext.local.base.collection import Collection, Resource
from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.errors import ApiError, validation_error
from airflow_emrs_ext.local.base.leniency import enforce
from airflow_emrs_ext.local.base.lifecycle import Lifecycle, Listener, now
from airflow_emrs_ext.local.base.queueing import Queues
from airflow_emrs_ext.local.base.regions import region_in
from airflow_emrs_ext.local.base.releases import Release
from airflow_emrs_ext.local.base.tags import check_tags
from airflow_emrs_ext.local.base.views import filled
from airflow_emrs_ext.local.services.emr_serverless.application_settings import (
    limit_of,
    settings_of,
    warm_capacity,
)
from airflow_emrs_ext.local.services.emr_serverless.capacity import Capacity
from airflow_emrs_ext.local.services.emr_serverless.engines import engine
from airflow_emrs_ext.local.services.emr_serverless.naming import application_arn, new_id
from airflow_emrs_ext.local.services.emr_serverless.releases import parse_release
from airflow_emrs_ext.local.services.emr_serverless.rules import problems
from airflow_emrs_ext.local.services.emr_serverless.transitions import APPLICATION
from airflow_emrs_ext.shared.states import ApplicationState as S
from airflow_emrs_ext.shared.states import State

AUTO_STOPPING = "AUTO_STOPPING"
_SETTLES_AS = {S.CREATING: S.CREATED, S.STARTING: S.STARTED, S.STOPPING: S.STOPPED}

_SUMMARY = ("name", "arn", "releaseLabel", "type", "state", "stateDetails", "createdAt", "updatedAt", "architecture")
"""Members of the ``ApplicationSummary`` structure that the ``Application`` structure has, too."""


@dataclass(kw_only=True)
class Application(Resource):
    """One application.

    :param settings: members of the API's ``Application`` structure that a request can set
    :param active_runs: the job runs that are in no terminal state
    :param active_sessions: the sessions that are in no terminal state
    :param started: set while the application is STARTED
    :param start_when_settled: a job run or session that starts it was submitted before it could be started
    """

    engine: str
    settings: dict[str, Any]
    client_token: str
    updated_at: datetime
    active_runs: set[str] = field(default_factory=set)
    active_sessions: set[str] = field(default_factory=set)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    start_when_settled: bool = False
    idle_since: datetime | None = None
    idle_timer: asyncio.TimerHandle | None = None

    @property
    def release(self) -> Release:
        """The version of its release label."""
        return parse_release(self.settings["releaseLabel"])


class Applications(Collection[Application]):
    """All applications of the account; see also :class:`~.collection.Collection`.

    :param capacity: told what each application may use
    :param queues: told how many job runs of each application may execute at once
    """

    NOUN: ClassVar[str] = "Application"
    MEMBER: ClassVar[str] = "applications"
    BY_STATE: ClassVar[bool] = True

    def __init__(self, config: ServiceConfig, listeners: list[Listener], capacity: Capacity, queues: Queues) -> None:
        super().__init__(config, listeners)
        self._capacity = capacity
        self._queues = queues

    def create(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """CreateApplication."""
        check_tags(params.get("tags") or {})
        kind = engine(params["type"])
        settings = settings_of(params, kind, {})
        self._check_rules({**settings, **params}, kind)
        application_id = new_id()
        application = Application(
            id=application_id,
            arn=application_arn(self._config, application_id),
            name=params.get("name"),
            engine=kind,
            settings=settings,
            tags=dict(params.get("tags") or {}),
            client_token=params["clientToken"],
            life=Lifecycle(APPLICATION, self._listeners),
            updated_at=now(),
        )
        self.add(application)
        self._apply_limits(application)
        self._move(application, S.CREATING)
        self._settle(application)
        return filled(applicationId=application_id, arn=application.arn, name=application.name)

    def update(self, application: Application, params: Mapping[str, Any]) -> dict[str, Any]:
        """UpdateApplication: everything while CREATED or STOPPED, the job concurrency also while STARTED."""
        changed = params.keys() - {"applicationId", "clientToken"}
        allowed = {S.CREATED, S.STOPPED} | ({S.STARTED} if changed <= {"schedulerConfiguration"} else set())
        _require(application, allowed, "UPDATED")
        settings = settings_of(params, application.engine, application.settings)
        self._check_rules({**settings, **params}, application.engine)
        application.settings = settings
        application.updated_at = now()
        self._apply_limits(application)
        return {"application": self.view(application)}

    def start(self, application: Application) -> None:
        """StartApplication: CREATED or STOPPED becomes STARTING, then STARTED; harmless while it is one of these."""
        _require(application, {S.CREATED, S.STOPPED, S.STARTING, S.STARTED}, "STARTED")
        if application.state in (S.STARTING, S.STARTED):
            return
        self._check_account(application)
        self._begin(application)

    def stop(self, application: Application, details: str = "") -> None:
        """StopApplication: STARTING or STARTED becomes STOPPING, then STOPPED, unless something is active.

        Harmless while it is STOPPED: the Amazon provider's operator stops whatever it deletes, and its example DAGs,
        which AWS runs on the service, do so with an application that another task has stopped. The public report of a
        refusal does not say in which state the application was.
        """
        if application.state is S.STOPPED:
            return
        _require(application, {S.STARTING, S.STARTED}, "STOPPED")
        self._check_unused(
            application, "STOPPED", "job runs; wait for them or cancel them first", application.active_runs
        )
        self._check_unused(application, "STOPPED", "sessions; terminate them first", application.active_sessions)
        if application.task:
            application.task.cancel()
        self._disarm(application)
        application.idle_since = None
        application.started.clear()
        self._move(application, S.STOPPING, details)
        self._apply_limits(application)
        self._settle(application, details)

    def delete(self, application: Application) -> None:
        """DeleteApplication: CREATED or STOPPED becomes TERMINATED."""
        _require(application, {S.CREATED, S.STOPPED}, "DELETED")
        self._move(application, S.TERMINATED)

    def check_takes(self, application: Application, what: str) -> None:
        """Refuse work that the application cannot take.

        :param application: the application
        :param what: ``job runs`` or ``sessions``, for the error
        :raises ApiError: the application is TERMINATED, or is not STARTED and does not or cannot start by itself
        """
        by_itself = application.settings["autoStartConfiguration"]["enabled"]
        if application.state is S.TERMINATED or (not by_itself and application.state is not S.STARTED):
            raise validation_error(
                f"Application {application.id} is {application.state} and takes no {what}."
                + ("" if application.state is S.TERMINATED else " Start it, or turn on its auto-start.")
            )
        if application.state in (S.CREATED, S.STOPPED):
            self._check_account(application)

    def work_submitted(self, application: Application, active: set[str], work_id: str) -> None:
        """A job run or session is active from now on; the application starts when it has to be started.

        :param application: the application
        :param active: its ``active_runs`` or ``active_sessions``
        :param work_id: the job run or session
        """
        active.add(work_id)
        application.idle_since = None
        self._disarm(application)
        if application.state in (S.CREATED, S.STOPPED):
            self._begin(application)
        application.start_when_settled = application.state in (S.CREATING, S.STOPPING)

    def work_ended(self, application: Application, active: set[str], work_id: str) -> None:
        """A job run or session is active no more; see :meth:`work_submitted`."""
        active.discard(work_id)
        self.arm(application)

    def arm(self, application: Application) -> None:
        """Let the idle time run while the application is STARTED, has nothing to do and stops by itself."""
        self._disarm(application)
        settings = application.settings["autoStopConfiguration"]
        if application.state is not S.STARTED or application.active_runs or application.active_sessions:
            return
        application.idle_since = application.idle_since or now()
        if settings["enabled"]:
            allowed = settings["idleTimeoutMinutes"] * self._config.seconds_per_minute
            spent = (now() - application.idle_since).total_seconds()
            application.idle_timer = asyncio.get_running_loop().call_later(
                max(0.0, allowed - spent), self.stop, application, AUTO_STOPPING
            )

    def resume(self) -> None:
        """Go on with what is under way: starting, stopping, the idle time."""
        for application in self:
            application.active_runs.clear()
            application.active_sessions.clear()
            self._apply_limits(application)
            if application.state in _SETTLES_AS:
                self._settle(application, application.life.details)
            self.arm(application)

    def view(self, application: Application) -> dict[str, Any]:
        """The ``Application`` structure."""
        return filled(
            applicationId=application.id,
            name=application.name,
            arn=application.arn,
            type=application.engine,
            state=application.state,
            stateDetails=application.life.details or None,
            createdAt=application.created_at,
            updatedAt=application.updated_at,
            tags=dict(application.tags),
            **application.settings,
        )

    def summary(self, resource: Application) -> dict[str, Any]:
        """The ``ApplicationSummary`` structure."""
        shown = (
            "name",
            "arn",
            "releaseLabel",
            "type",
            "state",
            "stateDetails",
            "createdAt",
            "updatedAt",
            "architecture",
        )
        return {"id": resource.id, **{name: value for name, value in self.view(resource).items() if name in shown}}

    def record(self, resource: Application) -> dict[str, Any]:
        """The ``Application`` structure, ``clientToken``, ``activeJobRuns`` and ``activeSessions``."""
        return {
            **self.view(resource),
            "clientToken": resource.client_token,
            "activeJobRuns": sorted(resource.active_runs),
            "activeSessions": sorted(resource.active_sessions),
        }

    async def end_tasks(self) -> None:
        """Leave every application in the state that it is in."""
        for application in self:
            self._disarm(application)
        await super().end_tasks()

    def _listed(self, params: Mapping[str, Any]) -> Iterator[Application]:
        """TERMINATED ones only when ``states`` asks for them."""
        return (application for application in self if params.get("states") or application.state is not S.TERMINATED)

    def _check_rules(self, asked: Mapping[str, Any], kind: str) -> None:
        label = asked["releaseLabel"]
        enforce(problems(asked, kind, label, parse_release(label)), self._config.lenient)

    def _apply_limits(self, application: Application) -> None:
        started = bool(application.life.history) and application.state in (S.STARTING, S.STARTED)
        warm = warm_capacity(application.settings).cpu if started else 0.0
        self._capacity.allow(application.id, region_in(application.arn), limit_of(application.settings), warm)
        scheduler = application.settings.get("schedulerConfiguration")
        self._queues.allow(application.id, scheduler["maxConcurrentRuns"] if scheduler else None)

    def _disarm(self, application: Application) -> None:
        if application.idle_timer:
            application.idle_timer.cancel()
        application.idle_timer = None

    def _settle(self, application: Application, details: str = "") -> None:
        """Leave CREATING, STARTING or STOPPING after the time that it takes."""
        application.task = asyncio.create_task(self._settle_later(application, details))

    async def _settle_later(self, application: Application, details: str) -> None:
        await asyncio.sleep(self._config.application_start_seconds)
        state = _SETTLES_AS[S(application.state)]
        application.task = None
        self._move(application, state, details)
        if state is S.STARTED:
            application.started.set()
            application.idle_since = None
            self.arm(application)
        elif application.start_when_settled:
            application.start_when_settled = False
            self._begin(application)

    def _check_account(self, application: Application) -> None:
        warm = warm_capacity(application.settings).cpu
        used = self._capacity.used_vcpu(region_in(application.arn))
        if used + warm > self._capacity.account_vcpu:
            raise ApiError(
                "ServiceQuotaExceededException",
                f"The initial capacity of application {application.id} takes {warm:g} vCPUs; the"
                f" account may use {self._capacity.account_vcpu:g} and uses {used:g}",
            )

    def _begin(self, application: Application) -> None:
        self._move(application, S.STARTING)
        self._apply_limits(application)
        self._settle(application)

    def _move(self, application: Application, state: S, details: str = "") -> None:
        application.updated_at = application.life.move(application, state, details).at


def _require(application: Application, states: Container[State], verb: str) -> None:
    """Refuse an operation that the application's state does not allow."""
    if application.state not in states:
        allowed = ", ".join(state for state in S if state in states)
        raise validation_error(
            f"Application {application.id} is {application.state} and cannot be {verb}."
            f" Applications must be in one of the following statuses: [{allowed}]"
        )
