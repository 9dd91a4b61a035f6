"""The resources of EMR on EKS."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from typing_extensions import override

from airflow_emrs_ext.resources.base import (
    Api,
    EndableKind,
    JobRunKind,
    Snapshot,
    SparkConnect,
    details_of,
    to_json,
)
from airflow_emrs_ext.resources.remedy import Remedy
from airflow_emrs_ext.shared.states import EksJobRunState, ManagedEndpointState, VirtualClusterState

SERVICE = "emr-containers"

API = Api(SERVICE, own_id="id", longest_name=64, not_in_a_name=re.compile(r"[^.\-_/#A-Za-z0-9]"))


class VirtualCluster(EndableKind[VirtualClusterState]):
    """A virtual cluster: a namespace of an EKS cluster; ids: ``virtual_cluster_id``."""

    name = "Virtual cluster"
    states = VirtualClusterState
    api = API
    key = "virtual_cluster"
    id_names: ClassVar[tuple[str, ...]] = ("virtual_cluster_id",)
    starts = "create_virtual_cluster"
    describes = "describe_virtual_cluster"
    lists = "list_virtual_clusters"
    verb = "delete"
    ends = "delete_virtual_cluster"
    ending: ClassVar[VirtualClusterState] = VirtualClusterState.TERMINATING
    end_state: ClassVar[VirtualClusterState] = VirtualClusterState.TERMINATED
    stuck: ClassVar[VirtualClusterState] = VirtualClusterState.ARRESTED

    @override
    def read(self, ids: Mapping[str, str], response: Mapping[str, Any]) -> Snapshot:
        cluster = response["virtualCluster"]
        provider = cluster.get("containerProvider", {})
        state = self.states.parse(cluster["state"])
        facts = {
            "virtual_cluster_id": cluster["id"],
            "arn": cluster.get("arn"),
            "name": cluster.get("name"),
            "state": str(state),
            "state_details": "",
            "eks_cluster": provider.get("id"),
            "namespace": provider.get("info", {}).get("eksInfo", {}).get("namespace"),
            "created_at": to_json(cluster["createdAt"]),
            "tags": cluster.get("tags", {}),
        }
        return Snapshot(state, "", None, facts)


class EksJobRun(JobRunKind[EksJobRunState]):
    """An EMR on EKS job run; ids: ``virtual_cluster_id``, ``job_run_id``."""

    name = "Job run"
    states = EksJobRunState
    api = API
    key = "eks_job_run"
    id_names: ClassVar[tuple[str, ...]] = ("virtual_cluster_id", "job_run_id")
    belongs_to = "virtual cluster"
    starts = "start_job_run"
    describes = "describe_job_run"
    lists = "list_job_runs"
    # EventBridge's reference has both names.
    events: ClassVar[tuple[str, ...]] = ("EMR Job Run State Change", "EmrContainers Job Run State Change")
    verb = "cancel"
    ends = "cancel_job_run"
    ending: ClassVar[EksJobRunState] = EksJobRunState.CANCEL_PENDING
    end_state: ClassVar[EksJobRunState] = EksJobRunState.CANCELLED
    failure: ClassVar[EksJobRunState] = EksJobRunState.FAILED
    running: ClassVar[EksJobRunState] = EksJobRunState.RUNNING

    @override
    def read(self, ids: Mapping[str, str], response: Mapping[str, Any]) -> Snapshot:
        run = response["jobRun"]
        state = self.states.parse(run["state"])
        reason = run.get("failureReason")
        # What the service says of a failure is often no more than its kind.
        details = details_of(reason, run.get("stateDetails"))
        attempt = run.get("retryPolicyExecution", {}).get("currentAttemptCount") or 1
        created_at, ended_at = to_json(run["createdAt"]), to_json(run.get("finishedAt"))
        driver = run.get("jobDriver", {})
        facts = {
            "virtual_cluster_id": run["virtualClusterId"],
            "job_run_id": run["id"],
            "arn": run.get("arn"),
            "name": run.get("name"),
            "type": "SPARK_SQL" if "sparkSqlJobDriver" in driver else "SPARK",
            "state": str(state),
            "state_details": details,
            "failure_reason": reason,
            "attempt": attempt,
            "created_at": created_at,
            "created_by": run.get("createdBy"),
            "updated_at": ended_at or created_at,
            "ended_at": ended_at,
            "release_label": run.get("releaseLabel"),
            "execution_role_arn": run.get("executionRoleArn"),
            "retry_policy": run.get("retryPolicyConfiguration"),
            "monitoring_configuration": run.get("configurationOverrides", {}).get("monitoringConfiguration", {}),
            "tags": run.get("tags", {}),
        }
        return Snapshot(state, details, attempt, facts)

    @override
    def has_driver(self, facts: Mapping[str, Any]) -> bool:
        return facts["attempt"] > 1 or facts["state"] not in (EksJobRunState.PENDING, EksJobRunState.SUBMITTED)

    @override
    def log_locations(self, facts: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
        monitoring = {**defaults, **facts["monitoring_configuration"]}
        path = f"{facts['virtual_cluster_id']}/jobs/{facts['job_run_id']}/containers"
        log_uri = monitoring.get("s3MonitoringConfiguration", {}).get("logUri")
        cloud_watch = monitoring.get("cloudWatchMonitoringConfiguration", {})
        group, prefix = cloud_watch.get("logGroupName"), cloud_watch.get("logStreamNamePrefix")
        return {
            "s3_uri": f"{log_uri.rstrip('/')}/{path}/" if log_uri else None,
            "cloudwatch_log_group": group,
            "cloudwatch_log_stream_prefix": "/".join(filter(None, (prefix, path))) if group else None,
            "managed_storage": False,
            # Below these are folders of pods, whose names only the pods know.
            "driver_pod": f"spark-{facts['job_run_id']}-driver",
        }


class ManagedEndpoint(EndableKind[ManagedEndpointState]):
    """An EMR on EKS managed endpoint; ids: ``virtual_cluster_id``, ``endpoint_id``. Its facts hold no secret."""

    name = "Managed endpoint"
    states = ManagedEndpointState
    api = API
    key = "managed_endpoint"
    id_names: ClassVar[tuple[str, ...]] = ("virtual_cluster_id", "endpoint_id")
    starts = "create_managed_endpoint"
    describes = "describe_managed_endpoint"
    lists = "list_managed_endpoints"
    verb = "delete"
    ends = "delete_managed_endpoint"
    ending: ClassVar[ManagedEndpointState] = ManagedEndpointState.TERMINATING
    end_state: ClassVar[ManagedEndpointState] = ManagedEndpointState.TERMINATED
    failure: ClassVar[ManagedEndpointState] = ManagedEndpointState.TERMINATED_WITH_ERRORS
    belongs_to = "virtual cluster"
    spark_connect: ClassVar[SparkConnect] = SparkConnect(
        # Its credentials may be asked for another role than its own.
        options=("execution_role_arn",),
        remedies=(
            Remedy(r"CLUSTER_UNAVAILABLE", "Look after the EKS cluster; then create another endpoint."),
            Remedy(
                r"WITH_ERRORS", "The logs of its pods say more (`kubectl logs` in the namespace); then create another."
            ),
            Remedy(r"", "Somebody deleted it: create another."),
        ),
    )

    @override
    def read(self, ids: Mapping[str, str], response: Mapping[str, Any]) -> Snapshot:
        endpoint = response["endpoint"]
        state = self.states.parse(endpoint["state"])
        reason = endpoint.get("failureReason")
        details = details_of(reason, endpoint.get("stateDetails"))
        facts = {
            "virtual_cluster_id": endpoint["virtualClusterId"],
            "endpoint_id": endpoint["id"],
            "arn": endpoint.get("arn"),
            "name": endpoint.get("name"),
            "type": endpoint.get("type"),
            "state": str(state),
            "state_details": details,
            "failure_reason": reason,
            "release_label": endpoint.get("releaseLabel"),
            "execution_role_arn": endpoint.get("executionRoleArn"),
            "created_at": to_json(endpoint["createdAt"]),
            "tags": endpoint.get("tags", {}),
        }
        return Snapshot(state, details, None, facts)
