"""The project of the page "Test your DAGs", as a user has it: a folder of its own, the wheel, pytest, nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parents[2] / "docs" / "examples" / "testing"
ON_SPARK = "tests/test_on_spark.py"

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(400), pytest.mark.documentation]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PROJECT, tmp_path / "project", ignore=shutil.ignore_patterns("__pycache__")))


def pytest_in(project: Path, *arguments: str) -> str:
    """What pytest says in the project, with a home directory that is empty, and stays so."""
    home = project.parent / "home"
    home.mkdir()
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "AWS_", "PYTEST_"))
    }
    environ = {
        **inherited,
        "HOME": str(home),
        # A person's own, which no test may use.
        "AWS_PROFILE": "production",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=project,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert list(home.rglob("*")) == []
    return done.stdout


def test_the_simulated_tests_pass(project: Path) -> None:
    (project / ON_SPARK).unlink()
    assert "6 passed" in pytest_in(project, "tests", "--numprocesses", "2")


@pytest.mark.parametrize("file", [".github/workflows/dags.yml", ".gitlab-ci.yml"])
def test_continuous_integration_runs_what_is_tested(file: str) -> None:
    content = yaml.safe_load((PROJECT / file).read_text())
    if file == ".gitlab-ci.yml":
        commands = content["test-dags"]["script"]
    else:
        commands = [step["run"] for step in content["jobs"]["test"]["steps"] if "run" in step]
    install, test = commands
    assert install == 'pip install "apache-airflow==$AIRFLOW_VERSION" -r requirements-test.txt'
    assert test == "pytest tests"


@pytest.mark.spark
@pytest.mark.smoke
def test_the_test_on_spark_passes(project: Path) -> None:
    assert "1 passed" in pytest_in(project, ON_SPARK)


def test_what_fails_is_explained(project: Path) -> None:
    (project / "tests" / "test_on_spark.py").write_text("""
from airflow_emrs_ext.local.testing import ScriptedAttempt

def test_it(emr, run_dag):
    emr.script([ScriptedAttempt(succeeded=False, details="no such column: amount")])
    run_dag("dags/nightly_sales.py")
""")
    with pytest.raises(AssertionError) as caught:
        pytest_in(project, ON_SPARK)
    said = str(caught.value)
    for part in ("UnexpectedState", "totals: failed", "report: upstream_failed", "no such column: amount", "1 failed"):
        assert part in said
