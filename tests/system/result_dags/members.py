"""What tasks get of the results of others, wherever they refer to a member of one."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from airflow_emrs_ext._compat import AirflowSkipException, Context
from airflow_emrs_ext.operators._base.operator import EmrServerlessOperator

try:
    from airflow.sdk import DAG, task, task_group
except ImportError:
    from airflow import DAG
    from airflow.decorators import task, task_group


class Giving(EmrServerlessOperator):
    """Has a result, and an id of its own before it."""

    template_fields = ("number",)

    def __init__(self, *, number: int = 1, is_skipped: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.number = number
        self.is_skipped = is_skipped

    def execute(self, context: Context) -> dict[str, Any]:
        run_id = f"id{self.number}"
        context["ti"].xcom_push(key="job_run_id", value=run_id)
        if self.is_skipped:
            raise AirflowSkipException
        return {"job_run_id": run_id, "number": self.number, "nested": {"of": [1, 2]}, "none": None}


class Taking(EmrServerlessOperator):
    """Takes one of them."""

    template_fields = ("taken", "wanted")

    def __init__(self, *, taken: Any, wanted: Any, name: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.taken = taken
        self.wanted = wanted

    def execute(self, context: Context) -> None:
        """Compare it."""
        check(self.taken, json.dumps(self.wanted))


def check(taken: Any, wanted: str) -> None:
    """Fail the task if it is not the wanted one."""
    if isinstance(taken, str) and wanted.startswith("["):
        taken = json.loads(taken)
    if taken != json.loads(wanted):
        raise AssertionError(f"{taken!r} instead of {wanted}")


with DAG("members", schedule=None, start_date=datetime(2026, 5, 1)):
    one = Giving(task_id="one")
    none = Giving(task_id="none", is_skipped=True)
    many = Giving.partial(task_id="many").expand(number=[1, 2, 3])
    each = Giving.partial(task_id="each", multiple_outputs=True).expand(number=[4, 5])

    @task(trigger_rule="all_done")
    def taking(taken: Any, wanted: str) -> None:
        """A function that takes one of them."""
        check(taken, wanted)

    @task_group
    def grouped(number: int) -> None:
        """Takes from a task of the same group."""
        inner = Giving(task_id="inner", number=number)
        of_one.override(task_id="of_one")(inner.output["number"], inner.output["job_run_id"])

    @task
    def of_one(number: int, own_id: str) -> None:
        """Both are of the same instance."""
        check(own_id, json.dumps(f"id{number}"))

    for name, (taken, wanted) in {
        "member": (one.output["number"], 1),
        "nested": ({"a": [one.output["nested"]], "b": one.output["none"]}, {"a": [{"of": [1, 2]}], "b": None}),
        "missing": (one.output["missing"], None),
        "own": (one.output["job_run_id"], "id1"),
        "of_skipped": ([none.output["number"], none.output["job_run_id"]], [None, "id1"]),
        "of_mapped": (many.output["number"], [1, 2, 3]),
        "own_of_mapped": (many.output["job_run_id"], ["id1", "id2", "id3"]),
        "of_mapped_with_each": (each.output["number"], [4, 5]),
    }.items():
        taking.override(task_id=name)(taken, json.dumps(wanted))
    for name, (text, wanted) in {
        "text": (f"{one.output['number']} {one.output['none']} {one.output['missing']}", "1 None None"),
        "text_of_skipped": (f"{none.output['number']} {none.output['job_run_id']}", "None id1"),
        "text_of_mapped": (f"{many.output['number']}", [1, 2, 3]),
        "pulled": ("{{ ti.xcom_pull(task_ids='one')['number'] }}", "1"),
        "own_pulled": ("{{ ti.xcom_pull(task_ids='one', key='job_run_id') }}", "id1"),
    }.items():
        [one, none, many] >> taking.override(task_id=name)(text, json.dumps(wanted))
    Taking(task_id="operator", taken=[one.output["number"]], wanted=[1])
    Taking.partial(task_id="mapped", taken=one.output["number"], wanted=1).expand(name=["a", "b"])
    grouped.expand(number=[7, 8])
    try:
        Taking.partial(task_id="refused", taken=1, wanted=1).expand(name=one.output["nested"])
    except ValueError:
        pass
    else:
        raise AssertionError("Airflow maps over members of results: say so")
