"""Moto within the endpoint."""

from __future__ import annotations

import asyncio
import pickle
import threading

import pytest

from airflow_emrs_ext.local.services import moto_services
from airflow_emrs_ext.local.services.moto_services import AwsServices


async def test_what_is_kept_is_read_when_moto_has_been_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads that import it at once may leave it broken."""
    imported = threading.Event()
    monkeypatch.setattr(moto_services, "_load", lambda: imported.wait(30))
    services = AwsServices()
    services.load()
    dumping = asyncio.ensure_future(services.dump())
    done, _ = await asyncio.wait({dumping}, timeout=0.3)
    assert not done
    imported.set()
    assert isinstance(pickle.loads(await dumping), dict)
