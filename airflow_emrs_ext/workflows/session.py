"""What is done with a session."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_emrs_ext.aws import serverless as api
from airflow_emrs_ext.core.effects import Effects, RunContext
from airflow_emrs_ext.exceptions import EmrError
from airflow_emrs_ext.resources import SESSION
from airflow_emrs_ext.workflows.lifecycle import REPORT_SECONDS, Facts, end, with_timeout


def terminate_session(ctx: RunContext, *, ids: Mapping[str, str], wait_for_completion: bool = True) -> Effects[Facts]:
    """Terminate a session and wait until it is over; one that has ended, or is not there, is success.

    :param wait_for_completion: ``False``: request the end and return
    """
    facts = yield from end(ctx, kind=SESSION.key, ids=ids, wait_for_completion=wait_for_completion)
    if not facts.get("ended_at"):
        return facts
    return {**facts, "architecture": (yield from _architecture(ctx, ids["application_id"]))}


def _architecture(ctx: RunContext, application_id: str) -> Effects[str | None]:
    """What the prices of an application's workers depend on; what may not be read is left out."""
    try:
        application = yield from api.get_application(with_timeout(ctx, REPORT_SECONDS), application_id)
    except EmrError as error:
        ctx.log.warning("The architecture of application %s is not known: %s", application_id, error)
        return None
    architecture: str | None = application.get("architecture")
    return architecture
