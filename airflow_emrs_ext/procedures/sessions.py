"""What is done with a session."""

from __future__ import annotations

from collections.abc import Iterable

from airflow_emrs_ext import serverless_api as api
from airflow_emrs_ext.exceptions import EmrError, ResourceNotFound
from airflow_emrs_ext.models import SESSION
from airflow_emrs_ext.procedures.owned import REPORT_SECONDS, Facts, await_owned, briefly, request_end
from airflow_emrs_ext.states import SessionState
from airflow_emrs_ext.steps import Steps, Terms
from airflow_emrs_ext.waiting import await_state

_ENDED = tuple(state for state in SessionState if state.is_terminal)


def follow_session(
    terms: Terms,
    *,
    application_id: str,
    session_id: str,
    target_states: Iterable[str],
    terminate_on_timeout: bool = False,
) -> Steps[Facts]:
    """Wait until a session is in one of ``target_states``.

    :param terminate_on_timeout: terminate it if the wait ends before it is
    :raises SessionEnded: it ended instead
    """
    ids = {"application_id": application_id, "session_id": session_id}
    targets = [SessionState(state) for state in target_states]
    return (yield from await_owned(terms, SESSION, ids, targets, end_on_timeout=terminate_on_timeout)).facts


def terminate_session(
    terms: Terms, *, application_id: str, session_id: str, wait_for_completion: bool = True
) -> Steps[Facts]:
    """Terminate a session and wait until it is over; one that has ended, or is not there, is success.

    :param wait_for_completion: ``False``: request the end and return
    """
    ids = {"application_id": application_id, "session_id": session_id}
    try:
        facts = yield from request_end(terms, SESSION, ids)
        if not wait_for_completion:
            return facts
        ended = (yield from await_state(SESSION, ids, _ENDED, terms)).facts
        return {**ended, "architecture": (yield from _architecture(terms, application_id))}
    except ResourceNotFound:
        terms.log.info("Session %s does not exist (any more)", session_id)
        return {**ids, "state": str(SessionState.TERMINATED), "state_details": "not found"}


def _architecture(terms: Terms, application_id: str) -> Steps[str | None]:
    """What the prices of an application's workers depend on; what may not be read is left out."""
    try:
        application = yield from api.get_application(briefly(terms, REPORT_SECONDS), application_id)
    except EmrError as error:
        terms.log.warning("The architecture of application %s is not known: %s", application_id, error)
        return None
    architecture: str | None = application.get("architecture")
    return architecture
