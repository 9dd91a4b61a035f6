"""Clusters: what sessions and steps run on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from airflow_emrs_ext.local.base.collection import Collection, Resource
from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.configuration import Classifications
from airflow_emrs_ext.local.base.errors import validation_error
from airflow_emrs_ext.local.base.lifecycle import Lifecycle, Listener, now
from airflow_emrs_ext.local.base.pagination import Spelling
from airflow_emrs_ext.local.base.queueing import Queues
from airflow_emrs_ext.local.base.releases import Release
from airflow_emrs_ext.local.base.views import filled
from airflow_emrs_ext.local.services.emr_on_ec2.naming import cluster_arn, new_cluster_id
from airflow_emrs_ext.local.services.emr_on_ec2.releases import has_parallel_steps, has_sessions, parse_release
from airflow_emrs_ext.local.services.emr_on_ec2.settings import (
    log_uri,
    read_classifications,
    read_tags,
    shown_tags,
)
from airflow_emrs_ext.local.services.emr_on_ec2.step_config import check_concurrency
from airflow_emrs_ext.local.services.emr_on_ec2.transitions import CLUSTER
from airflow_emrs_ext.shared.states import ClusterState as S

_BY_REQUEST = "USER_REQUEST"
_ALL_DONE = "ALL_STEPS_COMPLETED"
_STEP_FAILED = "STEP_FAILURE"
_READY = frozenset({S.RUNNING, S.WAITING})
_IDLE_SECONDS = (60, 7 * 24 * 60 * 60)


@dataclass(kw_only=True)
class Cluster(Resource):
    """One cluster.

    :param params: the request that made it
    :param release: its release
    :param log_uri: where logs go on S3, ``None``: nowhere
    :param classifications: of its ``Configurations``
    :param keeps_alive: whether it stays when it has nothing to do
    :param is_protected: whether a request may not terminate it
    :param idle_timeout: after how many seconds without work it terminates, ``None``: never
    :param step_concurrency: how many of its steps run at once
    :param active_sessions: the sessions that are in no terminal state, by id
    :param active_steps: the same for steps
    :param has_failed_steps: whether a step of it has failed
    :param end_state: in which state it ends
    :param end_code: why it ends, as the API has it
    :param timer: ends it
    """

    params: Mapping[str, Any]
    release: Release
    log_uri: str | None
    classifications: Classifications
    keeps_alive: bool
    is_protected: bool
    idle_timeout: int | None
    step_concurrency: int
    active_sessions: set[str] = field(default_factory=set)
    active_steps: set[str] = field(default_factory=set)
    has_failed_steps: bool = False
    end_state: S = S.TERMINATED
    end_code: str | None = None
    idle_since: datetime | None = None
    timer: asyncio.TimerHandle | None = None

    def check_takes_steps(self) -> None:
        """Refuse steps, and changes, when it is ending or has ended.

        :raises ApiError: it is or has
        """
        if self.state is S.TERMINATING or self.state.is_terminal:
            raise validation_error("A job flow that is shutting down, terminated, or finished may not be modified.")

    def check_takes_sessions(self) -> None:
        """Refuse sessions unless it has them and is ready for them.

        :raises ApiError: it has none, or is not
        """
        label = self.params["ReleaseLabel"]
        if not has_sessions(self.release):
            raise validation_error(
                f"Cluster {self.id} has the release {label}; sessions are supported from emr-spark-8.0.0."
            )
        if not self.params.get("SessionEnabled"):
            raise validation_error(
                f"Sessions are not enabled for cluster {self.id}. Set SessionEnabled to true when it is made"
                " (RunJobFlow)."
            )
        if self.state not in _READY:
            raise validation_error(f"Cluster {self.id} is {self.state}; sessions need one that is RUNNING or WAITING.")


class Clusters(Collection[Cluster]):
    """All clusters of the account; see also :class:`~.collection.Collection`.

    :param queues: told how many steps of each may run at once
    """

    NOUN: ClassVar[str] = "Cluster"
    MEMBER: ClassVar[str] = "Clusters"
    SPELLING: ClassVar[Spelling] = Spelling("ClusterStates", "CreatedAfter", "CreatedBefore", "", "Marker")

    def __init__(self, config: ServiceConfig, listeners: list[Listener], queues: Queues) -> None:
        super().__init__(config, listeners)
        self._queues = queues
        self.end_work: Sequence[Callable[[Cluster], Awaitable[None]]] = ()
        """What ends the work of each kind on a cluster; set by the service."""

    def create(self, params: Mapping[str, Any]) -> Cluster:
        """RunJobFlow: at once STARTING, when :meth:`begin` is called for it.

        :raises ApiError: a parameter is not usable; it is named
        """
        if not params.get("ReleaseLabel"):
            raise validation_error("ReleaseLabel: is required")
        instances, cluster_id = params["Instances"], new_cluster_id()
        release = parse_release(params["ReleaseLabel"])
        return Cluster(
            id=cluster_id,
            arn=cluster_arn(self._config, cluster_id),
            name=params["Name"],
            tags=read_tags(params.get("Tags")),
            life=Lifecycle(CLUSTER, self._listeners),
            params=params,
            release=release,
            log_uri=log_uri(params.get("LogUri"), "LogUri"),
            classifications=read_classifications(params.get("Configurations"), "Configurations"),
            keeps_alive=instances.get("KeepJobFlowAliveWhenNoSteps", False),
            is_protected=instances.get("TerminationProtected", False),
            idle_timeout=_idle_timeout(params.get("AutoTerminationPolicy")),
            step_concurrency=_step_concurrency(params, release),
        )

    def begin(self, cluster: Cluster) -> None:
        """Let a cluster that has been created come into being; its steps wait until it runs."""
        self.add(cluster)
        self._queues.allow(cluster.id, 0)
        cluster.life.move(cluster, S.STARTING, "The instances are being provisioned.")
        cluster.task = asyncio.create_task(self._walk(cluster))

    def modify(self, cluster: Cluster, params: Mapping[str, Any]) -> None:
        """ModifyCluster: how many steps run at once.

        :raises ApiError: it is ending or has ended, or the number is not usable
        """
        cluster.check_takes_steps()
        if "StepConcurrencyLevel" in params:
            cluster.step_concurrency = _step_concurrency(params, cluster.release)
            if cluster.state in _READY:
                self._queues.allow(cluster.id, cluster.step_concurrency)

    def terminate(self, clusters: Iterable[Cluster]) -> None:
        """TerminateJobFlows: at once TERMINATING; harmless for those that are ending or have ended.

        :raises ApiError: one is protected; then none is terminated
        """
        chosen = [cluster for cluster in clusters if not cluster.state.is_terminal]
        if held := [cluster.id for cluster in chosen if cluster.is_protected]:
            raise validation_error(
                f"JobFlowIds: {', '.join(held)}: termination protection is on, so no cluster of the request was"
                " terminated; turn it off first (SetTerminationProtection)"
            )
        for cluster in chosen:
            self._terminate(cluster, _BY_REQUEST, "Terminated by request (TerminateJobFlows).")

    def set_idle_timeout(self, cluster: Cluster, policy: Mapping[str, Any] | None) -> None:
        """PutAutoTerminationPolicy, RemoveAutoTerminationPolicy.

        :param policy: ``None``: it stays, however long it has nothing to do
        :raises ApiError: the time is out of range
        """
        cluster.idle_timeout = _idle_timeout(policy)
        self.arm(cluster)

    def work_began(self, cluster: Cluster, session_id: str) -> None:
        """One more session is active."""
        cluster.active_sessions.add(session_id)
        self.arm(cluster)

    def work_ended(self, cluster: Cluster, session_id: str) -> None:
        """A session is not active any more."""
        cluster.active_sessions.discard(session_id)
        self.arm(cluster)

    def step_added(self, cluster: Cluster, step_id: str) -> None:
        """One more step is active: the cluster is RUNNING."""
        cluster.active_steps.add(step_id)
        self._settle(cluster)

    def step_ended(self, cluster: Cluster, step_id: str) -> None:
        """A step is not active any more; after the last one the cluster is WAITING, or terminates."""
        cluster.active_steps.discard(step_id)
        self._settle(cluster)

    def step_failed(self, cluster: Cluster) -> None:
        """Terminate a cluster because of a step, unless it is protected."""
        if not cluster.is_protected:
            self._terminate(cluster, _STEP_FAILED, "Shut down as step failed", S.TERMINATED_WITH_ERRORS)

    def arm(self, cluster: Cluster) -> None:
        """Let the time run that is left to a cluster without work; again after the length of a minute has changed."""
        if cluster.timer:
            cluster.timer.cancel()
            cluster.timer = None
        if cluster.state is not S.WAITING or cluster.active_sessions:
            cluster.idle_since = None
            return
        cluster.idle_since = cluster.idle_since or now()
        if cluster.idle_timeout is not None:
            idle_for = (now() - cluster.idle_since).total_seconds()
            left = cluster.idle_timeout / 60 * self._config.seconds_per_minute - idle_for
            reason = f"Terminated: it had no work for {cluster.idle_timeout} seconds (AutoTerminationPolicy)."
            cluster.timer = asyncio.get_running_loop().call_later(
                max(0.0, left), self._terminate, cluster, _ALL_DONE, reason
            )

    def resume(self) -> None:
        """Go on with what is under way; the time without work begins anew."""
        for cluster in self:
            cluster.active_sessions.clear()
            cluster.active_steps.clear()
            cluster.idle_since = None
            self._queues.allow(cluster.id, 0)
            if not cluster.state.is_terminal:
                cluster.task = asyncio.create_task(self._walk(cluster))

    async def end_tasks(self) -> None:
        """Leave every one in the state that it is in."""
        for cluster in self:
            if cluster.timer:
                cluster.timer.cancel()
        await super().end_tasks()

    def view(self, cluster: Cluster) -> dict[str, Any]:
        """The ``Cluster`` structure."""
        params, instances = cluster.params, cluster.params["Instances"]
        return filled(
            **self.summary(cluster),
            Ec2InstanceAttributes=filled(
                Ec2KeyName=instances.get("Ec2KeyName"),
                Ec2SubnetId=instances.get("Ec2SubnetId"),
                IamInstanceProfile=params.get("JobFlowRole"),
            ),
            InstanceCollectionType="INSTANCE_FLEET" if "InstanceFleets" in instances else "INSTANCE_GROUP",
            LogUri=params.get("LogUri"),
            ReleaseLabel=params["ReleaseLabel"],
            AutoTerminate=not cluster.keeps_alive,
            TerminationProtected=cluster.is_protected,
            VisibleToAllUsers=params.get("VisibleToAllUsers", True),
            Applications=params.get("Applications", []),
            Tags=shown_tags(cluster.tags),
            ServiceRole=params.get("ServiceRole"),
            Configurations=params.get("Configurations", []),
            SecurityConfiguration=params.get("SecurityConfiguration"),
            ScaleDownBehavior=params.get("ScaleDownBehavior"),
            StepConcurrencyLevel=cluster.step_concurrency,
            SessionEnabled=params.get("SessionEnabled", False),
        )

    def summary(self, resource: Cluster) -> dict[str, Any]:
        """The ``ClusterSummary`` structure."""
        life = resource.life
        return {
            "Id": resource.id,
            "Name": resource.name,
            "Status": {
                "State": resource.state,
                "StateChangeReason": filled(Code=resource.end_code, Message=life.details),
                "Timeline": filled(
                    CreationDateTime=resource.created_at,
                    ReadyDateTime=next((change.at for change in life.history if change.state in _READY), None),
                    EndDateTime=life.changed_at if resource.state.is_terminal else None,
                ),
            },
            "NormalizedInstanceHours": 0,
            "ClusterArn": resource.arn,
        }

    def record(self, resource: Cluster) -> dict[str, Any]:
        """The ``Cluster`` structure, ``idleTimeout`` in seconds, ``activeSessions`` and ``activeSteps``."""
        return {
            **self.view(resource),
            "idleTimeout": resource.idle_timeout,
            "activeSessions": sorted(resource.active_sessions),
            "activeSteps": sorted(resource.active_steps),
        }

    async def _walk(self, cluster: Cluster) -> None:
        """From wherever it is to the state in which it stays until it has work or none."""
        for state, following, details in (
            (S.STARTING, S.BOOTSTRAPPING, "The bootstrap actions run."),
            (S.BOOTSTRAPPING, S.RUNNING, "The cluster is ready."),
        ):
            if cluster.state is state:
                await asyncio.sleep(self._config.application_start_seconds)
                cluster.life.move(cluster, following, details)
        if cluster.state is S.TERMINATING:
            await self._end(cluster)
        cluster.task = None
        if cluster.state in _READY:
            self._queues.allow(cluster.id, cluster.step_concurrency)
            self._settle(cluster)

    def _settle(self, cluster: Cluster) -> None:
        """Let a cluster that is ready be in the state that its steps lead to."""
        if cluster.state not in _READY:
            return
        if cluster.active_steps:
            if cluster.state is S.WAITING:
                cluster.life.move(cluster, S.RUNNING, "The cluster runs steps.")
        elif not cluster.keeps_alive:
            code, reason = (_STEP_FAILED, " with errors") if cluster.has_failed_steps else (_ALL_DONE, "")
            self._terminate(cluster, code, f"Steps completed{reason}")
            return
        elif cluster.state is S.RUNNING:
            cluster.life.move(cluster, S.WAITING, "The cluster is ready and waits for work.")
        self.arm(cluster)

    def _terminate(self, cluster: Cluster, code: str, reason: str, end_state: S = S.TERMINATED) -> None:
        if cluster.state is S.TERMINATING:
            return
        if cluster.task:
            cluster.task.cancel()
        self._queues.allow(cluster.id, 0)
        cluster.end_code, cluster.end_state = code, end_state
        cluster.life.move(cluster, S.TERMINATING, reason)
        self.arm(cluster)
        cluster.task = asyncio.create_task(self._walk(cluster))

    async def _end(self, cluster: Cluster) -> None:
        """The work first, then the instances."""
        reason = cluster.life.details
        await asyncio.gather(*(end(cluster) for end in self.end_work))
        await asyncio.sleep(self._config.application_start_seconds)
        cluster.life.move(cluster, cluster.end_state, reason)


def _idle_timeout(policy: Mapping[str, Any] | None) -> int | None:
    seconds: int | None = (policy or {}).get("IdleTimeout")
    least, most = _IDLE_SECONDS
    if seconds is not None and not least <= seconds <= most:
        raise validation_error(f"AutoTerminationPolicy.IdleTimeout: must be from {least} to {most}, not {seconds}")
    return seconds


def _step_concurrency(params: Mapping[str, Any], release: Release) -> int:
    level: int = params.get("StepConcurrencyLevel", 1)
    check_concurrency(level)
    if level > 1 and not has_parallel_steps(release):
        raise validation_error("StepConcurrencyLevel: more than one step at once are supported from release emr-5.28.0")
    return level
