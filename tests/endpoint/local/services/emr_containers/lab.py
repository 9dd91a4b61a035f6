"""EMR on EKS of an endpoint, over HTTP, and short ways to use it."""

from __future__ import annotations

import gzip
from typing import Any

import botocore.config
import botocore.exceptions
import botocore.session
import pytest

from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from airflow_emrs_ext.shared.states import EksJobRunState
from tests.polling import eventually

ROLE = "arn:aws:iam::123456789012:role/jobs"
RELEASE = "emr-7.5.0-latest"
SUBMIT = {"sparkSubmitJobDriver": {"entryPoint": "s3://bucket/job.py"}}
SQL = {"sparkSqlJobDriver": {"entryPoint": "s3://bucket/report.sql", "sparkSqlParameters": "--hivevar day=1"}}
HOLD = ScriptedAttempt(running_after=0, hold=True)
FAIL = ScriptedAttempt(running_after=0, ends_after=0.01, succeeded=False, details="boom")
PASS = ScriptedAttempt(running_after=0, ends_after=0.01)


def needs(shape: str, service: str = "emr-containers") -> Any:
    """Mark a test that needs a botocore whose model of a service has this shape."""
    known = botocore.session.get_session().get_service_model(service).shape_names
    return pytest.mark.skipif(shape not in known, reason=f"a botocore that knows {shape}")


needs_scheduler = needs("SchedulerConfiguration")

_ONCE = botocore.config.Config(retries={"total_max_attempts": 1})


class Eks:
    """The service and a client that tries once."""

    def __init__(self, emr: LocalEmr) -> None:
        self.emr = emr
        self.client: Any = emr.client("emr-containers", config=_ONCE)
        emr.script([PASS])

    def cluster(self, namespace: str = "jobs", eks: str = "cluster", **params: Any) -> str:
        """Create a virtual cluster."""
        provider = {"type": "EKS", "id": eks, "info": {"eksInfo": {"namespace": namespace}}}
        given = {"name": "a-cluster", "containerProvider": provider, **params}
        return str(self.client.create_virtual_cluster(**given)["id"])

    def cluster_view(self, cluster_id: str) -> dict[str, Any]:
        """DescribeVirtualCluster."""
        view: dict[str, Any] = self.client.describe_virtual_cluster(id=cluster_id)["virtualCluster"]
        return view

    def submit(self, cluster_id: str, **params: Any) -> str:
        """Start a job run."""
        given: dict[str, Any] = {"executionRoleArn": ROLE, "releaseLabel": RELEASE, "jobDriver": SUBMIT}
        if "jobTemplateId" in params:
            given = {}
        return str(self.client.start_job_run(virtualClusterId=cluster_id, **{**given, **params})["id"])

    def run(self, cluster_id: str, job_run_id: str) -> dict[str, Any]:
        """DescribeJobRun."""
        view: dict[str, Any] = self.client.describe_job_run(virtualClusterId=cluster_id, id=job_run_id)["jobRun"]
        return view

    def reached(self, cluster_id: str, job_run_id: str, *states: str) -> dict[str, Any]:
        """The job run once it is in one of these states; without any: once it has ended."""

        def look() -> dict[str, Any] | None:
            run = self.run(cluster_id, job_run_id)
            wanted = run["state"] in states if states else EksJobRunState(run["state"]).is_terminal
            return run if wanted else None

        return eventually(look)

    def attempt_reached(self, job_run_id: str, number: int, state: str) -> None:
        """Once an attempt is in this state."""
        wanted = (number, state)
        eventually(lambda: wanted in [(one["attempt"], one["state"]) for one in self.record(job_run_id)["attempts"]])

    def record(self, job_run_id: str) -> dict[str, Any]:
        """All that the endpoint knows of a job run."""
        return {record["id"]: record for record in self.emr.eks_job_runs()}[job_run_id]

    def path(self, job_run_id: str) -> list[str]:
        """The states that a job run went through."""
        return [change["state"] for change in self.record(job_run_id)["stateHistory"]]

    def template(self, **data: Any) -> str:
        """Create a job template."""
        given = {"executionRoleArn": ROLE, "releaseLabel": RELEASE, "jobDriver": SUBMIT, **data}
        return str(self.client.create_job_template(name="a-template", jobTemplateData=given)["id"])

    def logs(self, bucket: str) -> dict[str, str]:
        """Every object of a bucket, unpacked, by key."""
        s3 = self.emr.client("s3")
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket).get("Contents", ())]
        return {key: gzip.decompress(s3.get_object(Bucket=bucket, Key=key)["Body"].read()).decode() for key in keys}


def refused(code: str = "ValidationException", match: str = "") -> Any:
    """The call is answered with this error, whose message matches."""
    return pytest.raises(botocore.exceptions.ClientError, match=rf"\({code}\).*{match}")
