"""These tests need environments of their own: ``make test-contract`` names their files.

A module's ``CLIENT`` is what it drives, with its version; the first line of a test says what of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

collect_ignore_glob = ["test_*.py"]


@pytest.fixture(autouse=True)
def _a_row_of_the_table(request: pytest.FixtureRequest, record_property: Callable[[str, Any], None]) -> None:
    record_property("client", request.module.CLIENT)
    record_property("driven", request.function.__doc__.partition("\n")[0])
