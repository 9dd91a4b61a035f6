"""Amazon EMR on EKS: one coroutine per operation of the API, without HTTP.

Everything here runs on one event loop and changes state between two awaits, so there are no locks.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from airflow_emrs_ext.local.config import ServiceConfig
from airflow_emrs_ext.local.connect.access import ConnectAccess
from airflow_emrs_ext.local.emr_containers.managed_endpoints import ManagedEndpoints, ManagedEndpointWalker
from airflow_emrs_ext.local.emr_containers.virtual_clusters import VirtualClusters
from airflow_emrs_ext.local.errors import ApiError
from airflow_emrs_ext.local.resources.dashboards import Dashboards
from airflow_emrs_ext.local.resources.driving import DeliverLogs
from airflow_emrs_ext.local.resources.idempotency import ClientTokens
from airflow_emrs_ext.local.resources.lifecycle import Listener
from airflow_emrs_ext.local.resources.queueing import Queues
from airflow_emrs_ext.local.runner import Runner

_VALIDATION = "ValidationException"


class EmrContainers:
    """The service.

    The operations take validated parameters under the API's names and return the members of the output structure; they
    raise :class:`~airflow_emrs_ext.local.errors.ApiError`.

    :param runner: executes the attempts of job runs; started before the service is used, and closed after it
    :param config: settings, read when they are needed
    :param work_dir: where the attempts get their directories
    :param deliver_logs: makes what delivers the logs of one attempt; default: nobody does
    :param access: how clients of Spark Connect come to the managed endpoints; default: they do not
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
        self.config = config
        self.listeners: list[Listener] = []
        """Called, on the event loop, with every :class:`~..resources.lifecycle.Transition` of every resource."""
        self._closed = False
        self._queues = Queues()
        self._tokens = ClientTokens(config)
        self.virtual_clusters = VirtualClusters(config, self._queues, self.listeners)
        self.dashboards = dashboards or Dashboards(runner, config)
        self.managed_endpoints = ManagedEndpoints(
            config,
            self.virtual_clusters,
            ManagedEndpointWalker(runner, config, deliver_logs),
            access or ConnectAccess(config),
            self.listeners,
            work_dir,
        )

    async def close(self) -> None:
        """Start nothing more and leave everything as it is; what is known can still be asked for.

        The drivers that run are the runner's to end.
        """
        self._closed = True
        await self._end_tasks()

    async def reset(self) -> None:
        """Stop what runs and forget everything; nothing is started meanwhile."""
        was_closed, self._closed = self._closed, True
        try:
            running = [endpoint.running for endpoint in self.managed_endpoints if endpoint.running]
            self.managed_endpoints.terminate_all("The endpoint was reset.")
            await self._end_tasks()
            await asyncio.gather(*(driver.stop(0) for driver in running), return_exceptions=True)
            for memory in (self.virtual_clusters, self.managed_endpoints, self._tokens, self._queues, self.dashboards):
                memory.clear()
        finally:
            self._closed = was_closed

    def config_changed(self) -> None:
        """Apply changed settings to what is already waiting."""
        self.managed_endpoints.arm()

    async def _end_tasks(self) -> None:
        await self.managed_endpoints.end_tasks()
        await self.virtual_clusters.end_tasks()

    # Virtual clusters

    async def create_virtual_cluster(self, **params: Any) -> dict[str, Any]:
        """CreateVirtualCluster."""
        self._check_open()
        if answer := self._tokens.recall("CreateVirtualCluster", "", params, code=_VALIDATION):
            return answer
        cluster = self.virtual_clusters.create(params)
        answer = {"id": cluster.virtual_cluster_id, "name": params["name"], "arn": cluster.arn}
        return self._tokens.remember("CreateVirtualCluster", "", params, answer)

    async def describe_virtual_cluster(self, **params: Any) -> dict[str, Any]:
        """DescribeVirtualCluster; it also answers for TERMINATED ones."""
        return {"virtualCluster": self.virtual_clusters.view(self.virtual_clusters.get(params["id"]))}

    async def list_virtual_clusters(self, **params: Any) -> dict[str, Any]:
        """ListVirtualClusters."""
        return self.virtual_clusters.page(params)

    async def update_virtual_cluster(self, **params: Any) -> dict[str, Any]:
        """UpdateVirtualCluster."""
        cluster = self.virtual_clusters.get(params["id"])
        scope = cluster.virtual_cluster_id
        if answer := self._tokens.recall("UpdateVirtualCluster", scope, params, code=_VALIDATION):
            return answer
        self.virtual_clusters.update(cluster, params)
        answer = {"virtualCluster": self.virtual_clusters.view(cluster)}
        return self._tokens.remember("UpdateVirtualCluster", scope, params, answer)

    async def delete_virtual_cluster(self, **params: Any) -> dict[str, Any]:
        """DeleteVirtualCluster."""
        self.virtual_clusters.delete(self.virtual_clusters.get(params["id"], code=_VALIDATION))
        return {"id": params["id"]}

    # Managed endpoints

    async def create_managed_endpoint(self, **params: Any) -> dict[str, Any]:
        """CreateManagedEndpoint."""
        self._check_open()
        scope = self.virtual_clusters.get(params["virtualClusterId"]).virtual_cluster_id
        if answer := self._tokens.recall("CreateManagedEndpoint", scope, params, code=_VALIDATION):
            return answer
        return self._tokens.remember("CreateManagedEndpoint", scope, params, self.managed_endpoints.create(params))

    async def describe_managed_endpoint(self, **params: Any) -> dict[str, Any]:
        """DescribeManagedEndpoint; it also answers for those that have ended."""
        endpoint = self.managed_endpoints.find(params["virtualClusterId"], params["id"])
        return {"endpoint": self.managed_endpoints.view(endpoint)}

    async def list_managed_endpoints(self, **params: Any) -> dict[str, Any]:
        """ListManagedEndpoints."""
        return self.managed_endpoints.page(params)

    async def delete_managed_endpoint(self, **params: Any) -> dict[str, Any]:
        """DeleteManagedEndpoint: at once TERMINATING; harmless for one that is ending or has ended."""
        self.managed_endpoints.delete(
            self.managed_endpoints.find(params["virtualClusterId"], params["id"], code=_VALIDATION)
        )
        return {"id": params["id"], "virtualClusterId": params["virtualClusterId"]}

    async def get_managed_endpoint_session_credentials(self, **params: Any) -> dict[str, Any]:
        """GetManagedEndpointSessionCredentials: a new token; the ones before it stay good until they expire."""
        # ARNs as well as ids.
        cluster_id, endpoint_id = (
            params[name].rpartition("/")[2] for name in ("virtualClusterIdentifier", "endpointIdentifier")
        )
        return self.managed_endpoints.credentials(self.managed_endpoints.find(cluster_id, endpoint_id), params)

    # For tests

    def job_run_records(self, virtual_cluster_id: str | None = None) -> list[dict[str, Any]]:
        """Every job run with all that is known of it, oldest first, as plain JSON.

        :param virtual_cluster_id: only those of one virtual cluster
        """
        return []

    def _check_open(self) -> None:
        if self._closed:
            raise ApiError("InternalServerException", "The endpoint is ending and starts nothing more")
