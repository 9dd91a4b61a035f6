"""What is EMR on EKS' own in links and pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from airflow_emrs_ext.core.lockless import lockless_property
from airflow_emrs_ext.exceptions import RequestRejected, ResourceNotFound
from airflow_emrs_ext.plugin import console
from airflow_emrs_ext.plugin.pages import AGAIN_SECONDS
from airflow_emrs_ext.plugin.views.base import DrivenRunView, LinkUnavailable, RunView
from airflow_emrs_ext.plugin.views.persistent_uis import presigned_url
from airflow_emrs_ext.workflows.driver_logs.pods import CloudWatchPodLogs, PodLogs, S3PodLogs


class ContainersView(RunView):
    """Something that runs in a virtual cluster."""

    @override
    def console_page(self) -> str:
        return console.eks(self.console, self.region, self.ids["virtual_cluster_id"])


class EksJobRunView(ContainersView, DrivenRunView):
    """A job run of EMR on EKS, which counts its attempts and describes none but the latest."""

    @lockless_property
    @override
    def facts(self) -> dict[str, Any]:
        latest = self.kind.read(self.ids, self.described).facts
        if self.attempt in (None, latest["attempt"]):
            return latest
        if not 1 <= self.attempt < latest["attempt"]:
            raise LinkUnavailable(
                404, "No such attempt", f"{self.kind.label(self.ids)} has had no attempt {self.attempt} so far."
            )
        return {**latest, "attempt": self.attempt, "state": str(self.kind.failure)}

    @lockless_property
    @override
    def driver_locations(self) -> Mapping[str, Any]:
        locations = self.locations
        pod = (self.facts["attempt"], locations["driver_pod"])
        if folder := locations["s3_uri"]:
            return {**locations, "s3_uri": self._found(S3PodLogs(folder, *pod))}
        if group := locations["cloudwatch_log_group"]:
            logs = CloudWatchPodLogs(group, locations["cloudwatch_log_stream_prefix"], *pod)
            return {**locations, "cloudwatch_log_stream_prefix": self._found(logs)}
        return locations

    def _found(self, logs: PodLogs) -> str:
        try:
            return self.ask(logs.folder, strictly=self.is_active)
        except ResourceNotFound as error:
            raise self.missing(logs.place("stdout")) from error

    @override
    def require_ui(self, facts: Mapping[str, Any]) -> None:
        if self.facts["monitoring_configuration"].get("persistentAppUI") == "DISABLED":
            raise LinkUnavailable(
                404,
                "The persistent Spark UI is switched off",
                "The monitoring configuration of this job run says `persistentAppUI`: DISABLED. Leave that out, or say "
                "ENABLED, in the `configuration_overrides` of the next one. The logs are where the configuration puts "
                "them.",
            )

    @override
    def ui(self) -> str:
        virtual_cluster_arn, _, _ = self.facts["arn"].partition("/jobruns/")
        seconds = self.seconds_left
        try:
            url = self.ask(presigned_url, virtual_cluster_arn, self.ids["job_run_id"], patience_seconds=seconds)
        except RequestRejected as error:
            if error.facts.get("code") != "InvalidRequestException":
                raise
            raise LinkUnavailable(409, "No Spark UI", f"The service has none to show. {error.message}") from error
        if url is None:
            text = (
                "The service is preparing the Spark UI. This page tries again by itself; of a job run whose driver has "
                "never run there is none."
            )
            raise LinkUnavailable(409, "Not ready yet", text, again_after=AGAIN_SECONDS)
        return url


class ManagedEndpointView(ContainersView):
    """A managed endpoint of EMR on EKS."""
