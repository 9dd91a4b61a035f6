"""Tasks that their triggers end, in a real Airflow: they must be as if a worker had ended them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from airflow_emrs_ext._compat import CAN_END_IN_TRIGGER
from airflow_emrs_ext.local.processes.throwaway_airflow import XCOMS
from airflow_emrs_ext.local.testing import local_emr
from tests.faults.deployment import Deployment, deployed
from tests.faults.masses import application_id

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.faults,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not CAN_END_IN_TRIGGER, reason="it takes Airflow 3.3"),
]

DAG = """
from airflow.sdk import DAG, task

from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator


@task
def read(result, state):
    return [type(result).__name__, result["state"], state]


def note(context):
    print("noted")


with DAG("ending", schedule=None):
    for name, arguments in {{
        "by_worker": {{}},
        "by_trigger": {{"end_from_trigger": True}},
        "not_by_trigger": {{"end_from_trigger": True, "on_success_callback": note}},
    }}.items():
        job = EmrServerlessStartJobRunOperator(
            task_id=name,
            application_id={application_id!r},
            execution_role_arn="arn:aws:iam::123456789012:role/job",
            job_driver={{"sparkSubmit": {{"entryPoint": "s3://b/j.py"}}}},
            name="the same",
            deferrable=True,
            waiter_delay=5,
            **arguments,
        )
        read.override(task_id=f"read_{{name}}")(job.output, job.output["state"])
"""


def xcoms(deployment: Deployment, task_id: str) -> dict[str, Any]:
    """The XComs of a task, without what differs from run to run."""
    rows = deployment.airflow.query(f"SELECT key, CAST(value AS TEXT) FROM {XCOMS} WHERE task_id = ?", task_id)
    found = {key: json.loads(value) for key, value in rows}
    text = json.dumps(found, sort_keys=True).replace(found["job_run_id"], "<id>").replace(task_id, "<task>")
    text = re.sub(r"ext:request\": \"[0-9a-f]{16}", 'ext:request": "<request>', text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[0-9:.]+\+00:00", "<time>", text)
    # What the simulated job run was billed for.
    return dict(json.loads(re.sub(r"(_hour\": |_(?:seconds|milliseconds)\": )[0-9.e-]+", r"\g<1>0", text)))


def workers(deployment: Deployment, task_id: str) -> int:
    """How many processes of workers a task has had: each writes where its file of the log begins."""
    logs = deployment.airflow.home.glob(f"logs/dag_id=ending/*/task_id={task_id}/attempt=1.log")
    return sum(text.count("DAG bundles loaded") for text in (path.read_text() for path in logs))


def test_a_task_that_its_trigger_ends_is_as_if_a_worker_had(tmp_path: Path) -> None:
    with local_emr() as emr:
        dag = DAG.format(application_id=application_id(emr))
        with deployed(emr, tmp_path, {"ending.py": dag}) as deployment:
            deployment.trigger("ending")
            assert deployment.wait_for_end("ending") == "success"
            by_worker, by_trigger = xcoms(deployment, "by_worker"), xcoms(deployment, "by_trigger")
            assert by_trigger == by_worker
            assert by_trigger["return_value"]["state"] == "SUCCESS"
            assert set(by_trigger) == {"return_value", "application_id", "job_run_id", "emr_run"}
            for name in ("by_worker", "by_trigger"):
                assert xcoms_of_reader(deployment, f"read_{name}") == ["dict", "SUCCESS", "SUCCESS"]
            ended = "SELECT end_date IS NOT NULL, duration > 0 FROM task_instance WHERE task_id = ?"
            assert deployment.airflow.query(ended, "by_trigger") == [(True, True)]
            tasks = ("by_worker", "by_trigger", "not_by_trigger")
            assert [workers(deployment, name) for name in tasks] == [2, 1, 2]


def xcoms_of_reader(deployment: Deployment, task_id: str) -> Any:
    """What a task downstream has read."""
    query = f"SELECT CAST(value AS TEXT) FROM {XCOMS} WHERE key = 'return_value' AND task_id = ?"
    return json.loads(deployment.airflow.query(query, task_id)[0][0])
