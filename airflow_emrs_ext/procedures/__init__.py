"""What operators and sensors do after their request: whole procedures, driven by a worker or by the triggerer.

Each takes and returns plain JSON beside its terms, so that an operator names it (:data:`PROCEDURES`), either mode runs
it, and the outcome is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_emrs_ext.procedures.applications import (
    create_application,
    delete_application,
    start_application,
    stop_application,
)
from airflow_emrs_ext.procedures.claims import abandon_claim, claim, claim_owned
from airflow_emrs_ext.procedures.emptying import delete_virtual_cluster
from airflow_emrs_ext.procedures.job_runs import (
    cancel_job_run,
    conclude_job_run,
    follow_job_run,
    request_cancellation,
)
from airflow_emrs_ext.procedures.owned import Facts, abandon, end, end_unowned, follow, watch
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
        watch,
        end,
        claim,
        claim_owned,
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

CONCLUSIONS: Mapping[str, Procedure] = {follow_job_run.__name__: conclude_job_run}
"""What says all there is to say of an error that has ended the watch for a procedure."""

# The parameter of each procedure that waits and does nothing else, which says whether the end of its wait ends more.
_ENDS = {follow.__name__: "end_on_timeout", follow_job_run.__name__: "cancel_on_timeout"}


def watch_of(procedure: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """The arguments of :func:`~airflow_emrs_ext.procedures.owned.watch` that wait for what a procedure waits for.

    :return: ``None``: the procedure does more than to wait
    """
    if procedure not in _ENDS or arguments.get("show_driver_logs") == "live":
        return None
    waited_for = {name: arguments[name] for name in ("kind", "ids", "target_states")}
    return {**waited_for, "end_on_timeout": arguments.get(_ENDS[procedure], False)}
