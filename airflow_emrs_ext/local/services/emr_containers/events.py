"""The events of the service.

EventBridge's reference names their types; no sample of their details is published, so these have the members of the
API's ``JobRun`` structure.
"""

from __future__ import annotations

from collections.abc import Iterator

from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.events import Event, spelled
from airflow_emrs_ext.local.base.lifecycle import Transition
from airflow_emrs_ext.local.base.naming import caller_arn
from airflow_emrs_ext.local.base.views import filled
from airflow_emrs_ext.local.services.emr_containers.job_runs import JobRun

SOURCE = "aws.emr-containers"


def events(transition: Transition, config: ServiceConfig) -> Iterator[Event]:
    """The events of a change, told once the change is complete."""
    run, change = transition.resource, transition.change
    if isinstance(run, JobRun):
        detail = filled(
            id=run.id,
            name=run.name,
            virtualClusterId=run.owner_id,
            arn=run.arn,
            state=str(change.state),
            stateDetails=change.details or None,
            failureReason=run.failure_reason,
            releaseLabel=run.submission.release_label,
            executionRoleArn=run.submission.execution_role_arn,
            createdBy=caller_arn(config),
            createdAt=spelled(run.created_at),
            finishedAt=spelled(change.at) if change.state.is_terminal else None,
        )
        yield Event(SOURCE, "EMR Job Run State Change", change.at, detail)
