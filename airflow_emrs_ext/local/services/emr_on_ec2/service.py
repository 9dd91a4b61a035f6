"""Amazon EMR on EC2: the API of Amazon EMR itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

from botocore.model import ServiceModel, StructureShape

from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.driving import DeliverLogs
from airflow_emrs_ext.local.base.errors import declared_as
from airflow_emrs_ext.local.base.lifecycle import Listener
from airflow_emrs_ext.local.base.queueing import Queues
from airflow_emrs_ext.local.base.runner import Runner
from airflow_emrs_ext.local.base.tags import merge_tags
from airflow_emrs_ext.local.services.connect.access import ConnectAccess
from airflow_emrs_ext.local.services.emr_on_ec2.clusters import Cluster, Clusters
from airflow_emrs_ext.local.services.emr_on_ec2.naming import INVALID, cluster_arn
from airflow_emrs_ext.local.services.emr_on_ec2.sessions import Session, Sessions, SessionWalker
from airflow_emrs_ext.local.services.emr_on_ec2.settings import read_tags
from airflow_emrs_ext.local.services.emr_on_ec2.step_walk import StepWalker
from airflow_emrs_ext.local.services.emr_on_ec2.steps import Steps
from airflow_emrs_ext.local.services.persistent_uis import OPERATIONS as UI_OPERATIONS
from airflow_emrs_ext.local.services.persistent_uis import PersistentAppUIs
from airflow_emrs_ext.local.services.service import Service

_VALIDATION = "ValidationException"
_ABOUT_CLUSTERS = ("RunJobFlow", "ListClusters", "AddTags", "RemoveTags")
_CLUSTER_IDS = ("ClusterId", "JobFlowId", "JobFlowIds")


def operations_of(model: ServiceModel) -> Iterator[str]:
    """The operations that are the service's, whether it has them or not: all that are about clusters.

    Those about security configurations, studios and the like are not: what is about a cluster must be answered by who
    keeps it, and everything else has nothing to do with it.

    :param model: of the API
    """
    for name in model.operation_names:
        shape = cast("StructureShape | None", model.operation_model(name).input_shape)
        if (
            name in _ABOUT_CLUSTERS
            or name in UI_OPERATIONS
            or (shape is not None and any(member in shape.members for member in _CLUSTER_IDS))
        ):
            yield name


class EmrOnEc2(Service):
    """The service.

    :param runner: executes the drivers of sessions and steps; started before the service is used, and closed after it
    :param config: settings, read when they are needed
    :param work_dir: where the drivers get their directories
    :param persistent_uis: of the job runs of EMR on EKS
    :param deliver_logs: makes what delivers the logs of one driver; default: nobody does
    :param access: how clients of Spark Connect come to the sessions; default: they do not
    """

    TOKEN_MISUSED: ClassVar[str] = INVALID
    TOKEN_PARAMETER: ClassVar[str] = "ClientRequestToken"
    MOST_TAGS: ClassVar[int] = 10

    def __init__(
        self,
        runner: Runner,
        *,
        config: ServiceConfig,
        work_dir: Path,
        persistent_uis: PersistentAppUIs,
        deliver_logs: DeliverLogs | None = None,
        access: ConnectAccess | None = None,
    ) -> None:
        listeners: list[Listener] = []
        queues = Queues()
        self.clusters: Clusters = Clusters(config, listeners, queues)
        self.sessions: Sessions = Sessions(
            config,
            listeners,
            self.clusters,
            work_dir,
            SessionWalker(runner, config, deliver_logs),
            access or ConnectAccess(config),
        )
        self.steps: Steps = Steps(
            config, listeners, self.clusters, work_dir, StepWalker(runner, config, deliver_logs), queues
        )
        self.clusters.end_work = (self.sessions.end_on, self.steps.end_on)
        self._persistent_uis = persistent_uis
        super().__init__(
            config,
            listeners,
            work_dir,
            owners=self.clusters,
            driven=(self.sessions, self.steps),
            memories=(persistent_uis, queues),
        )

    def config_changed(self) -> None:
        """Apply changed settings to what is already waiting: idle times."""
        for cluster in self.clusters:
            self.clusters.arm(cluster)
        self.sessions.arm()

    def role_of(self, params: Mapping[str, Any]) -> str | None:
        """The execution role that a request asks for, ``None``: it asks for none."""
        role: str | None = params.get("ExecutionRoleArn")
        return role

    def resources_of(self, params: Mapping[str, Any]) -> Sequence[str]:
        """The ARNs of the clusters that a request is about."""
        named = [params[name] for name in ("ClusterId", "JobFlowId", "ResourceId") if name in params][:1]
        return [cluster_arn(self.config, cluster_id) for cluster_id in (*named, *params.get("JobFlowIds", ()))]

    # Clusters

    async def run_job_flow(self, **params: Any) -> dict[str, Any]:
        """RunJobFlow."""
        self._check_open()
        cluster = self.clusters.create(params)
        steps = self.steps.read(cluster, params.get("Steps", ()))
        self.clusters.begin(cluster)
        self.steps.start(cluster, steps)
        return {"JobFlowId": cluster.id, "ClusterArn": cluster.arn}

    async def modify_cluster(self, **params: Any) -> dict[str, Any]:
        """ModifyCluster."""
        cluster = self._cluster(params)
        with declared_as(INVALID):
            self.clusters.modify(cluster, params)
        return {"StepConcurrencyLevel": cluster.step_concurrency}

    async def describe_cluster(self, **params: Any) -> dict[str, Any]:
        """DescribeCluster; it also answers for TERMINATED ones."""
        return {"Cluster": self.clusters.view(self._cluster(params))}

    async def list_clusters(self, **params: Any) -> dict[str, Any]:
        """ListClusters: newest first."""
        with declared_as(INVALID):
            return self.clusters.page(params)

    async def terminate_job_flows(self, **params: Any) -> dict[str, Any]:
        """TerminateJobFlows."""
        self.clusters.terminate(self._job_flows(params))
        return {}

    async def set_termination_protection(self, **params: Any) -> dict[str, Any]:
        """SetTerminationProtection."""
        for cluster in self._job_flows(params):
            cluster.is_protected = params["TerminationProtected"]
        return {}

    async def put_auto_termination_policy(self, **params: Any) -> dict[str, Any]:
        """PutAutoTerminationPolicy."""
        self.clusters.set_idle_timeout(self._cluster(params), params.get("AutoTerminationPolicy"))
        return {}

    async def get_auto_termination_policy(self, **params: Any) -> dict[str, Any]:
        """GetAutoTerminationPolicy: no policy where there is none."""
        seconds = self._cluster(params).idle_timeout
        return {} if seconds is None else {"AutoTerminationPolicy": {"IdleTimeout": seconds}}

    async def remove_auto_termination_policy(self, **params: Any) -> dict[str, Any]:
        """RemoveAutoTerminationPolicy."""
        self.clusters.set_idle_timeout(self._cluster(params), None)
        return {}

    async def add_tags(self, **params: Any) -> dict[str, Any]:
        """AddTags: to a cluster, or, with ``ClusterId``, to a session of it."""
        with declared_as(INVALID):
            owned = self._tagged(params).tags
            owned.update(merge_tags(owned, read_tags(params["Tags"]), self.MOST_TAGS))
        return {}

    async def remove_tags(self, **params: Any) -> dict[str, Any]:
        """RemoveTags: from a cluster, or, with ``ClusterId``, from a session of it."""
        owned = self._tagged(params).tags
        for key in params["TagKeys"]:
            owned.pop(key, None)
        return {}

    # Steps

    async def add_job_flow_steps(self, **params: Any) -> dict[str, Any]:
        """AddJobFlowSteps: all of them or none."""
        self._check_open()
        cluster = self.clusters.get(params["JobFlowId"], code=_VALIDATION)
        cluster.check_takes_steps()
        steps = self.steps.read(cluster, params["Steps"], params.get("ExecutionRoleArn"))
        return {"StepIds": self.steps.start(cluster, steps)}

    async def describe_step(self, **params: Any) -> dict[str, Any]:
        """DescribeStep; it also answers for those that have ended."""
        return {"Step": self.steps.view(self.steps.find(params["ClusterId"], params["StepId"]))}

    async def list_steps(self, **params: Any) -> dict[str, Any]:
        """ListSteps: newest first."""
        with declared_as(INVALID):
            return self.steps.page(params)

    async def cancel_steps(self, **params: Any) -> dict[str, Any]:
        """CancelSteps: an answer for each step."""
        cluster, option = self._cluster(params), params.get("StepCancellationOption", "SEND_INTERRUPT")
        with declared_as(INVALID):
            return {"CancelStepsInfoList": self.steps.cancel(cluster, params["StepIds"], option)}

    # Sessions

    async def start_session(self, **params: Any) -> dict[str, Any]:
        """StartSession."""
        self._check_open()
        cluster = self._cluster(params)
        with declared_as(INVALID):
            return self._tokens.once("StartSession", cluster.id, params, lambda: self.sessions.start(cluster, params))

    async def get_session(self, **params: Any) -> dict[str, Any]:
        """GetSession; it also answers for those that have ended."""
        return {"Session": self.sessions.summary(self._session(params))}

    async def list_sessions(self, **params: Any) -> dict[str, Any]:
        """ListSessions: newest first."""
        with declared_as(INVALID):
            return self.sessions.page(params)

    async def terminate_session(self, **params: Any) -> dict[str, Any]:
        """TerminateSession: at once TERMINATING; harmless for a session that is TERMINATING already."""
        session = self._session(params)
        with declared_as(INVALID):
            self.sessions.terminate(session)
        return {"ClusterId": session.owner_id, "SessionId": session.id, "State": session.state}

    async def get_session_endpoint(self, **params: Any) -> dict[str, Any]:
        """GetSessionEndpoint: a new token each time; the ones before it stay good until they expire."""
        with declared_as(INVALID):
            return await self.sessions.endpoint(self._session(params))

    # Persistent application UIs

    async def create_persistent_app_ui(self, **params: Any) -> dict[str, Any]:
        """CreatePersistentAppUI; a job run has one, however often it is created."""
        return self._persistent_uis.create(params)

    async def describe_persistent_app_ui(self, **params: Any) -> dict[str, Any]:
        """DescribePersistentAppUI."""
        return self._persistent_uis.describe(params)

    async def get_persistent_app_ui_presigned_url(self, **params: Any) -> dict[str, Any]:
        """GetPersistentAppUIPresignedURL: not ready before Spark runs in the driver of the job run."""
        return self._persistent_uis.presigned_url(params)

    def _cluster(self, params: Mapping[str, Any]) -> Cluster:
        return self.clusters.get(params.get("ClusterId", ""), code=INVALID)

    def _job_flows(self, params: Mapping[str, Any]) -> list[Cluster]:
        return [self.clusters.get(cluster_id, code=_VALIDATION) for cluster_id in params["JobFlowIds"]]

    def _session(self, params: Mapping[str, Any]) -> Session:
        return self.sessions.find(params["ClusterId"], params["SessionId"], code=INVALID)

    def _tagged(self, params: Mapping[str, Any]) -> Cluster | Session:
        resource_id, cluster_id = params["ResourceId"], params.get("ClusterId")
        if cluster_id is None or resource_id == cluster_id:
            return self.clusters.get(resource_id, code=INVALID)
        return self.sessions.find(cluster_id, resource_id, code=INVALID)
