"""Sessions: what is known of them, and what StartSession asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_emrs_ext.local.base.configuration import Classifications, merge_classifications
from airflow_emrs_ext.local.base.errors import validation_error
from airflow_emrs_ext.local.base.leniency import enforce
from airflow_emrs_ext.local.services.connect.hosts import ConnectHost, HostKind
from airflow_emrs_ext.local.services.emr_serverless.applications import Application
from airflow_emrs_ext.local.services.emr_serverless.monitoring import merge_monitoring
from airflow_emrs_ext.local.services.emr_serverless.rules import SESSIONS, problems
from airflow_emrs_ext.local.services.emr_serverless.utilization import Usage
from airflow_emrs_ext.local.services.emr_serverless.workers import Demand, session_demand
from airflow_emrs_ext.shared.states import SessionState as S

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


@dataclass(kw_only=True)
class Session(ConnectHost):
    """One session.

    :param request: the request
    :param settings: the application's, as they were at the start
    """

    KIND = HostKind(
        noun="session",
        token_operation="GetSessionEndpoint",
        idle_parameter="idleTimeoutMinutes",
        began=S.STARTED,
        ready=frozenset({S.STARTED, S.IDLE, S.BUSY}),
        terminating=S.TERMINATING,
        terminated=S.TERMINATED,
        failed=S.FAILED,
        longest_life_minutes=24 * 60,
    )

    owner: Application
    request: SessionRequest
    settings: Mapping[str, Any]
    executor_count: int = 0

    def became_busy(self) -> None:
        """BUSY, unless it is."""
        if self.state is not S.BUSY:
            self.move(S.BUSY, "The session is executing.")

    def became_idle(self) -> None:
        """IDLE, unless it is."""
        if self.state is not S.IDLE:
            self.move(S.IDLE, "The session is idle.")
            self.idle_since: datetime | None = self.life.changed_at

    def usages(self) -> list[Usage]:
        """Its workers, once it has ended after it was started."""
        if not self.started_at or not self.ended_at:
            return []
        demand, seconds = self.request.demand, (self.ended_at - self.started_at).total_seconds()
        return [Usage(demand.driver, demand.executor, self.executor_count, seconds)]


def read_session_request(params: Mapping[str, Any], application: Application, lenient: bool = False) -> SessionRequest:
    """Check a StartSession request.

    :param params: the request
    :param application: the application that it names
    :param lenient: take what breaks a rule of :mod:`~.rules`, and log it
    :raises ApiError: the application has no sessions, or a parameter is not usable; it is named
    """
    of_application = (application.engine, application.settings["releaseLabel"], application.release)
    if problem := SESSIONS.problem(*of_application):
        enforce([f"Application {application.id}: {problem}."], lenient)
    enforce(problems(params, *of_application), lenient)
    if not (application.settings.get("interactiveConfiguration") or {}).get("sessionEnabled"):
        raise validation_error(
            f"Sessions are not enabled for application {application.id}."
            " Set interactiveConfiguration.sessionEnabled to true."
        )
    classifications = merge_classifications(
        application.settings.get("runtimeConfiguration"),
        (params.get("configurationOverrides") or {}).get("runtimeConfiguration"),
        "configurationOverrides.runtimeConfiguration",
    )
    return SessionRequest(
        params=params,
        idle_timeout_minutes=params.get("idleTimeoutMinutes", _DEFAULT_IDLE_MINUTES),
        classifications=classifications,
        monitoring=merge_monitoring(application.settings.get("monitoringConfiguration"), None),
        demand=session_demand(classifications),
    )
