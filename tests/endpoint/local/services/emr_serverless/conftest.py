from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.endpoint.local.services.emr_serverless.lab import Lab


@pytest.fixture
async def make_lab(tmp_path: Path) -> AsyncIterator[Callable[..., Lab]]:
    """Makes services that are closed when the test ends."""
    async with AsyncExitStack() as stack:

        def make(**options: Any) -> Lab:
            lab = Lab(tmp_path, **options)
            stack.push_async_callback(lab.close)
            return lab

        yield make


@pytest.fixture
async def lab(make_lab: Callable[..., Lab]) -> Lab:
    return make_lab()
