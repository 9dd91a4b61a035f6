"""What a task has started, kind by kind: how the links and the page ask the service about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_emrs_ext.models import EKS_JOB_RUN, JOB_RUN, MANAGED_ENDPOINT, OWNED, SESSION
from airflow_emrs_ext.plugin.works.base import DrivenWork, NoTarget, Work
from airflow_emrs_ext.plugin.works.containers import EksJobRunWork, ManagedEndpointWork
from airflow_emrs_ext.plugin.works.serverless import ServerlessJobRunWork, SessionWork

WORKS: Mapping[str, type[Work]] = {
    JOB_RUN.key: ServerlessJobRunWork,
    SESSION.key: SessionWork,
    EKS_JOB_RUN.key: EksJobRunWork,
    MANAGED_ENDPOINT.key: ManagedEndpointWork,
}
"""The class of each kind of :data:`~airflow_emrs_ext.models.OWNED`."""


def is_record(record: Mapping[str, Any]) -> bool:
    """Whether an XCom is one that a task has stored for its links; another may have its name."""
    kind = OWNED.get(str(record.get("kind")))
    return kind is not None and all(isinstance(record.get(name), str) for name in kind.id_names)


def work_of(record: Mapping[str, Any], attempt: int | None = None) -> Work:
    """What a task has started.

    :param record: what the task has stored as :data:`~airflow_emrs_ext.links.runs.RECORD`
    :param attempt: of the job run; default: the latest
    """
    return WORKS[record["kind"]](record, attempt)


__all__ = ["WORKS", "DrivenWork", "NoTarget", "Work", "is_record", "work_of"]
