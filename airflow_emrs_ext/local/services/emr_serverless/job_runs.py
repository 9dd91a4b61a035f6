"""Job runs and their attempts: what is known of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from airflow_emrs_ext.local.base.collection import OwnedResource
from airflow_emrs_ext.local.base.driving import Driven
from airflow_emrs_ext.local.base.errors import ApiError
from airflow_emrs_ext.local.base.lifecycle import now, shorten
from airflow_emrs_ext.local.services.emr_serverless.applications import Application
from airflow_emrs_ext.local.services.emr_serverless.submission import Submission
from airflow_emrs_ext.local.services.emr_serverless.utilization import Usage
from airflow_emrs_ext.shared.states import JobRunState as S
from airflow_emrs_ext.shared.states import State


@dataclass
class Attempt(Driven):
    """One attempt of a job run.

    :param number: counted from 1
    :param state: its own state; FAILED for one that was followed by another
    :param updated_at: when the state changed last
    :param started_at: when its driver ran
    :param ended_at: when its driver had ended
    :param executor_count: the executors that it was granted
    """

    number: int
    state: State
    details: str
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    executor_count: int = 0


@dataclass(frozen=True)
class Told:
    """What the last update of a job run's utilization said of it.

    :param at: up to when
    :param used: ``totalResourceUtilization``
    :param billed: ``totalBilledResourceUtilization``
    """

    at: datetime
    used: Mapping[str, float]
    billed: Mapping[str, float]


@dataclass
class Cancellation:
    """Why a job run is to end before its time, and how long it may take over it."""

    details: str
    grace_seconds: float


@dataclass(kw_only=True)
class JobRun(OwnedResource):
    """One job run.

    :param submission: the request
    :param settings: the application's, as they were at the submission
    :param cancellation: gets its result when the job run is to be cancelled
    :param told: the last update of its utilization; ``None``: there was none
    """

    owner: Application
    submission: Submission
    settings: Mapping[str, Any]
    cancellation: asyncio.Future[Cancellation]
    attempts: list[Attempt] = field(default_factory=list)
    timeout: asyncio.TimerHandle | None = None
    told: Told | None = None

    @property
    def attempt(self) -> Attempt:
        """The latest attempt."""
        return self.attempts[-1]

    def attempt_number(self, number: int | None) -> Attempt:
        """An attempt by its number, ``None``: the latest.

        :raises ApiError: there has been no such attempt
        """
        if number is None:
            return self.attempt
        if not 1 <= number <= len(self.attempts):
            raise ApiError("ResourceNotFoundException", f"Job run {self.id} has no attempt {number}")
        return self.attempts[number - 1]

    def move(self, state: S, details: str) -> None:
        """Change the state of the job run and of its latest attempt."""
        attempt = self.attempt
        change = self.life.move(self, state, details, attempt.number)
        attempt.state, attempt.details, attempt.updated_at = state, change.details, change.at
        if state is S.RUNNING:
            attempt.started_at = change.at
        elif state.is_terminal:
            attempt.ended_at = attempt.ended_at or change.at

    def describe(self, details: str) -> None:
        """Say something else about the state that the job run is in."""
        self.attempt.details = self.life.describe(details)

    def begin_attempt(self, details: str) -> None:
        """Go (back) to SUBMITTED with a new attempt."""
        at = now()
        self.attempts.append(Attempt(len(self.attempts) + 1, S.SUBMITTED, details, at, at))
        self.move(S.SUBMITTED, details)
        self.attempt.created_at = self.attempt.updated_at

    def fail_attempt(self, details: str) -> None:
        """Mark the latest attempt FAILED because another follows; the job run itself has not failed."""
        attempt = self.attempt
        attempt.state, attempt.details, attempt.updated_at = S.FAILED, shorten(details), now()
        attempt.ended_at = attempt.ended_at or attempt.updated_at

    def queued_seconds(self) -> float:
        """How long it has been QUEUED."""
        moments = [*self.life.history, None]
        return sum(
            ((then.at if then else now()) - change.at).total_seconds()
            for change, then in zip(self.life.history, moments[1:], strict=True)
            if change.state is S.QUEUED
        )

    def usages(self, at: datetime | None = None) -> list[Usage]:
        """The workers of every attempt that has ended after it ran.

        :param at: an attempt that still runs counts up to then; ``None``: it does not count
        """
        demand = self.submission.demand
        return [
            Usage(
                demand.driver,
                demand.executor,
                attempt.executor_count,
                (ended_at - attempt.started_at).total_seconds(),
            )
            for attempt in self.attempts
            if attempt.started_at and (ended_at := attempt.ended_at or at)
        ]
