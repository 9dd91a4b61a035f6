"""The documentation tells the truth: what it must name, it names, and the README's DAG is one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from airflow_emrs_ext._compat import AIRFLOW_3
from airflow_emrs_ext.core import settings
from airflow_emrs_ext.exceptions import EmrError
from airflow_emrs_ext.resources.known_failures import JOB_RUN_FAILURES
from airflow_emrs_ext.resources.refused_requests import EC2_REMEDIES, EKS_REMEDIES, LOG_ADVICE, REMEDIES

ROOT = Path(__file__).parents[2]
PAGES = {str(page.relative_to(ROOT / "docs")): page.read_text() for page in (ROOT / "docs").rglob("*.md")}


def test_every_example_is_shown() -> None:
    examples = [path.name for path in (ROOT / "dags").glob("example_*.py")]
    assert [name for name in examples if not any(name in page for page in PAGES.values())] == []


def test_every_option_is_listed() -> None:
    assert [name for name in settings.OPTIONS if f"`{name}`" not in PAGES["reference/configuration.md"]] == []


def test_every_remedy_is_listed() -> None:
    page = " ".join(PAGES["errors.md"].split())
    tables = (*REMEDIES, *EKS_REMEDIES, *EC2_REMEDIES)
    assert [remedy.advice for remedy in tables if " ".join(remedy.advice.split()) not in page] == []


def test_every_known_failure_is_listed() -> None:
    page = " ".join(PAGES["errors.md"].split())
    said = [text for remedy in JOB_RUN_FAILURES for text in (remedy.why, remedy.advice)] + [*LOG_ADVICE.values()]
    assert [text for text in said if " ".join(text.split()) not in page] == []


def test_every_error_that_a_task_raises_is_listed() -> None:
    internal = {"InvalidEvent", "Crashed"}
    own = [error for error in EmrError.__subclasses__() if error.__module__.startswith("airflow_emrs_ext.")]
    names = {error.__name__ for error in own} - internal
    assert [name for name in sorted(names) if f"`{name}`" not in PAGES["errors.md"]] == []


@pytest.mark.airflow
@pytest.mark.skipif(not AIRFLOW_3, reason="the README imports from airflow.sdk, which Airflow 2 does not have")
def test_the_dag_of_the_readme_is_one() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    scope: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), scope)
    dag = scope["nightly"]()
    assert set(dag.task_ids) == {"create", "job", "delete"}


def test_every_example_is_listed() -> None:
    files = [*(ROOT / "dags").glob("*.py"), *(path for path in (ROOT / "dags" / "jobs").iterdir() if path.is_file())]
    page = PAGES["reference/examples.md"]
    assert [file.name for file in files if f"`{file.name} <" not in page] == []
