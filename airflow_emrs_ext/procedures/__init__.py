"""What operators and sensors do after their request: whole procedures, driven by a worker or by the triggerer.

Each takes and returns plain JSON beside its terms, so that an operator names it (:data:`PROCEDURES`), either mode runs
it, and the outcome is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from airflow_emrs_ext.procedures.applications import (
    create_application,
    delete_application,
    start_application,
    stop_application,
)
from airflow_emrs_ext.procedures.claims import abandon_claim, claim
from airflow_emrs_ext.procedures.emptying import delete_virtual_cluster
from airflow_emrs_ext.procedures.job_runs import cancel_job_run, follow_job_run, request_cancellation
from airflow_emrs_ext.procedures.owned import Facts, abandon, end, end_unowned, follow
from airflow_emrs_ext.procedures.sessions import terminate_session
from airflow_emrs_ext.steps import Steps

Procedure = Callable[..., Steps[Facts]]

PROCEDURES: Mapping[str, Procedure] = {
    procedure.__name__: procedure
    for procedure in (
        follow_job_run,
        cancel_job_run,
        request_cancellation,
        terminate_session,
        follow,
        end,
        claim,
        abandon_claim,
        abandon,
        end_unowned,
        create_application,
        start_application,
        stop_application,
        delete_application,
        delete_virtual_cluster,
    )
}
