"""Amazon EMR on EKS: one coroutine per operation of the API, without HTTP.

Everything here runs on one event loop and changes state between two awaits, so there are no locks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow_emrs_ext.local.config import ServiceConfig
from airflow_emrs_ext.local.emr_containers.virtual_clusters import VirtualClusters
from airflow_emrs_ext.local.errors import ApiError
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
    """

    def __init__(
        self,
        runner: Runner,
        *,
        config: ServiceConfig,
        work_dir: Path,
        deliver_logs: DeliverLogs | None = None,
    ) -> None:
        self.config = config
        self.listeners: list[Listener] = []
        """Called, on the event loop, with every :class:`~..resources.lifecycle.Transition` of every resource."""
        self._closed = False
        self._queues = Queues()
        self._tokens = ClientTokens(config)
        self.virtual_clusters = VirtualClusters(config, self._queues, self.listeners)

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
            await self._end_tasks()
            for memory in (self.virtual_clusters, self._tokens, self._queues):
                memory.clear()
        finally:
            self._closed = was_closed

    def config_changed(self) -> None:
        """Apply changed settings to what is already waiting."""

    async def _end_tasks(self) -> None:
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

    # For tests

    def job_run_records(self, virtual_cluster_id: str | None = None) -> list[dict[str, Any]]:
        """Every job run with all that is known of it, oldest first, as plain JSON.

        :param virtual_cluster_id: only those of one virtual cluster
        """
        return []

    def _check_open(self) -> None:
        if self._closed:
            raise ApiError("InternalServerException", "The endpoint is ending and starts nothing more")
