"""Amazon EMR on EKS: one coroutine per operation of the API, without HTTP.

Everything here runs on one event loop and changes state between two awaits, so there are no locks.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

from botocore.model import ServiceModel

from airflow_emrs_ext.local.config import ServiceConfig
from airflow_emrs_ext.local.connect.access import ConnectAccess
from airflow_emrs_ext.local.emr_containers.job_run_operations import JobRuns
from airflow_emrs_ext.local.emr_containers.job_runs import JobRun
from airflow_emrs_ext.local.emr_containers.job_templates import JobTemplates
from airflow_emrs_ext.local.emr_containers.managed_endpoints import (
    ManagedEndpoint,
    ManagedEndpoints,
    ManagedEndpointWalker,
)
from airflow_emrs_ext.local.emr_containers.submission import read_submission
from airflow_emrs_ext.local.emr_containers.tags import MOST_TAGS, owner_of
from airflow_emrs_ext.local.emr_containers.virtual_clusters import VirtualCluster, VirtualClusters
from airflow_emrs_ext.local.emr_containers.walk import Walker
from airflow_emrs_ext.local.resources.driving import DeliverLogs, Driven
from airflow_emrs_ext.local.resources.queueing import Queues
from airflow_emrs_ext.local.resources.service import Service
from airflow_emrs_ext.local.resources.tags import merge_tags
from airflow_emrs_ext.local.resources.views import filled
from airflow_emrs_ext.local.runner import Runner

_VALIDATION = "ValidationException"


class EmrContainers(Service):
    """The service.

    The operations take validated parameters under the API's names and return the members of the output structure; they
    raise :class:`~airflow_emrs_ext.local.errors.ApiError`.

    :param runner: executes the attempts of job runs; started before the service is used, and closed after it
    :param model: the API model
    :param config: settings, read when they are needed
    :param work_dir: where the attempts get their directories
    :param deliver_logs: makes what delivers the logs of one attempt; default: nobody does
    :param access: how clients of Spark Connect come to the managed endpoints; default: they do not
    """

    def __init__(
        self,
        runner: Runner,
        *,
        model: ServiceModel,
        config: ServiceConfig,
        work_dir: Path,
        deliver_logs: DeliverLogs | None = None,
        access: ConnectAccess | None = None,
    ) -> None:
        super().__init__(config, work_dir)
        self._queues = Queues()
        self.virtual_clusters = VirtualClusters(config, self._queues, self.listeners)
        self.job_templates = JobTemplates(config, model)
        walker = Walker(runner, config, self._queues, deliver_logs)
        self.job_runs = JobRuns(config, self.virtual_clusters, walker, self.listeners, work_dir)
        endpoint_walker = ManagedEndpointWalker(runner, config, deliver_logs)
        self.managed_endpoints = ManagedEndpoints(
            config, self.virtual_clusters, endpoint_walker, access or ConnectAccess(config), self.listeners, work_dir
        )

    def config_changed(self) -> None:
        """Apply changed settings to what is already waiting: idle times."""
        self.managed_endpoints.arm()

    async def _forget(self) -> None:
        attempts: list[Driven] = [attempt for run in self.job_runs for attempt in run.attempts]
        running = [driven.running for driven in [*attempts, *self.managed_endpoints] if driven.running]
        self.managed_endpoints.terminate_all("The endpoint was reset.")
        await self._end_tasks()
        await asyncio.gather(*(driver.stop(0) for driver in running), return_exceptions=True)
        for cluster in self.virtual_clusters:
            shutil.rmtree(self._work_dir / cluster.virtual_cluster_id, ignore_errors=True)
        for memory in (
            self.job_runs,
            self.job_templates,
            self.managed_endpoints,
            self.virtual_clusters,
            self._tokens,
            self._queues,
        ):
            memory.clear()

    async def _end_tasks(self) -> None:
        await self.job_runs.end_tasks()
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

    # Job runs

    async def start_job_run(self, **params: Any) -> dict[str, Any]:
        """StartJobRun."""
        self._check_open()
        cluster = self.virtual_clusters.get(params["virtualClusterId"])
        scope = cluster.virtual_cluster_id
        if answer := self._tokens.recall("StartJobRun", scope, params, code=_VALIDATION):
            return answer
        cluster.check_takes_work()
        run = self.job_runs.start(cluster, read_submission(params, self.job_templates.instantiate(params)))
        answer = filled(id=run.job_run_id, name=run.name, arn=run.arn, virtualClusterId=scope)
        return self._tokens.remember("StartJobRun", scope, params, answer)

    async def describe_job_run(self, **params: Any) -> dict[str, Any]:
        """DescribeJobRun."""
        return {"jobRun": self.job_runs.view(self.job_runs.find(params["virtualClusterId"], params["id"]))}

    async def list_job_runs(self, **params: Any) -> dict[str, Any]:
        """ListJobRuns."""
        return self.job_runs.page(params)

    async def cancel_job_run(self, **params: Any) -> dict[str, Any]:
        """CancelJobRun."""
        self.job_runs.cancel(self.job_runs.find(params["virtualClusterId"], params["id"], code=_VALIDATION))
        return {"id": params["id"], "virtualClusterId": params["virtualClusterId"]}

    # Job templates

    async def create_job_template(self, **params: Any) -> dict[str, Any]:
        """CreateJobTemplate."""
        self._check_open()
        if answer := self._tokens.recall("CreateJobTemplate", "", params, code=_VALIDATION):
            return answer
        view = self.job_templates.create(params).view
        answer = {name: view[name] for name in ("id", "name", "arn", "createdAt")}
        return self._tokens.remember("CreateJobTemplate", "", params, answer)

    async def describe_job_template(self, **params: Any) -> dict[str, Any]:
        """DescribeJobTemplate."""
        return {"jobTemplate": self.job_templates.view(self.job_templates.get(params["id"]))}

    async def list_job_templates(self, **params: Any) -> dict[str, Any]:
        """ListJobTemplates."""
        return self.job_templates.page(params)

    async def delete_job_template(self, **params: Any) -> dict[str, Any]:
        """DeleteJobTemplate."""
        self.job_templates.delete(self.job_templates.get(params["id"], code=_VALIDATION))
        return {"id": params["id"]}

    # Managed endpoints

    async def create_managed_endpoint(self, **params: Any) -> dict[str, Any]:
        """CreateManagedEndpoint."""
        self._check_open()
        cluster = self.virtual_clusters.get(params["virtualClusterId"])
        scope = cluster.virtual_cluster_id
        if answer := self._tokens.recall("CreateManagedEndpoint", scope, params, code=_VALIDATION):
            return answer
        cluster.check_takes_work()
        endpoint = self.managed_endpoints.create(cluster, params)
        answer = {"id": endpoint.host_id, "name": params["name"], "arn": endpoint.arn, "virtualClusterId": scope}
        return self._tokens.remember("CreateManagedEndpoint", scope, params, answer)

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

    # Tags

    async def tag_resource(self, **params: Any) -> dict[str, Any]:
        """TagResource."""
        owned = self._tags(params["resourceArn"])
        owned.update(merge_tags(owned, params["tags"], MOST_TAGS))
        return {}

    async def untag_resource(self, **params: Any) -> dict[str, Any]:
        """UntagResource."""
        owned = self._tags(params["resourceArn"])
        for key in params["tagKeys"]:
            owned.pop(key, None)
        return {}

    async def list_tags_for_resource(self, **params: Any) -> dict[str, Any]:
        """ListTagsForResource."""
        return {"tags": dict(self._tags(params["resourceArn"]))}

    def _tags(self, arn: str) -> dict[str, str]:
        cluster_id, kind, owned_id = owner_of(arn, self.config)
        owner: VirtualCluster | JobRun | ManagedEndpoint
        if kind == "jobruns":
            owner = self.job_runs.find(cluster_id, owned_id)
        elif kind == "endpoints":
            owner = self.managed_endpoints.find(cluster_id, owned_id)
        else:
            owner = self.virtual_clusters.get(cluster_id)
        return owner.tags
