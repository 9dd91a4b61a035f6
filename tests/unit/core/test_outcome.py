from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_emrs_ext import exceptions
from airflow_emrs_ext.core.outcome import Outcome
from airflow_emrs_ext.exceptions import EmrError, InvalidEvent, JobRunFailed

ERRORS = [one for one in vars(exceptions).values() if isinstance(one, type) and EmrError in one.__mro__[1:]]


def cross(outcome: Outcome) -> Outcome:
    return Outcome.from_event(json.loads(json.dumps(outcome.to_event())))


def test_a_result_crosses() -> None:
    assert cross(Outcome(result={"state": "SUCCESS", "attempt": 1})).result == {"state": "SUCCESS", "attempt": 1}


@pytest.mark.parametrize("error_class", ERRORS)
def test_every_error_crosses(error_class: type[EmrError]) -> None:
    error = cross(Outcome(error=error_class("what happened", {"attempt": 2}))).error
    assert type(error) is error_class
    assert (str(error), error.facts) == ("what happened", {"attempt": 2})


@pytest.mark.parametrize(
    "event",
    [
        None,
        "success",
        {},
        {"status": "success", "job_details": {}},
        {"format": 2, "result": {}},
        {"format": 1},
        {"format": 1, "result": None},
        {"format": 1, "error": {"message": "no type"}},
        {"format": 1, "error": {"type": "JobRunFailed", "message": "", "facts": "none"}},
        {"format": 1, "result": {}, "then": {"format": 2}},
    ],
)
def test_anything_else_is_refused(event: Any) -> None:
    with pytest.raises(InvalidEvent):
        Outcome.from_event(event)


def test_an_error_that_a_newer_version_has_added_is_retried_as_any_other() -> None:
    event = {"format": 1, "error": {"type": "QuotaOnMars", "message": "wait", "facts": {"job_run_id": "00f"}}}
    error = Outcome.from_event(event).error
    assert type(error) is EmrError
    assert (str(error), error.facts) == ("wait", {"job_run_id": "00f"})


def test_what_a_newer_version_adds_to_an_event_is_ignored() -> None:
    event = {"format": 1, "result": {"state": "SUCCESS"}, "colour": "blue", "then": {"colour": "red"}}
    assert Outcome.from_event(event).result == {"state": "SUCCESS"}


def test_an_error_is_an_airflow_exception() -> None:
    from airflow_emrs_ext._compat import AirflowException

    assert issubclass(JobRunFailed, AirflowException)
