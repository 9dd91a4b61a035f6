"""Starts work of EMR on EKS at the local endpoint."""

from __future__ import annotations

from typing import Any

from airflow_emrs_ext.local.testing import LocalEmr
from airflow_emrs_ext.plugin.records import Record
from tests.polling import eventually
from tests.unit.plugin.started import TAGS, recorded

ROLE = "arn:aws:iam::123456789012:role/job"


class Cluster:
    """A virtual cluster."""

    def __init__(self, emr: LocalEmr) -> None:
        self.emr = emr
        self.client = emr.client("emr-containers")
        provider = {"type": "EKS", "id": "cluster", "info": {"eksInfo": {"namespace": "jobs"}}}
        self.cluster_id = str(self.client.create_virtual_cluster(name="jobs", containerProvider=provider)["id"])

    def record(self, kind: str, **ids: str) -> Record:
        """What a task stores for its links."""
        return recorded(kind, virtual_cluster_id=self.cluster_id, **ids)

    def job_run(
        self,
        state: str,
        monitoring: dict[str, Any] | None = None,
        *,
        attempts: int = 1,
        parameters: str = "",
        **members: Any,
    ) -> Record:
        """The record of a job run that is in a state."""
        driver = {"entryPoint": "s3://bucket/job.py", **({"sparkSubmitParameters": parameters} if parameters else {})}
        if attempts > 1:
            members["retryPolicyConfiguration"] = {"maxAttempts": attempts}
        if monitoring:
            members["configurationOverrides"] = {"monitoringConfiguration": monitoring}
        job_run_id = self.client.start_job_run(
            virtualClusterId=self.cluster_id,
            executionRoleArn=ROLE,
            releaseLabel="emr-7.10.0-latest",
            jobDriver={"sparkSubmitJobDriver": driver},
            **{"tags": TAGS, **members},
        )["id"]
        about = {"virtualClusterId": self.cluster_id, "id": job_run_id}
        eventually(lambda: self.client.describe_job_run(**about)["jobRun"]["state"] == state)
        return self.record("eks_job_run", job_run_id=job_run_id)

    def managed_endpoint(self, state: str) -> Record:
        """The record of a managed endpoint that is in a state."""
        endpoint_id = self.client.create_managed_endpoint(
            virtualClusterId=self.cluster_id,
            name="mine",
            type="SPARK_CONNECT",
            releaseLabel="emr-7.14.0-latest",
            executionRoleArn=ROLE,
            tags=TAGS,
        )["id"]
        about = {"virtualClusterId": self.cluster_id, "id": endpoint_id}
        eventually(lambda: self.client.describe_managed_endpoint(**about)["endpoint"]["state"] == state)
        return self.record("managed_endpoint", endpoint_id=endpoint_id)
