"""pytest fixtures for other people's suites: ``pytest_plugins = ["airflow_emrs_ext.local.pytest_plugin"]``."""

from __future__ import annotations

import atexit
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airflow_emrs_ext.local.dag_runs import DagRun, DagRunner
from airflow_emrs_ext.local.testing import LocalEmr, local_emr

_QUOTAS = "AIRFLOW__EMRS_EXT__QUOTAS"

# Simulated job runs last a moment, and so do those on Spark that a test starts.
_FOR_RUNS = {
    "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
    "AIRFLOW__EMRS_EXT__WAITER_DELAY": "0.2",
    "AIRFLOW__EMRS_EXT__DRIVER_LOG_INTERVAL": "1",
}


def _give_airflow_a_home() -> None:
    """Let Airflow have a home of the test run's own, unless ``AIRFLOW_HOME`` names one or Airflow has been imported."""
    if "AIRFLOW_HOME" in os.environ or "airflow" in sys.modules:
        return
    home = tempfile.TemporaryDirectory(prefix="emrs-airflow-", ignore_cleanup_errors=True)
    atexit.register(home.cleanup)
    # Airflow makes none then, of which two processes of pytest-xdist could read half.
    (Path(home.name) / "airflow.cfg").touch()
    os.environ["AIRFLOW_HOME"] = home.name


# Not in a hook: pytest calls none before it has imported the first conftest.py files, which may import Airflow.
_give_airflow_a_home()


@pytest.fixture(scope="session")
def emr_endpoint() -> Iterator[LocalEmr]:
    """One endpoint with the simulated runner and no quotas for the whole session; override it to start another."""
    with local_emr() as endpoint:
        yield endpoint


@pytest.fixture
def emr(emr_endpoint: LocalEmr, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalEmr]:
    """The session's endpoint, empty, with the environment's AWS settings pointing at it and nowhere else.

    Calls are not paced, as the endpoint has no quotas, unless ``AIRFLOW__EMRS_EXT__QUOTAS`` is set.
    """
    emr_endpoint.reset()
    isolate_from_aws(monkeypatch)
    for name, value in emr_endpoint.environ.items():
        monkeypatch.setenv(name, value)
    if _QUOTAS not in os.environ:
        monkeypatch.setenv(_QUOTAS, '{"emr-serverless": null, "emr-containers": null, "emr": null}')
    yield emr_endpoint
    # Nothing of this test, such as a held job run, may outlive it.
    emr_endpoint.reset()


@pytest.fixture(scope="session")
def dag_runner(tmp_path_factory: pytest.TempPathFactory) -> DagRunner:
    """What runs DAGs, with a metadata database that is made once for the whole session."""
    return DagRunner(tmp_path_factory.mktemp("dag-runs"))


@pytest.fixture
def run_dag(emr: LocalEmr, dag_runner: DagRunner, monkeypatch: pytest.MonkeyPatch) -> Callable[..., DagRun]:
    """Runs a DAG against the endpoint of :func:`emr`: :meth:`airflow_emrs_ext.local.dag_runs.DagRunner.run`.

    Unless the environment says otherwise, the connection ``aws_default`` takes all from the environment, operators look
    at their job runs every 0.2 seconds, and at driver logs every second.
    """
    for name, value in _FOR_RUNS.items():
        if name not in os.environ:
            monkeypatch.setenv(name, value)
    return dag_runner.run


def isolate_from_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove every AWS setting from the environment for the rest of the test."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
