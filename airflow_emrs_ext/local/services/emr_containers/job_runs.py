"""Job runs and their attempts: what is known of them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from airflow_emrs_ext.local.base import runner as runners
from airflow_emrs_ext.local.base.collection import OwnedResource
from airflow_emrs_ext.local.base.driving import Driven
from airflow_emrs_ext.local.base.lifecycle import now, shorten
from airflow_emrs_ext.local.services.emr_containers.submission import Submission
from airflow_emrs_ext.local.services.emr_containers.virtual_clusters import VirtualCluster
from airflow_emrs_ext.shared.states import EksJobRunState as S
from airflow_emrs_ext.shared.states import State


@dataclass
class Attempt(Driven):
    """One attempt of a job run.

    :param number: counted from 1
    :param state: SUBMITTED, RUNNING, and then COMPLETED, FAILED or CANCELLED
    :param started_at: when its driver ran
    :param ended_at: when its driver had ended
    """

    number: int
    state: State = S.SUBMITTED
    details: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None

    def end(self, state: State, details: str) -> None:
        """It is over."""
        self.state, self.details, self.ended_at = state, shorten(details), now()
        self.running: runners.Attempt | None = None


@dataclass(kw_only=True)
class JobRun(OwnedResource):
    """One job run.

    :param submission: the request
    :param end: gets its result, why, when the job run is to be cancelled
    :param failure_reason: the API's word for why it failed
    """

    owner: VirtualCluster
    submission: Submission
    end: asyncio.Future[str]
    attempts: list[Attempt] = field(default_factory=list)
    failure_reason: str | None = None

    def move(self, state: S, details: str) -> None:
        """Change the state."""
        self.life.move(self, state, details, len(self.attempts) or None)

    def fail(self, reason: str, details: str) -> None:
        """End it as FAILED.

        :param reason: ``failureReason``
        :param details: sentence for ``stateDetails``
        """
        self.failure_reason = reason
        self.move(S.FAILED, details)
