"""Persistent application UIs: how Amazon EMR's own API leads to the Spark UI of a job run of EMR on EKS.

A client calls CreatePersistentAppUI with the ARN of the virtual cluster and the id of the job run, then
GetPersistentAppUIPresignedURL until ``PresignedURLReady``; the URL is good once and for a limited time. While the last
attempt of the job run runs it leads to the driver's own UI, afterwards to the history server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.dashboards import Dashboards
from airflow_emrs_ext.local.base.errors import ApiError
from airflow_emrs_ext.local.base.lifecycle import now
from airflow_emrs_ext.local.base.naming import caller_arn, random_id
from airflow_emrs_ext.local.base.regions import is_visible
from airflow_emrs_ext.local.services.emr_containers.job_run_operations import JobRuns
from airflow_emrs_ext.local.services.emr_containers.job_runs import JobRun
from airflow_emrs_ext.local.services.emr_containers.naming import virtual_cluster_arn

OPERATIONS = ("CreatePersistentAppUI", "DescribePersistentAppUI", "GetPersistentAppUIPresignedURL")

_INVALID = "InvalidRequestException"
_HISTORY_SERVER = "SHS"


@dataclass(frozen=True)
class _PersistentUi:
    ui_id: str
    run: JobRun
    tags: list[dict[str, str]]
    created_at: datetime


class PersistentAppUIs:
    """All persistent application UIs of the account.

    :param config: account and Region
    :param job_runs: those of EMR on EKS
    :param dashboards: mints the URLs
    """

    def __init__(self, config: ServiceConfig, job_runs: JobRuns, dashboards: Dashboards) -> None:
        self._config = config
        self._job_runs = job_runs
        self._dashboards = dashboards
        self._by_id: dict[str, _PersistentUi] = {}

    def create(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """CreatePersistentAppUI; a job run has one, however often it is created."""
        if params.get("ProfilerType", _HISTORY_SERVER) != _HISTORY_SERVER:
            raise _invalid(f"ProfilerType: a job run of EMR on EKS has a UI of the type {_HISTORY_SERVER} only")
        run = self._find(params)
        if run.submission.monitoring["persistentAppUI"] == "DISABLED":
            raise _invalid(
                f"Job run {run.id} has no persistent application UI: its monitoringConfiguration says that"
                " persistentAppUI is DISABLED"
            )
        known = next((ui for ui in self._by_id.values() if ui.run is run), None)
        if known is None:
            ui_id = "p-" + random_id(13).upper()
            known = self._by_id[ui_id] = _PersistentUi(ui_id, run, params.get("Tags") or [], now())
        return {"PersistentAppUIId": known.ui_id, "RuntimeRoleEnabledCluster": False}

    def describe(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """DescribePersistentAppUI."""
        ui = self._get(params)
        return {
            "PersistentAppUI": {
                "PersistentAppUIId": ui.ui_id,
                "PersistentAppUITypeList": [_HISTORY_SERVER],
                "PersistentAppUIStatus": "ATTACHED",
                "AuthorId": caller_arn(self._config),
                "CreationTime": ui.created_at,
                "LastModifiedTime": ui.created_at,
                "Tags": ui.tags,
            }
        }

    def presigned_url(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """GetPersistentAppUIPresignedURL: not ready before Spark runs in the driver of the job run."""
        run = self._get(params).run
        if params.get("PersistentAppUIType", _HISTORY_SERVER) != _HISTORY_SERVER:
            raise _invalid(f"PersistentAppUIType: must be {_HISTORY_SERVER}, not {params['PersistentAppUIType']}")
        attempt = next((attempt for attempt in reversed(run.attempts) if attempt.started_at), None)
        if attempt is None or (attempt.running and attempt.running.dashboard_url() is None):
            return {"PresignedURLReady": False}
        name = f"Attempt {attempt.number} of job run {run.id}"
        return {"PresignedURLReady": True, "PresignedURL": self._dashboards.mint(name, attempt)}

    def clear(self) -> None:
        """Forget every UI."""
        self._by_id.clear()

    def _get(self, params: Mapping[str, Any]) -> _PersistentUi:
        found = self._by_id.get(params.get("PersistentAppUIId", ""))
        if found is None or not is_visible(found.run.arn):
            raise _invalid(f"Persistent application UI {params.get('PersistentAppUIId')} does not exist")
        return found

    def _find(self, params: Mapping[str, Any]) -> JobRun:
        arn: str = params["TargetResourceArn"]
        cluster_id = arn.rpartition("/")[2]
        if arn != virtual_cluster_arn(self._config, cluster_id):
            raise _invalid(f"TargetResourceArn: {arn} is not the ARN of a virtual cluster of EMR on EKS here")
        job_run_id = (params.get("EMRContainersConfig") or {}).get("JobRunId")
        if not job_run_id:
            raise _invalid("EMRContainersConfig.JobRunId: is required for a virtual cluster")
        return self._job_runs.find(cluster_id, job_run_id, code=_INVALID)


def _invalid(message: str) -> ApiError:
    return ApiError(_INVALID, message)
