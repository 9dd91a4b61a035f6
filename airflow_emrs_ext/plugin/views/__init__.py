"""What a task has started, kind by kind: how the links and the page ask the service about it."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_emrs_ext.plugin.records import Record
from airflow_emrs_ext.plugin.views.base import DrivenRunView, LinkUnavailable, RunView
from airflow_emrs_ext.plugin.views.containers import EksJobRunView, ManagedEndpointView
from airflow_emrs_ext.plugin.views.ec2 import ClusterSessionView, StepView
from airflow_emrs_ext.plugin.views.serverless import ServerlessJobRunView, SessionView
from airflow_emrs_ext.resources import CLUSTER_SESSION, EKS_JOB_RUN, JOB_RUN, MANAGED_ENDPOINT, SESSION, STEP

VIEWS: Mapping[str, type[RunView]] = {
    JOB_RUN.key: ServerlessJobRunView,
    SESSION.key: SessionView,
    EKS_JOB_RUN.key: EksJobRunView,
    MANAGED_ENDPOINT.key: ManagedEndpointView,
    CLUSTER_SESSION.key: ClusterSessionView,
    STEP.key: StepView,
}
"""The class of each kind of :data:`~airflow_emrs_ext.resources.BILLABLE`."""


def view_of(record: Record, attempt: int | None = None) -> RunView:
    """What a task has started.

    :param record: what the task says of it
    :param attempt: of the job run; default: the latest
    """
    return VIEWS[record.kind](record, attempt)


__all__ = ["VIEWS", "DrivenRunView", "LinkUnavailable", "RunView", "view_of"]
