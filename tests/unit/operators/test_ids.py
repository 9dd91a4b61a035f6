"""Ids, however they are given: as such, in a result, in the text of a result; nothing is told from a name."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from airflow_emrs_ext._compat import AIRFLOW_3
from airflow_emrs_ext.exceptions import ConfigurationError
from airflow_emrs_ext.operators._base.parameters import id_of
from airflow_emrs_ext.operators.application_state import EmrServerlessStartApplicationOperator
from airflow_emrs_ext.operators.session import session_ids

if AIRFLOW_3:
    from airflow.sdk import DAG
else:
    from airflow import DAG

pytestmark = pytest.mark.airflow

RESULT = {"application_id": "00f1a", "state": "CREATED", "tags": {"it's": None}, "is": True}


@pytest.mark.parametrize("given", ["00f1a", RESULT, json.dumps(RESULT), repr(RESULT), f" {RESULT} "])
def test_an_id_is_taken_from_whatever_has_it(given: Any) -> None:
    assert id_of(given, "application_id") == "00f1a"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "`application_id` is None: .* gave nothing"),
        ("None", "`application_id` is 'None': .* gave nothing"),
        ("", "`application_id` is '': .* gave nothing"),
        ({"application_id": None}, "`application_id` is None: .* gave nothing"),
        ({"job_run_id": "00f"}, "there is no 'application_id' in it"),
        (["00f"], r"`application_id` is \['00f'\], of type list"),
        (7, "`application_id` is 7, of type int; it takes an id"),
        ("Nightly-Reports", "`application_id` is 'Nightly-Reports', which is no id.*list-applications"),
        ("arn:aws:emr-serverless:eu-west-1:1:/applications/00f", "which is no id"),
    ],
)
def test_what_is_none_is_said(given: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        id_of(given, "application_id")


def test_a_session_is_taken_from_the_text_of_its_result() -> None:
    result = {"application_id": "00f", "session_id": "01a"}
    assert session_ids(repr(result)) == session_ids(result) == result


def test_it_is_said_what_gave_nothing() -> None:
    template = "{{ ti.xcom_pull(task_ids='create') }}"
    with DAG("a_dag", schedule=None, start_date=datetime(2026, 5, 1)):
        task = EmrServerlessStartApplicationOperator(task_id="start", application_id=template)
    rendered = task.prepare_for_execution()
    rendered.application_id = "None"
    with pytest.raises(ConfigurationError, match=r"task_ids='create'.* gave nothing"):
        rendered.id_of("application_id")
