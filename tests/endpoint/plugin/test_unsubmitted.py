"""What the page says of a task that has stored nothing of what it has started."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_emrs_ext.plugin import _compat
from airflow_emrs_ext.plugin.answers import answer
from airflow_emrs_ext.plugin.clicks import Click
from tests.endpoint.plugin.test_records import Keep, keep, serialized
from tests.unit.plugin.started import PLACE

pytestmark = pytest.mark.airflow

__all__ = ["keep"]


@pytest.mark.parametrize(
    ("state", "title", "text", "goes_on"),
    [
        ("none", "Nothing submitted yet", "The task has not started yet.", True),
        ("queued", "Nothing submitted yet", "The task has not started yet: it is queued.", True),
        ("running", "Nothing submitted yet", "The task is running", True),
        ("deferred", "Nothing submitted yet", "The task is deferred", True),
        ("up_for_retry", "Nothing submitted yet", "Airflow tries again", True),
        ("failed", "The task failed, and no run of it is known", "log (tab Logs) says why", False),
        ("success", "Nothing is known of a run", "the XCom `emr_run`", False),
        ("upstream_failed", "The task did not run", "it has submitted nothing", False),
        ("skipped", "The task did not run", "The task is skipped", False),
        (None, "No such task instance", "each index has a page of its own", False),
    ],
)
@pytest.mark.parametrize("task", ["plain", None])
def test_what_has_become_of_the_task(
    state: str | None, title: str, text: str, goes_on: bool, task: Any, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(xcom=None, task=task and serialized(task))
    monkeypatch.setattr(_compat, "task_state", lambda identity: state)
    given = answer(Click("run", PLACE))
    assert given.status == 404
    assert f"<h1>{title}</h1>" in given.body
    assert text in given.body
    assert ("Retry-After" in given.headers, "refresh" in given.body) == (goes_on, goes_on)


@pytest.mark.parametrize("task_id", ["plain", "mapped", "session", "of-another"])
def test_each_operator_with_links_submits_something(task_id: str, keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(xcom=None, task=serialized(task_id))
    monkeypatch.setattr(_compat, "task_state", lambda identity: "running")
    assert "<h1>Nothing submitted yet</h1>" in answer(Click("run", PLACE)).body


def test_a_task_of_another_operator(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(xcom=None, task={"task_id": "t", "_task_module": "airflow.operators", "_task_type": "BashOperator"})
    monkeypatch.setattr(_compat, "task_state", lambda identity: "success")
    given = answer(Click("run", PLACE))
    assert "<h1>This task runs nothing on EMR</h1>" in given.body
    assert "BashOperator" in given.body
    assert "`[emrs_ext] task_view = False`" in given.body
    assert "Retry-After" not in given.headers
