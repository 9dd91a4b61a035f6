"""These tests need environments of their own: ``make test-contract`` names their files.

A module's ``CLIENT`` is what it drives, with its version; the first line of a test says what of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_emrs_ext.local.testing import LocalEmr
from tests.called import as_client, operations_called

collect_ignore_glob = ["test_*.py"]


@pytest.fixture(autouse=True)
def _a_row_of_the_table(
    request: pytest.FixtureRequest, record_property: Callable[[str, Any], None], monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    # Those with a real Spark have an endpoint of their own.
    endpoint: LocalEmr = request.getfixturevalue("emr" if "emr" in request.fixturenames else "spark")
    record_property("client", request.module.CLIENT)
    record_property("driven", request.function.__doc__.partition("\n")[0])
    for name, value in as_client(endpoint).items():
        monkeypatch.setenv(name, value)
    yield
    record_property("called", operations_called(endpoint))
