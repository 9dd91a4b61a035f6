"""Each Python block of the documentation runs as it is written; the others are files that run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from airflow_emrs_ext._compat import AIRFLOW_3
from airflow_emrs_ext.hooks.spark_connect import EmrServerlessSparkConnectHook
from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt, local_emr
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from tests.spark_sessions import ROLE, start_session

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Where files are that run: the example DAGs, the projects of pages, each with a test of its own, and tests.
RUNNING = ("dags", "docs/examples/getting-started", "docs/examples/testing", "docs/examples/dbt", "tests")

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(300), pytest.mark.xdist_group("demo")]


def blocks() -> Iterator[Any]:
    for page in PAGES:
        text = page.read_text()
        for found in re.finditer(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE):
            name = str(page.relative_to(ROOT))
            line = text.count("\n", 0, found.start()) + 2
            marks = [pytest.mark.spark] if name in ON_SPARK else []
            yield pytest.param(name, "\n" * (line - 1) + found[1], id=f"{name}:{line}", marks=marks)


def _operator(emr: LocalEmr, **arguments: Any) -> EmrServerlessStartJobRunOperator:
    application = emr.client("emr-serverless").create_application(type="SPARK", releaseLabel="emr-7.9.0")
    return EmrServerlessStartJobRunOperator(
        task_id="job",
        application_id=application["applicationId"],
        execution_role_arn=ROLE,
        job_driver=spark_submit("s3://bucket/job.py"),
        **arguments,
    )


def _failure(emr: LocalEmr, run_dag: Callable[..., Any]) -> dict[str, Any]:
    """The error of a job whose driver has ended with an exception."""
    trace = 'Traceback (most recent call last):\n  File "report.py", line 14, in <module>\nValueError: no rows\n'
    emr.script([ScriptedAttempt(succeeded=False, stderr=trace)])
    return {"error": run_dag(_operator(emr), expect="failed").tasks["job"].error}


# What a page has said before its block, or what comes with it: names that the block uses.
GIVEN: dict[str, Callable[[LocalEmr, Callable[..., Any]], dict[str, Any]]] = {
    "docs/guides/emr-on-ec2.md": lambda *_: {"session_id": "s-4HXXXXXXQ7T2K"},
    "docs/guides/job-runs.md": lambda emr, _: {"job": _operator(emr)},
    "docs/guides/logs.md": _failure,
    "docs/guides/notifications.md": lambda *_: globals(),
    "docs/guides/ownership.md": lambda *_: globals(),
}


@contextmanager
def _session() -> Iterator[dict[str, Any]]:
    with local_emr("spark") as emr, pytest.MonkeyPatch.context() as patch:
        for name, value in emr.environ.items():
            patch.setenv(name, value)
        application_id, session_id = start_session(emr)
        ids = {"application_id": application_id, "session_id": session_id}
        # PySpark sets it, and leaves it to all that this process starts.
        patch.setenv("SPARK_CONNECT_MODE_ENABLED", "1")
        with EmrServerlessSparkConnectHook(aws_conn_id=None).session(ids) as spark:
            clients = {"emr_serverless": emr.client("emr-serverless"), "emr": emr.client("emr")}
            yield {**clients, "reference": ids, "spark": spark, **ids}


# Pages whose blocks work in a session.
ON_SPARK = ("docs/guides/connectors.md", "docs/guides/local-endpoint.md", "docs/guides/sessions.md")


@pytest.mark.parametrize(("page", "code"), blocks())
def test_it_runs(page: str, code: str, request: pytest.FixtureRequest) -> None:
    if "airflow.sdk" in code and not AIRFLOW_3:
        pytest.skip("it is written for Airflow 3")
    if "sdk.definitions.retry_policy" in code:
        pytest.importorskip("airflow.sdk.definitions.retry_policy")
    scope: dict[str, Any] = {"__name__": "page"}
    if page in ON_SPARK:
        scope.update(request.getfixturevalue("in_session"))
    else:
        emr, run_dag = (request.getfixturevalue(name) for name in ("emr", "run_dag"))
        scope.update(GIVEN.get(page, lambda *_: {})(emr, run_dag))
    exec(compile(code, page, "exec"), scope)


@pytest.fixture(scope="module")
def in_session() -> Iterator[dict[str, Any]]:
    with _session() as names:
        yield names


def test_what_is_included_is_a_file_that_runs() -> None:
    included = []
    for page in PAGES:
        text = page.read_text()
        assert not re.search(r"code-block\}? *(python|py)\b|^```py\b|^~~~", text, flags=re.MULTILINE), page
        for path in re.findall(r"\{literalinclude\} *(\S+)", text):
            included.append(str((page.parent / path).resolve().relative_to(ROOT)))
    assert included
    code = [path for path in included if path.endswith(".py")]
    assert [path for path in code if not path.startswith(RUNNING)] == []
