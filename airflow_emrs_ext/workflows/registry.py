"""The workflows by their names: what a trigger, its journal and a task that is resumed are told."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_emrs_ext.workflows import Workflow
from airflow_emrs_ext.workflows.application import (
    create_application,
    delete_application,
    start_application,
    stop_application,
    update_application,
)
from airflow_emrs_ext.workflows.drain import delete_virtual_cluster
from airflow_emrs_ext.workflows.idempotent_start import end_uncertain_start, idempotent_start, idempotent_start_billable
from airflow_emrs_ext.workflows.job_run import cancel_job_run, conclude_job_run, request_cancellation, wait_for_job_run
from airflow_emrs_ext.workflows.lifecycle import (
    end,
    end_if_orphaned,
    request_end_best_effort,
    wait_for_state,
    wait_until_changed,
)
from airflow_emrs_ext.workflows.orphans import end_active_of_task
from airflow_emrs_ext.workflows.session import terminate_session

_ALL: tuple[Workflow[...], ...] = (
    request_end_best_effort,
    end_uncertain_start,
    cancel_job_run,
    idempotent_start,
    idempotent_start_billable,
    create_application,
    delete_application,
    delete_virtual_cluster,
    end,
    end_active_of_task,
    end_if_orphaned,
    wait_for_state,
    wait_for_job_run,
    request_cancellation,
    start_application,
    stop_application,
    terminate_session,
    update_application,
    wait_until_changed,
)

WORKFLOWS: Mapping[str, Workflow[...]] = {workflow.__name__: workflow for workflow in _ALL}

CONCLUSIONS: Mapping[str, Workflow[...]] = {wait_for_job_run.__name__: conclude_job_run}
"""What says all there is to say of an error that has ended the watch for a workflow."""
