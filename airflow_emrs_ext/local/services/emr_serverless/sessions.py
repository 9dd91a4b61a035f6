"""Sessions: what is known of them, and what StartSession asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from airflow_emrs_ext.local.base.configuration import Classifications, merge_classifications
from airflow_emrs_ext.local.base.errors import validation_error
from airflow_emrs_ext.local.base.leniency import enforce
from airflow_emrs_ext.local.base.lifecycle import now
from airflow_emrs_ext.local.base.runner import WorkerSize
from airflow_emrs_ext.local.services.connect.hosts import ConnectHost
from airflow_emrs_ext.local.services.connect.sessions import DEFAULT_IDLE_MINUTES, session_kind
from airflow_emrs_ext.local.services.emr_serverless.applications import Application
from airflow_emrs_ext.local.services.emr_serverless.monitoring import merge_monitoring
from airflow_emrs_ext.local.services.emr_serverless.rules import SESSIONS, problems
from airflow_emrs_ext.local.services.emr_serverless.utilization import Usage
from airflow_emrs_ext.local.services.emr_serverless.workers import Demand, session_demand
from airflow_emrs_ext.shared.states import SessionState as S

_NO_WORKER = WorkerSize(0.0, 0.0, 0.0)


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
    :param executor_count: the executors that it has at the moment
    :param has_work: told whether a call is under way
    """

    KIND = session_kind("idleTimeoutMinutes", longest_life_minutes=24 * 60)

    owner: Application
    request: SessionRequest
    settings: Mapping[str, Any]
    has_work: Callable[[Session, bool], None]
    executor_count: int = 0
    _executors_since: datetime | None = None
    _executor_usages: list[Usage] = field(default_factory=list)

    def became_busy(self) -> None:
        """BUSY, unless it is."""
        if self.state is not S.BUSY:
            self.has_work(self, True)
        super().became_busy()

    def became_idle(self) -> None:
        """IDLE, unless it is."""
        was_idle = self.state is S.IDLE
        super().became_idle()
        if not was_idle:
            self.has_work(self, False)

    def set_executors(self, count: int) -> None:
        """It has another number of executors from now on."""
        self._end_executors(now())
        self.executor_count, self._executors_since = count, now()

    def usages(self) -> list[Usage]:
        """Its workers, once it has ended after it was started."""
        if not self.started_at or not self.ended_at:
            return []
        self._end_executors(self.ended_at)
        demand, seconds = self.request.demand, (self.ended_at - self.started_at).total_seconds()
        return [Usage(demand.driver, demand.executor, 0, seconds), *self._executor_usages]

    def _end_executors(self, at: datetime) -> None:
        """Count what the executors were until a moment."""
        if self._executors_since is not None and self.started_at is not None and self.executor_count:
            since = max(self._executors_since, self.started_at)
            seconds = max(0.0, (at - since).total_seconds())
            self._executor_usages.append(Usage(_NO_WORKER, self.request.demand.executor, self.executor_count, seconds))
        self._executors_since = None


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
        idle_timeout_minutes=params.get("idleTimeoutMinutes", DEFAULT_IDLE_MINUTES),
        classifications=classifications,
        monitoring=merge_monitoring(application.settings.get("monitoringConfiguration"), None),
        demand=session_demand(classifications),
    )
