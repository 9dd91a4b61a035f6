"""Sessions: what is known of them, and what StartSession asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow_emrs_ext.local.emr_serverless.application_settings import SPARK
from airflow_emrs_ext.local.emr_serverless.applications import Application
from airflow_emrs_ext.local.emr_serverless.monitoring import merge_monitoring
from airflow_emrs_ext.local.emr_serverless.releases import SESSIONS
from airflow_emrs_ext.local.emr_serverless.utilization import Usage
from airflow_emrs_ext.local.emr_serverless.workers import Demand, session_demand
from airflow_emrs_ext.local.errors import validation_error
from airflow_emrs_ext.local.resources.configuration import (
    Classifications,
    check_configurations,
    merge_classifications,
)
from airflow_emrs_ext.local.resources.driving import Driven
from airflow_emrs_ext.local.resources.lifecycle import Lifecycle
from airflow_emrs_ext.local.runner import SessionServer
from airflow_emrs_ext.states import SessionState as S
from airflow_emrs_ext.states import State

READY = frozenset({S.STARTED, S.IDLE, S.BUSY})
"""The states in which clients can connect."""

_DEFAULT_IDLE_MINUTES = 60


@dataclass(frozen=True)
class SessionRequest:
    """A session as it was asked for and as it will be.

    :param params: the request
    :param idle_timeout_minutes: ``idleTimeoutMinutes``, 0: none
    :param classifications: in force, application defaults and overrides merged
    :param monitoring: in force, the application's
    :param demand: the workers it asks for
    """

    params: Mapping[str, Any]
    idle_timeout_minutes: int
    classifications: Classifications
    monitoring: dict[str, dict[str, Any]]
    demand: Demand


@dataclass
class Session(Driven):
    """One session.

    :param number: place among all sessions of the endpoint, in the order of their start
    :param request: the request
    :param settings: the application's, as they were at the start
    :param end: gets its result, why, when the session is to be terminated
    :param gone: set when it takes no calls any more
    :param server: as ``running``
    :param in_flight: calls of clients that the server is working on
    :param tokens_minted: how often GetSessionEndpoint has answered
    """

    session_id: str
    arn: str
    number: int
    application: Application
    request: SessionRequest
    settings: Mapping[str, Any]
    tags: dict[str, str]
    life: Lifecycle
    work_dir: Path
    end: asyncio.Future[str]
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    server: SessionServer | None = None
    executor_count: int = 0
    started_at: datetime | None = None
    idle_since: datetime | None = None
    ended_at: datetime | None = None
    in_flight: int = 0
    is_held_busy: bool = False
    tokens_minted: int = 0
    timers: dict[str, asyncio.TimerHandle] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None

    @property
    def state(self) -> State:
        """The state that the session is in."""
        return self.life.state

    @property
    def name(self) -> str | None:
        """Its name, if it was given one."""
        name: str | None = self.request.params.get("name")
        return name

    @property
    def created_at(self) -> datetime:
        """When it was asked for."""
        return self.life.history[0].at

    def move(self, state: S, details: str) -> None:
        """Change the state."""
        change = self.life.move(self, state, details)
        if state is S.STARTED:
            self.started_at = change.at
        elif state.is_terminal:
            self.ended_at = self.ended_at or change.at
        if state is S.TERMINATING or state.is_terminal:
            self.gone.set()
        self.idle_since = change.at if state is S.IDLE else None

    def usages(self) -> list[Usage]:
        """Its workers, once it has ended after it was started."""
        if not self.started_at or not self.ended_at:
            return []
        demand, seconds = self.request.demand, (self.ended_at - self.started_at).total_seconds()
        return [Usage(demand.driver, demand.executor, self.executor_count, seconds)]


def read_session_request(params: Mapping[str, Any], application: Application) -> SessionRequest:
    """Check a StartSession request.

    :param params: the request
    :param application: the application that it names
    :raises ApiError: the application has no sessions, or a parameter is not usable; it is named
    """
    named = f"Application {application.application_id}"
    if application.engine != SPARK:
        raise validation_error(f"{named} is a {application.engine} application; sessions need a Spark application.")
    if application.release < SESSIONS:
        raise validation_error(
            f"{named} has the release {application.settings['releaseLabel']}; sessions are supported from emr-7.13.0."
        )
    if not (application.settings.get("interactiveConfiguration") or {}).get("sessionEnabled"):
        raise validation_error(
            f"Sessions are not enabled for application {application.application_id}."
            " Set interactiveConfiguration.sessionEnabled to true."
        )
    overrides = (params.get("configurationOverrides") or {}).get("runtimeConfiguration")
    check_configurations(overrides, "configurationOverrides.runtimeConfiguration")
    classifications = merge_classifications(application.settings.get("runtimeConfiguration"), overrides)
    return SessionRequest(
        params=params,
        idle_timeout_minutes=params.get("idleTimeoutMinutes", _DEFAULT_IDLE_MINUTES),
        classifications=classifications,
        monitoring=merge_monitoring(application.settings.get("monitoringConfiguration"), None),
        demand=session_demand(classifications),
    )
