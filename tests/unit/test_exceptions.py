"""What others make of the errors: Airflow's retry policies, and processes that they are sent to."""

from __future__ import annotations

import pickle

import pytest

from airflow_emrs_ext._compat import AIRFLOW_VERSION, AirflowFailException
from airflow_emrs_ext.exceptions import EmrError, JobRunFailed, RequestRejected, ServiceUnavailable

pytestmark = pytest.mark.airflow


@pytest.mark.skipif(AIRFLOW_VERSION.release < (3, 3), reason="Airflow has retry policies from 3.3 on")
def test_airflows_retry_policies_tell_the_errors_apart() -> None:
    from airflow.sdk.definitions.retry_policy import ExceptionRetryPolicy, RetryAction, RetryRule

    policy = ExceptionRetryPolicy(
        rules=[
            RetryRule("airflow_emrs_ext.exceptions.JobRunFailed", RetryAction.FAIL, reason="the job itself failed"),
            RetryRule(ServiceUnavailable, RetryAction.RETRY),
        ]
    )

    def decided(error: EmrError) -> RetryAction:
        return policy.evaluate(error, try_number=1, max_tries=3).action

    assert decided(JobRunFailed("it failed")) is RetryAction.FAIL
    assert decided(ServiceUnavailable("it is away")) is RetryAction.RETRY
    assert decided(EmrError("something else")) is RetryAction.DEFAULT


def test_what_a_retry_cannot_change_is_not_retried() -> None:
    assert issubclass(RequestRejected, AirflowFailException)
    assert not issubclass(JobRunFailed, AirflowFailException)


def test_an_error_of_another_version_is_an_error_all_the_same() -> None:
    error = EmrError.from_event({"type": "OfTomorrow", "message": "it is new", "facts": {"job_run_id": "00f"}})
    assert (type(error), str(error), error.facts) == (EmrError, "it is new", {"job_run_id": "00f"})


def test_an_error_keeps_its_facts_on_its_way_to_another_process() -> None:
    error = pickle.loads(pickle.dumps(JobRunFailed("it failed", {"job_run_id": "00f"})))
    assert (type(error), str(error), error.facts) == (JobRunFailed, "it failed", {"job_run_id": "00f"})
