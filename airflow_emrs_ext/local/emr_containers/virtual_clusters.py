"""Virtual clusters: namespaces of EKS clusters in which job runs and managed endpoints may be."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_emrs_ext.local.config import ServiceConfig
from airflow_emrs_ext.local.emr_containers.naming import new_cluster_id, virtual_cluster_arn
from airflow_emrs_ext.local.emr_containers.transitions import VIRTUAL_CLUSTER
from airflow_emrs_ext.local.errors import ApiError, validation_error
from airflow_emrs_ext.local.resources.lifecycle import Lifecycle, Listener
from airflow_emrs_ext.local.resources.pagination import created_within, listing, page
from airflow_emrs_ext.local.resources.queueing import Queues
from airflow_emrs_ext.local.resources.records import history, plain
from airflow_emrs_ext.local.resources.tags import check_tags
from airflow_emrs_ext.local.resources.views import filled
from airflow_emrs_ext.shared.states import EksJobRunState, State
from airflow_emrs_ext.shared.states import VirtualClusterState as S

DEFAULT_NAMESPACE = "default"


@dataclass
class VirtualCluster:
    """One virtual cluster.

    :param params: the request that made it, with what UpdateVirtualCluster changed
    :param active_runs: the job runs that are in no terminal state, by id
    :param active_endpoints: the managed endpoints that are in no terminal state
    """

    virtual_cluster_id: str
    arn: str
    number: int
    params: dict[str, Any]
    tags: dict[str, str]
    life: Lifecycle
    active_runs: dict[str, Lifecycle] = field(default_factory=dict)
    active_endpoints: set[str] = field(default_factory=set)
    ending: asyncio.Task[None] | None = None

    @property
    def state(self) -> State:
        """The state that the virtual cluster is in."""
        return self.life.state

    @property
    def namespace(self) -> tuple[str, str]:
        """The EKS cluster and the namespace that it stands for."""
        provider = self.params["containerProvider"]
        return provider["id"], _namespace(provider)

    @property
    def scheduler(self) -> Mapping[str, int]:
        """Its ``schedulerConfiguration``; empty: no limits."""
        return self.params.get("schedulerConfiguration") or {}

    def count(self, *states: State) -> int:
        """How many of its job runs are in one of these states."""
        return sum(1 for life in self.active_runs.values() if life.state in states)

    def check_takes_work(self) -> None:
        """Refuse job runs and managed endpoints unless it is RUNNING.

        :raises ApiError: it is not
        """
        if self.state is not S.RUNNING:
            raise validation_error(f"Virtual cluster {self.virtual_cluster_id} is {self.state} and takes no work.")


class VirtualClusters:
    """All virtual clusters of the account.

    :param config: how long it takes to delete one
    :param queues: told how many job runs of each may execute at once
    :param listeners: told of every change of state
    """

    def __init__(self, config: ServiceConfig, queues: Queues, listeners: list[Listener]) -> None:
        self._config = config
        self._queues = queues
        self._listeners = listeners
        self._by_id: dict[str, VirtualCluster] = {}

    def __iter__(self) -> Iterator[VirtualCluster]:
        return iter(self._by_id.values())

    def get(self, virtual_cluster_id: str, *, code: str = "ResourceNotFoundException") -> VirtualCluster:
        """The virtual cluster of that id.

        :param code: the error where the operation declares another one
        :raises ApiError: there is none
        """
        try:
            return self._by_id[virtual_cluster_id]
        except KeyError:
            raise ApiError(code, f"Virtual cluster {virtual_cluster_id} does not exist") from None

    def create(self, params: Mapping[str, Any]) -> VirtualCluster:
        """CreateVirtualCluster: an EKS cluster's namespace has one virtual cluster at most."""
        check_tags(params.get("tags") or {})
        provider = params["containerProvider"]
        wanted = (provider["id"], _namespace(provider))
        for other in self:
            if other.namespace == wanted and not other.state.is_terminal:
                raise validation_error(
                    f"containerProvider: the namespace {wanted[1]} of EKS cluster {wanted[0]} has the virtual cluster"
                    f" {other.virtual_cluster_id} already"
                )
        virtual_cluster_id = new_cluster_id()
        cluster = VirtualCluster(
            virtual_cluster_id=virtual_cluster_id,
            arn=virtual_cluster_arn(self._config, virtual_cluster_id),
            number=len(self._by_id),
            params=dict(params),
            tags=dict(params.get("tags") or {}),
            life=Lifecycle(VIRTUAL_CLUSTER, self._listeners),
        )
        self._by_id[virtual_cluster_id] = cluster
        self._allow(cluster)
        cluster.life.move(cluster, S.RUNNING, "")
        return cluster

    def update(self, cluster: VirtualCluster, params: Mapping[str, Any]) -> None:
        """UpdateVirtualCluster: the scheduler's limits; what the request leaves out of them has no limit any more."""
        if cluster.state is not S.RUNNING:
            raise validation_error(
                f"Virtual cluster {cluster.virtual_cluster_id} is {cluster.state} and cannot be updated."
            )
        if "schedulerConfiguration" in params:
            cluster.params["schedulerConfiguration"] = params["schedulerConfiguration"]
            self._allow(cluster)

    def delete(self, cluster: VirtualCluster) -> None:
        """DeleteVirtualCluster: TERMINATING, then TERMINATED; harmless while it is one of these."""
        for active, what in (
            (cluster.active_runs, "job runs; wait for them or cancel them first."),
            (cluster.active_endpoints, "managed endpoints; delete them first."),
        ):
            if active:
                raise validation_error(
                    f"Virtual cluster {cluster.virtual_cluster_id} cannot be deleted. It has {len(active)} active"
                    f" {what}"
                )
        if cluster.state is S.RUNNING:
            cluster.life.move(cluster, S.TERMINATING, "")
            cluster.ending = asyncio.create_task(self._terminate(cluster))

    def page(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """ListVirtualClusters: newest first, in every state unless the request names some."""
        states, provider_id = params.get("states"), params.get("containerProviderId")
        shown, token = page(
            "ListVirtualClusters",
            (
                cluster
                for cluster in self
                if (not states or cluster.state in states)
                and provider_id in (None, cluster.namespace[0])
                and created_within(cluster.life.created_at, params.get("createdAfter"), params.get("createdBefore"))
                # Here every cluster has its access entries.
                and params.get("eksAccessEntryIntegrated", True)
            ),
            lambda cluster: (-cluster.number,),
            params,
        )
        return listing("virtualClusters", [self.view(cluster) for cluster in shown], token)

    def view(self, cluster: VirtualCluster) -> dict[str, Any]:
        """The ``VirtualCluster`` structure."""
        params, scheduler = cluster.params, cluster.scheduler
        return filled(
            id=cluster.virtual_cluster_id,
            name=params["name"],
            arn=cluster.arn,
            state=cluster.state,
            containerProvider=params["containerProvider"],
            createdAt=cluster.life.created_at,
            tags=dict(cluster.tags),
            securityConfigurationId=params.get("securityConfigurationId"),
            sessionEnabled=params.get("sessionEnabled"),
            schedulerConfiguration=dict(scheduler) or None,
            schedulerStatus={
                "currentInQueueJobRuns": cluster.count(EksJobRunState.PENDING, EksJobRunState.SUBMITTED),
                "currentConcurrentJobRuns": cluster.count(EksJobRunState.RUNNING),
            },
        )

    def records(self) -> list[dict[str, Any]]:
        """Every virtual cluster with all that is known of it, oldest first, as plain JSON.

        Beside the members of the API: ``clientToken``, ``activeJobRuns``, ``activeEndpoints`` and ``stateHistory``.
        """
        return [
            {
                **plain(self.view(cluster)),
                "clientToken": cluster.params["clientToken"],
                "activeJobRuns": sorted(cluster.active_runs),
                "activeEndpoints": sorted(cluster.active_endpoints),
                "stateHistory": history(cluster.life),
            }
            for cluster in self
        ]

    async def end_tasks(self) -> None:
        """Leave every virtual cluster in the state that it is in."""
        tasks = [cluster.ending for cluster in self if cluster.ending]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def clear(self) -> None:
        """Forget every virtual cluster."""
        self._by_id.clear()

    def _allow(self, cluster: VirtualCluster) -> None:
        self._queues.allow(cluster.virtual_cluster_id, cluster.scheduler.get("maxConcurrentJobRuns"))

    async def _terminate(self, cluster: VirtualCluster) -> None:
        await asyncio.sleep(self._config.application_start_seconds)
        cluster.life.move(cluster, S.TERMINATED, "")


def _namespace(provider: Mapping[str, Any]) -> str:
    name: str = ((provider.get("info") or {}).get("eksInfo") or {}).get("namespace", DEFAULT_NAMESPACE)
    return name
