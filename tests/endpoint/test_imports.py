"""What a DAG file pays for this package: the declaration of its tasks, and nothing that only a running task needs."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest

import airflow_emrs_ext
from airflow_emrs_ext.workflows import NAMES
from airflow_emrs_ext.workflows.registry import WORKFLOWS
from tests.interpreters import interpreter

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("imports")]

# Imported when a function is decorated, as Airflow does with its own; and when a trigger runs.
NOT_OF_A_DAG_FILE = {"decorators.session_tasks", "triggers.runner"}

MODULES = [
    f"airflow_emrs_ext.{folder}.{module.name}"
    for folder in ("operators", "sensors", "triggers", "links", "decorators")
    for module in pkgutil.iter_modules([f"{airflow_emrs_ext.__path__[0]}/{folder}"])
    if not module.name.startswith("_") and f"{folder}.{module.name}" not in NOT_OF_A_DAG_FILE
]

# What only a running task needs, of others and of our own; and what only the extras bring.
HEAVY = (
    "boto3",
    "botocore",
    "aiobotocore",
    "s3transfer",
    "aiohttp",
    "asgiref",
    "sqlalchemy",
    "grpc",
    "moto",
    "pyspark",
    "uvicorn",
    "airflow.providers.amazon",
    "airflow.providers.standard.operators.python",
    "airflow_emrs_ext.aws.dispatch",
    "airflow_emrs_ext.hooks",
    "airflow_emrs_ext.resources",
    "airflow_emrs_ext.core.effects",
    "airflow_emrs_ext.aws.waiting",
)

AIRFLOW = """
import sys
from datetime import datetime
try:
    from airflow.sdk import DAG, BaseOperator
except ImportError:
    from airflow.models import DAG, BaseOperator
with DAG("plain", schedule=None, start_date=datetime(2026, 1, 1)):
    BaseOperator(task_id="plain")
"""

AFTER_AIRFLOW = """
import sys
from datetime import datetime
try:
    from airflow.sdk import DAG
except ImportError:
    from airflow.models import DAG
before = set(sys.modules)
{body}
added = set(sys.modules) - before
heavy = {{name for name in added for one in {heavy!r} if name == one or name.startswith(one + ".")}}
tables = {{name for name in added for one in list(vars(sys.modules[name]).values())
          if isinstance(one, type) and one.__module__ == name and hasattr(one, "__tablename__")}}
print(*sorted(heavy | tables))
"""

A_DAG_FILE = """
from airflow_emrs_ext.decorators.session import emr_serverless_session_task
from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator
from airflow_emrs_ext.operators.containers_job_run import EmrContainersStartJobRunOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.operators.session import emr_serverless_session
from airflow_emrs_ext.operators.spark import EmrServerlessSparkSqlOperator
from airflow_emrs_ext.sensors.serverless import EmrServerlessJobRunSensor

with DAG("d", schedule=None, start_date=datetime(2026, 1, 1), default_args={"aws_conn_id": "other"}) as dag:
    role = {"execution_role_arn": "arn:aws:iam::123456789012:role/job"}
    application = EmrServerlessCreateApplicationOperator(task_id="application", release_label="emr-7.9.0")
    run = EmrServerlessStartJobRunOperator(
        task_id="run", application_id=application.output, job_driver={}, deferrable=True, **role
    )
    EmrServerlessJobRunSensor(task_id="wait", application_id=application.output, job_run_id=run.output)
    EmrContainersStartJobRunOperator.partial(task_id="mapped", **role).expand(virtual_cluster_id=["a", "b"])
    with emr_serverless_session(application_id=application.output, **role) as session:
        EmrServerlessSparkSqlOperator(task_id="sql", session=session, sql="SELECT 1")
assert run.aws_conn_id == "other"
"""


LoadedBy = Callable[[str], list[str]]


@pytest.fixture(scope="module")
def loaded_by() -> Iterator[LoadedBy]:
    """What some code loads of what is heavy, in an Airflow that has a DAG."""
    with interpreter(AIRFLOW) as run:
        yield lambda body: run(AFTER_AIRFLOW.format(body=body, heavy=HEAVY))[-1].split()


def test_declarations_import_nothing_heavy(loaded_by: LoadedBy) -> None:
    assert loaded_by("\n".join(f"import {module}" for module in MODULES)) == []


def test_a_dag_file_imports_nothing_heavy(loaded_by: LoadedBy) -> None:
    assert loaded_by(A_DAG_FILE) == []


A_RESUMED_TASK = """
from types import SimpleNamespace
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator

with DAG("d", schedule=None, start_date=datetime(2026, 1, 1)):
    role = {"execution_role_arn": "arn:aws:iam::123456789012:role/job"}
    run = EmrServerlessStartJobRunOperator(task_id="run", application_id="00f", job_driver={}, deferrable=True, **role)
facts = {"state": "SUCCESS", "ended_at": "2026-05-01T00:00:00+00:00", "attempts": [], "log_locations": {}}
event = {"format": 1, "result": facts, "then": None}
assert run.execute_complete({"ti": SimpleNamespace(dag_id="d")}, event)["state"] == "SUCCESS"
"""


def test_a_worker_that_goes_on_after_a_success_imports_nothing_heavy(loaded_by: LoadedBy) -> None:
    assert loaded_by(A_RESUMED_TASK) == []


def test_this_test_sees_what_is_heavy(loaded_by: LoadedBy) -> None:
    loaded = loaded_by("import airflow_emrs_ext.hooks.serverless, airflow_emrs_ext.triggers.journal")
    assert {"boto3", "airflow_emrs_ext.hooks.serverless"} <= set(loaded)
    assert "airflow_emrs_ext.triggers.journal" not in loaded


OPERATORS = [
    one
    for module in MODULES
    if module.split(".")[1] in ("operators", "sensors")
    for one in vars(import_module(module)).values()
    if isinstance(one, type)
    and one.__module__ == module
    and one.__name__.startswith(("EmrServerless", "EmrContainers"))
]


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_operator_has_the_hook_of_its_service_and_the_constructors_of_all_its_bases(operator: Any) -> None:
    hook = inspect.get_annotations(operator.hook.func)["return"]
    assert hook.startswith(operator.__name__[: len("EmrServerless")])
    defined = [
        one for one in operator.__mro__ if "__init__" in vars(one) and one.__module__.startswith("airflow_emrs_ext")
    ]
    assert [one.__init__.__qualname__ for one in defined] == [f"{one.__qualname__}.__init__" for one in defined]


def test_whoever_runs_no_workflow_knows_the_names_of_all() -> None:
    assert set(NAMES) == WORKFLOWS.keys()
