"""Amazon EMR on EKS."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from botocore.model import ServiceModel

from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.driving import DeliverLogs
from airflow_emrs_ext.local.base.errors import ApiError
from airflow_emrs_ext.local.base.lifecycle import Listener
from airflow_emrs_ext.local.base.queueing import Queues
from airflow_emrs_ext.local.base.runner import Runner
from airflow_emrs_ext.local.services.connect.access import ConnectAccess
from airflow_emrs_ext.local.services.emr_containers.job_run_operations import JobRuns
from airflow_emrs_ext.local.services.emr_containers.job_templates import JobTemplates
from airflow_emrs_ext.local.services.emr_containers.managed_endpoints import (
    ManagedEndpoints,
    ManagedEndpointWalker,
)
from airflow_emrs_ext.local.services.emr_containers.submission import read_submission
from airflow_emrs_ext.local.services.emr_containers.virtual_clusters import VirtualClusters
from airflow_emrs_ext.local.services.emr_containers.walk import Walker
from airflow_emrs_ext.local.services.service import Service

_VALIDATION = "ValidationException"


class EmrContainers(Service):
    """The service.

    :param runner: executes the attempts of job runs; started before the service is used, and closed after it
    :param model: the API model
    :param config: settings, read when they are needed
    :param work_dir: where the attempts get their directories
    :param deliver_logs: makes what delivers the logs of one attempt; default: nobody does
    :param access: how clients of Spark Connect come to the managed endpoints; default: they do not
    """

    TOKEN_MISUSED: ClassVar[str] = _VALIDATION
    MOST_TAGS: ClassVar[int] = 50

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
        listeners: list[Listener] = []
        queues = Queues()
        access = access or ConnectAccess(config)
        self.virtual_clusters: VirtualClusters = VirtualClusters(config, listeners, queues)
        self.job_templates: JobTemplates = JobTemplates(config, model)
        walker = Walker(runner, config, queues, deliver_logs)
        self.job_runs: JobRuns = JobRuns(config, listeners, self.virtual_clusters, work_dir, walker)
        self.managed_endpoints: ManagedEndpoints = ManagedEndpoints(
            config,
            listeners,
            self.virtual_clusters,
            work_dir,
            ManagedEndpointWalker(runner, config, deliver_logs, access),
            access,
        )
        super().__init__(
            config,
            listeners,
            work_dir,
            owners=self.virtual_clusters,
            driven=(self.job_runs, self.managed_endpoints),
            memories=(self.job_templates, queues),
        )

    def config_changed(self) -> None:
        """Apply changed settings to what is already waiting: idle times."""
        self.managed_endpoints.arm()

    def role_of(self, params: Mapping[str, Any]) -> str | None:
        """The execution role of a request, or of the job template that it names."""
        with contextlib.suppress(ApiError):
            params = self.job_templates.instantiate(params) or params
        return super().role_of(params)

    def tags_of(self, arn: str) -> dict[str, str]:
        """The tags of what has the ARN, job templates too, none where there is nothing."""
        template = next((one for one in self.job_templates if one.view["arn"] == arn), None)
        return template.tags if template else super().tags_of(arn)

    # Virtual clusters

    async def create_virtual_cluster(self, **params: Any) -> dict[str, Any]:
        """CreateVirtualCluster."""
        self._check_open()
        return self._tokens.once("CreateVirtualCluster", "", params, lambda: self.virtual_clusters.create(params))

    async def describe_virtual_cluster(self, **params: Any) -> dict[str, Any]:
        """DescribeVirtualCluster; it also answers for TERMINATED ones."""
        return {"virtualCluster": self.virtual_clusters.summary(self.virtual_clusters.get(params["id"]))}

    async def list_virtual_clusters(self, **params: Any) -> dict[str, Any]:
        """ListVirtualClusters."""
        return self.virtual_clusters.page(params)

    async def update_virtual_cluster(self, **params: Any) -> dict[str, Any]:
        """UpdateVirtualCluster."""
        cluster = self.virtual_clusters.get(params["id"])
        return self._tokens.once(
            "UpdateVirtualCluster", cluster.id, params, lambda: self.virtual_clusters.update(cluster, params)
        )

    async def delete_virtual_cluster(self, **params: Any) -> dict[str, Any]:
        """DeleteVirtualCluster."""
        self.virtual_clusters.delete(self.virtual_clusters.get(params["id"], code=_VALIDATION))
        return {"id": params["id"]}

    # Job runs

    async def start_job_run(self, **params: Any) -> dict[str, Any]:
        """StartJobRun."""
        self._check_open()
        cluster = self.virtual_clusters.get(params["virtualClusterId"])

        def start() -> dict[str, Any]:
            cluster.check_takes_work()
            return self.job_runs.start(
                cluster, read_submission(params, self.job_templates.instantiate(params), self.config.lenient)
            )

        return self._tokens.once("StartJobRun", cluster.id, params, start)

    async def describe_job_run(self, **params: Any) -> dict[str, Any]:
        """DescribeJobRun."""
        return {"jobRun": self.job_runs.summary(self.job_runs.find(params["virtualClusterId"], params["id"]))}

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
        return self._tokens.once("CreateJobTemplate", "", params, lambda: self.job_templates.create(params))

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
        return self._tokens.once(
            "CreateManagedEndpoint", cluster.id, params, lambda: self.managed_endpoints.create(cluster, params)
        )

    async def describe_managed_endpoint(self, **params: Any) -> dict[str, Any]:
        """DescribeManagedEndpoint; it also answers for those that have ended."""
        endpoint = self.managed_endpoints.find(params["virtualClusterId"], params["id"])
        return {"endpoint": self.managed_endpoints.summary(endpoint)}

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
