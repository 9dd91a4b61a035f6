"""A pytest fixture for other people's suites: ``pytest_plugins = ["airflow_emrs_ext.local.pytest_plugin"]``."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from airflow_emrs_ext.local.testing import LocalEmr, local_emr

_QUOTAS = "AIRFLOW__EMRS_EXT__QUOTAS"


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
        monkeypatch.setenv(_QUOTAS, '{"emr-serverless": null, "emr-containers": null}')
    yield emr_endpoint
    # Nothing of this test, such as a held job run, may outlive it.
    emr_endpoint.reset()


def isolate_from_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove every AWS setting from the environment for the rest of the test."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
