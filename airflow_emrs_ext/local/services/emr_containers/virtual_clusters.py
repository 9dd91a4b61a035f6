"""Virtual clusters: namespaces of EKS clusters in which job runs and managed endpoints may be."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from airflow_emrs_ext.local.base.collection import Collection, Resource
from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.errors import validation_error
from airflow_emrs_ext.local.base.lifecycle import Lifecycle, Listener
from airflow_emrs_ext.local.base.queueing import Queues
from airflow_emrs_ext.local.base.regions import is_visible
from airflow_emrs_ext.local.base.tags import check_tags
from airflow_emrs_ext.local.base.views import filled
from airflow_emrs_ext.local.services.emr_containers.naming import new_cluster_id, virtual_cluster_arn
from airflow_emrs_ext.local.services.emr_containers.transitions import VIRTUAL_CLUSTER
from airflow_emrs_ext.shared.states import EksJobRunState, State
from airflow_emrs_ext.shared.states import VirtualClusterState as S

DEFAULT_NAMESPACE = "default"
MOST_SCHEDULED = 1000
"""The most that a limit of ``schedulerConfiguration`` may be, and how many job runs execute at once without one."""


@dataclass(kw_only=True)
class VirtualCluster(Resource):
    """One virtual cluster.

    :param params: the request that made it, with what UpdateVirtualCluster changed
    :param active_runs: the job runs that are in no terminal state, by id
    :param active_endpoints: the managed endpoints that are in no terminal state
    """

    params: dict[str, Any]
    active_runs: dict[str, Lifecycle] = field(default_factory=dict)
    active_endpoints: set[str] = field(default_factory=set)

    @property
    def namespace(self) -> tuple[str, str]:
        """The EKS cluster and the namespace that it stands for."""
        provider = self.params["containerProvider"]
        return provider["id"], _namespace(provider)

    @property
    def scheduler(self) -> Mapping[str, int]:
        """Its ``schedulerConfiguration``; empty: the default."""
        return self.params.get("schedulerConfiguration") or {}

    def count(self, *states: State) -> int:
        """How many of its job runs are in one of these states."""
        return sum(1 for life in self.active_runs.values() if life.state in states)

    def check_takes_work(self) -> None:
        """Refuse job runs and managed endpoints unless it is RUNNING.

        :raises ApiError: it is not
        """
        if self.state is not S.RUNNING:
            raise validation_error(f"Virtual cluster {self.id} is {self.state} and takes no work.")


class VirtualClusters(Collection[VirtualCluster]):
    """All virtual clusters of the account; see also :class:`~.collection.Collection`.

    :param queues: told how many job runs of each may execute at once
    """

    NOUN: ClassVar[str] = "Virtual cluster"
    MEMBER: ClassVar[str] = "virtualClusters"

    def __init__(self, config: ServiceConfig, listeners: list[Listener], queues: Queues) -> None:
        super().__init__(config, listeners)
        self._queues = queues

    def create(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """CreateVirtualCluster: an EKS cluster's namespace has one virtual cluster at most."""
        check_tags(params.get("tags") or {})
        _check_scheduler(params)
        provider = params["containerProvider"]
        wanted = (provider["id"], _namespace(provider))
        for other in self:
            if other.namespace == wanted and is_visible(other.arn) and not other.state.is_terminal:
                raise validation_error(
                    f"containerProvider: the namespace {wanted[1]} of EKS cluster {wanted[0]} has the virtual cluster"
                    f" {other.id} already"
                )
        virtual_cluster_id = new_cluster_id()
        cluster = VirtualCluster(
            id=virtual_cluster_id,
            arn=virtual_cluster_arn(self._config, virtual_cluster_id),
            name=params["name"],
            params=dict(params),
            tags=dict(params.get("tags") or {}),
            life=Lifecycle(VIRTUAL_CLUSTER, self._listeners),
        )
        self.add(cluster)
        self._allow(cluster)
        cluster.life.move(cluster, S.RUNNING, "")
        return {"id": cluster.id, "name": cluster.name, "arn": cluster.arn}

    def update(self, cluster: VirtualCluster, params: Mapping[str, Any]) -> dict[str, Any]:
        """UpdateVirtualCluster: the scheduler's limits; what the request leaves out of them is as if never given."""
        if cluster.state is not S.RUNNING:
            raise validation_error(f"Virtual cluster {cluster.id} is {cluster.state} and cannot be updated.")
        _check_scheduler(params)
        if "schedulerConfiguration" in params:
            cluster.params["schedulerConfiguration"] = params["schedulerConfiguration"]
            self._allow(cluster)
        return {"virtualCluster": self.summary(cluster)}

    def delete(self, cluster: VirtualCluster) -> None:
        """DeleteVirtualCluster: TERMINATING, then TERMINATED; harmless while it is one of these."""
        self._check_unused(cluster, "deleted", "job runs; wait for them or cancel them first", cluster.active_runs)
        self._check_unused(cluster, "deleted", "managed endpoints; delete them first", cluster.active_endpoints)
        if cluster.state is S.RUNNING:
            cluster.life.move(cluster, S.TERMINATING, "")
            cluster.task = asyncio.create_task(self._terminate(cluster))

    def resume(self) -> None:
        """Go on with what is under way: terminating."""
        for cluster in self:
            cluster.active_runs.clear()
            cluster.active_endpoints.clear()
            self._allow(cluster)
            if cluster.state is S.TERMINATING:
                cluster.task = asyncio.create_task(self._terminate(cluster))

    def summary(self, resource: VirtualCluster) -> dict[str, Any]:
        """The ``VirtualCluster`` structure."""
        params = resource.params
        return filled(
            id=resource.id,
            name=resource.name,
            arn=resource.arn,
            state=resource.state,
            containerProvider=params["containerProvider"],
            createdAt=resource.life.created_at,
            tags=dict(resource.tags),
            securityConfigurationId=params.get("securityConfigurationId"),
            sessionEnabled=params.get("sessionEnabled"),
            schedulerConfiguration=dict(resource.scheduler) or None,
            schedulerStatus={
                "currentInQueueJobRuns": resource.count(EksJobRunState.PENDING, EksJobRunState.SUBMITTED),
                "currentConcurrentJobRuns": resource.count(EksJobRunState.RUNNING),
            },
        )

    def record(self, resource: VirtualCluster) -> dict[str, Any]:
        """The ``VirtualCluster`` structure, ``clientToken``, ``activeJobRuns`` and ``activeEndpoints``."""
        return {
            **self.summary(resource),
            "clientToken": resource.params["clientToken"],
            "activeJobRuns": sorted(resource.active_runs),
            "activeEndpoints": sorted(resource.active_endpoints),
        }

    def _listed(self, params: Mapping[str, Any]) -> Iterator[VirtualCluster]:
        provider_id = params.get("containerProviderId")
        return (
            cluster
            for cluster in self
            if provider_id in (None, cluster.namespace[0])
            # Here every cluster has its access entries.
            and params.get("eksAccessEntryIntegrated", True)
        )

    def _allow(self, cluster: VirtualCluster) -> None:
        self._queues.allow(cluster.id, cluster.scheduler.get("maxConcurrentJobRuns", MOST_SCHEDULED))

    async def _terminate(self, cluster: VirtualCluster) -> None:
        await asyncio.sleep(self._config.application_start_seconds)
        cluster.life.move(cluster, S.TERMINATED, "")


def _check_scheduler(params: Mapping[str, Any]) -> None:
    # The models of botocore before 1.44 have other ranges.
    for name, limit in (params.get("schedulerConfiguration") or {}).items():
        if not 1 <= limit <= MOST_SCHEDULED:
            raise validation_error(f"schedulerConfiguration.{name}: must be from 1 to {MOST_SCHEDULED}, not {limit}")


def _namespace(provider: Mapping[str, Any]) -> str:
    name: str = ((provider.get("info") or {}).get("eksInfo") or {}).get("namespace", DEFAULT_NAMESPACE)
    return name
