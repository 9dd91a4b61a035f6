"""What the tests of clients share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_emrs_ext.local.testing import LocalEmr
from tests.called import as_client, operations_called


@pytest.fixture
def client_environ(
    emr: LocalEmr, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, Any], None]
) -> Iterator[None]:
    """The environment of a client; which operations it has called is in the report of ``make test-contract``."""
    for name, value in as_client(emr).items():
        monkeypatch.setenv(name, value)
    yield
    record_property("called", operations_called(emr))
