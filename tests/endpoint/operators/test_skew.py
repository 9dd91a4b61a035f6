"""A worker whose clock is hours off, as a process: it goes on with what an earlier try has left, and ends nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from tests import running
from tests.interpreters import Run, interpreter
from tests.polling import eventually

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(300), pytest.mark.xdist_group("skew")]

ARGUMENTS: dict[str, Any] = {
    "execution_role_arn": "arn:aws:iam::123456789012:role/job",
    "job_driver": spark_submit("s3://b/j.py"),
    "waiter_delay": 0.1,
}
# What takes seconds to import, and has no clock of its own.
_OTHERS = """
import aiobotocore.session, boto3
import airflow.providers.amazon.aws.hooks.base_aws, airflow.providers.amazon.aws.operators.base_aws
"""
# The second try of each task, in a process whose clock is shifted before anything of the package is imported.
_SECOND_TRIES = """
import json, os, sys, time

# Airflow reads what the package says of itself.
own = {name for name in sys.modules if name.startswith("airflow_emrs_ext")}
assert own <= {"airflow_emrs_ext", "airflow_emrs_ext.provider_info"}, own
true_time, given = time.time, json.loads(sys.argv[1])
time.time = lambda: true_time() + given["skew"]
os.environ.update(given["environ"])

from datetime import datetime
from importlib.util import module_from_spec, spec_from_file_location

spec = spec_from_file_location("running", given["running"])
running = module_from_spec(spec)
sys.modules["running"] = running
spec.loader.exec_module(running)

from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator

found = {}
for task_id, arguments in given["tasks"].items():
    run = running.run_task(
        lambda: EmrServerlessStartJobRunOperator(task_id=task_id, retries=1, **arguments),
        datetime.fromisoformat(given["began"]),
        task_id=task_id,
        try_number=2,
        max_tries=1,
    )
    found[task_id] = run.result["job_run_id"] if run.error is None else repr(run.error)
print("\\n" + json.dumps(found))
"""


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with interpreter(_OTHERS) as run:
        yield run


@pytest.mark.parametrize("skew", [-7200, -10, 10, 7200])
def test_nothing_is_doubled_and_nothing_is_cancelled(skew: int, emr: LocalEmr, run: Run) -> None:
    emr.script([ScriptedAttempt(hold=True)])
    client = emr.client("emr-serverless")
    application_id = client.create_application(type="SPARK", releaseLabel="emr-7.13.0")["applicationId"]
    began = datetime.now(timezone.utc) - timedelta(seconds=2)
    tasks = {
        f"{what}_{mode}": {
            **ARGUMENTS,
            "application_id": application_id,
            "deferrable": mode == "deferred",
            "wait_for": "running" if what == "active" else "completion",
        }
        for what in ("active", "over")
        for mode in ("blocking", "deferred")
    }
    left = {}
    for task_id, arguments in tasks.items():
        # The first try is lost once its job run is running.
        first = {**arguments, "wait_for": "running"}
        left_by = running.run_task(
            lambda task_id=task_id, first=first: EmrServerlessStartJobRunOperator(task_id=task_id, retries=1, **first),
            began,
            task_id=task_id,
        )
        left[task_id] = left_by.result["job_run_id"]
        if task_id.startswith("over"):
            emr.finish(left[task_id])
    eventually(lambda: [one["state"] for one in emr.job_runs(application_id)].count("SUCCESS") == 2)

    environ = {**os.environ, **emr.environ}
    place = str(Path(running.__file__))
    given = {"skew": skew, "running": place, "began": began.isoformat(), "tasks": tasks, "environ": environ}
    assert json.loads(run(_SECOND_TRIES, json.dumps(given))[-1]) == left
    states = {one["jobRunId"]: one["state"] for one in emr.job_runs(application_id)}
    assert states == {left[task_id]: "SUCCESS" if task_id.startswith("over") else "RUNNING" for task_id in tasks}
