"""Sessions of clusters: Spark Connect servers, each a Spark application of its own.

What a client of Spark Connect does:

1. StartSession on a cluster that is RUNNING or WAITING and has sessions enabled, then GetSession until ``State`` is
   STARTED or IDLE.
2. GetSessionEndpoint for a URL and a token. In AWS there is also another form: within the VPC of the cluster, a client
   connects to ``ServerUrl`` of GetSession itself, with ``Credentials`` of GetSessionEndpoint. Here there is no VPC, and
   neither of the two is answered.
3. Each gRPC call carries the token in the metadata ``x-aws-proxy-auth``, the same as for a session of EMR Serverless.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.configuration import Classifications
from airflow_emrs_ext.local.base.driving import until
from airflow_emrs_ext.local.base.errors import validation_error
from airflow_emrs_ext.local.base.leniency import enforce
from airflow_emrs_ext.local.base.lifecycle import Lifecycle
from airflow_emrs_ext.local.base.pagination import Spelling
from airflow_emrs_ext.local.base.regions import region_in
from airflow_emrs_ext.local.base.releases import newer_release
from airflow_emrs_ext.local.base.runner import ConnectSpec, LogDestinations, Workers
from airflow_emrs_ext.local.base.spark_sizes import workers_of
from airflow_emrs_ext.local.base.views import filled
from airflow_emrs_ext.local.services.connect.hosts import ConnectHost
from airflow_emrs_ext.local.services.connect.sessions import (
    DEFAULT_IDLE_MINUTES,
    SESSION,
    ConnectSessions,
    session_kind,
)
from airflow_emrs_ext.local.services.connect.walk import ConnectWalker
from airflow_emrs_ext.local.services.emr_on_ec2.clusters import Cluster, Clusters
from airflow_emrs_ext.local.services.emr_on_ec2.naming import INVALID, PRODUCT, new_session_id
from airflow_emrs_ext.local.services.emr_on_ec2.settings import (
    log_destinations,
    merged,
    read_classifications,
    read_tags,
    shown_tags,
)
from airflow_emrs_ext.shared.states import SessionState as S

_IDLE_PARAMETER = "SessionIdleTimeoutInMinutes"
_DRIVER = "SPARK_DRIVER"
_EXECUTOR_LOGS = "SPARK_EXECUTOR/1"


@dataclass(kw_only=True)
class Session(ConnectHost):
    """One session.

    :param params: the request
    :param classifications: in force, those of the cluster and of the request merged
    :param logs: where its logs go
    :param workers: the driver and executors that it asks for
    """

    KIND = session_kind(_IDLE_PARAMETER)

    owner: Cluster
    params: Mapping[str, Any]
    classifications: Classifications
    logs: LogDestinations
    workers: Workers


class SessionWalker(ConnectWalker[Session]):
    """Leads sessions through their states; see :class:`~.walk.ConnectWalker`."""

    async def prepare(self, host: Session) -> ConnectSpec:
        """What takes its time in AWS: YARN, and the containers of the application."""
        await until(host.end, asyncio.sleep(self.config.scheduling_seconds))
        host.move(S.STARTING, "The Spark application of the session is starting.")
        await until(host.end, asyncio.sleep(self.config.session_start_seconds))
        cluster = host.owner
        return ConnectSpec(
            product=PRODUCT,
            owner_id=cluster.id,
            driver_name=_DRIVER,
            ui_id=host.id,
            host_id=host.id,
            account_id=self.config.account_id,
            region=region_in(host.arn),
            name=host.name,
            release_label=cluster.params["ReleaseLabel"],
            # Without a role of its own a session has that of the instances.
            execution_role_arn=host.params.get("ExecutionRoleArn") or cluster.params.get("JobFlowRole") or "",
            classifications=host.classifications,
            logs=host.logs,
            log_path=f"{cluster.id}/sessions/{host.id}",
            workers=host.workers,
            work_dir=host.work_dir,
            executor_logs=_EXECUTOR_LOGS,
            tags=host.tags,
        )


class Sessions(ConnectSessions[Session]):
    """All sessions of the account; see also :class:`~.sessions.ConnectSessions`."""

    MEMBER: ClassVar[str] = "Sessions"
    SPELLING: ClassVar[Spelling] = Spelling("SessionStates", "", "", "MaxResults", "NextToken")

    _owners: Clusters

    def start(self, cluster: Cluster, params: Mapping[str, Any]) -> dict[str, Any]:
        """StartSession.

        :raises ApiError: the cluster takes no sessions, or a parameter is not usable; it is named
        """
        cluster.check_takes_sessions()
        session_id = new_session_id()
        session = Session(
            id=session_id,
            arn=f"{cluster.arn}/session/{session_id}",
            name=params.get("Name"),
            owner=cluster,
            params=params,
            life=Lifecycle(SESSION, self._listeners),
            clock=self._walker.clock,
            work_dir=self._work_dir / cluster.id / session_id,
            end=asyncio.get_running_loop().create_future(),
            **_read_request(params, cluster, self._config),
        )
        session.move(S.SUBMITTED, "The session has been submitted.")
        self.add(session)
        self._owners.work_began(cluster, session_id)
        session.task = asyncio.create_task(self._walk(session))
        return {
            "Id": session_id,
            "ClusterId": cluster.id,
            "Arn": session.arn,
            "AccountId": self._config.account_id,
            "State": session.state,
        }

    async def endpoint(self, session: Session) -> dict[str, Any]:
        """GetSessionEndpoint: a new token each time."""
        url, token, expires_at = await self.connection(session)
        return {"Endpoint": url, "AuthToken": token, "AuthTokenExpirationTime": expires_at}

    async def end_on(self, cluster: Cluster) -> None:
        """End the sessions of a cluster that is being terminated, and return when they have ended."""
        ending = [session for session in self if session.owner is cluster and not session.state.is_terminal]
        for session in ending:
            self._walker.terminate(session, f"Session terminated: cluster {cluster.id} is being terminated.")
        tasks = [session.task for session in ending if session.task]
        await asyncio.gather(*tasks, return_exceptions=True)

    def summary(self, resource: Session) -> dict[str, Any]:
        """The ``Session`` structure, which the API shows in listings, too."""
        params = resource.params
        return filled(
            Id=resource.id,
            ClusterId=resource.owner_id,
            Name=resource.name,
            Arn=resource.arn,
            State=resource.state,
            StateChangeReason=resource.life.details,
            ReleaseLabel=resource.owner.params["ReleaseLabel"],
            ExecutionRoleArn=params.get("ExecutionRoleArn"),
            AccountId=self._config.account_id,
            CreatedAt=resource.created_at,
            UpdatedAt=resource.life.changed_at,
            StartedAt=resource.started_at,
            EndedAt=resource.ended_at if resource.state.is_terminal else None,
            IdleSince=resource.idle_since,
            EngineConfigurations=params.get("EngineConfigurations"),
            MonitoringConfiguration=params.get("MonitoringConfiguration"),
            SessionIdleTimeoutInMinutes=resource.idle_timeout_minutes,
            Tags=shown_tags(resource.tags),
        )

    def record(self, resource: Session) -> dict[str, Any]:
        """The ``Session`` structure, and what became of it.

        Beside the members of the API: ``clientToken``, ``classifications`` (merged), ``tokensMinted``,
        ``callsInFlight``, ``logPath`` and ``workDir``.
        """
        return {
            **self.summary(resource),
            "clientToken": resource.params.get("ClientRequestToken"),
            "classifications": resource.classifications,
            "tokensMinted": resource.tokens_minted,
            "callsInFlight": resource.in_flight,
            **resource.paths(),
        }

    def _listed(self, params: Mapping[str, Any]) -> Iterator[Session]:
        return self._of(params["ClusterId"], code=INVALID)

    async def _walk(self, session: Session) -> None:
        try:
            await self._walker.walk(session)
        finally:
            self._owners.work_ended(session.owner, session.id)


def _read_request(params: Mapping[str, Any], cluster: Cluster, config: ServiceConfig) -> dict[str, Any]:
    """Check a StartSession request.

    :return: what it comes to
    :raises ApiError: a parameter is not usable; it is named
    """
    enforce(newer_release(cluster.params["ReleaseLabel"], cluster.release), config.lenient)
    minutes = params.get(_IDLE_PARAMETER, DEFAULT_IDLE_MINUTES)
    if minutes < 1:
        raise validation_error(f"{_IDLE_PARAMETER}: must be at least 1, not {minutes}")
    member = "EngineConfigurations"
    classifications = merged(cluster.classifications, read_classifications(params.get(member), member))
    return {
        "tags": read_tags(params.get("Tags")),
        "idle_timeout_minutes": minutes,
        "classifications": classifications,
        "logs": log_destinations(params.get("MonitoringConfiguration"), cluster.log_uri),
        "workers": workers_of(classifications.get("spark-defaults", {})),
    }
