"""What is EMR on EC2's own in links and pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from typing_extensions import override

from airflow_emrs_ext.aws import ec2 as api
from airflow_emrs_ext.core.lockless import lockless_property
from airflow_emrs_ext.exceptions import AccessDenied, RequestRejected
from airflow_emrs_ext.plugin import console
from airflow_emrs_ext.plugin.views.base import DrivenRunView, LinkUnavailable, RunView


class ClusterView(RunView):
    """Something that runs on a cluster of EMR on EC2."""

    @override
    def console_page(self) -> str:
        return console.ec2(self.console, self.region, self.ids["cluster_id"])


class ClusterSessionView(ClusterView):
    """A session of a cluster of EMR on EC2; the API has no operation that leads to its Spark UI."""


class StepView(ClusterView, DrivenRunView):
    """A step of a cluster of EMR on EC2, whose logs are where the cluster puts them."""

    logs_come_every: ClassVar[str] = "five minutes"

    @lockless_property
    @override
    def defaults(self) -> Mapping[str, Any]:
        try:
            return {"log_uri": self.ask(api.describe_cluster, self.ids["cluster_id"]).get("LogUri")}
        except (AccessDenied, RequestRejected):
            return {}

    @override
    def logs_folder(self, s3_uri: str) -> str:
        return s3_uri

    @override
    def require_ui(self, facts: Mapping[str, Any]) -> None:
        raise LinkUnavailable(404, "No Spark UI", "The console's page of the cluster leads to Spark's history server.")

    @override
    def ui(self) -> str:
        raise AssertionError("unreachable: steps have no link to it")
