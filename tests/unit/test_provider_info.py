from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import jsonschema
import pytest

from airflow_emrs_ext import __version__
from airflow_emrs_ext.core import settings
from airflow_emrs_ext.provider_info import OPTIONS, SECTION, get_provider_info


def test_it_fits_airflows_own_schema() -> None:
    spec = find_spec("airflow")
    assert spec is not None
    assert spec.submodule_search_locations
    schema = Path(spec.submodule_search_locations[0]) / "provider_info.schema.json"
    info = get_provider_info()
    jsonschema.validate(info, json.loads(schema.read_text()))
    assert info["versions"] == [__version__]


@pytest.mark.airflow
def test_airflow_finds_the_provider_and_its_options() -> None:
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()
    assert manager.providers["airflow-emrs-ext"].version == __version__
    assert set(dict(manager.provider_configs)["airflow-emrs-ext"][SECTION]["options"]) == set(OPTIONS)


@pytest.mark.airflow
def test_options_come_from_airflows_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (settings.waiter_delay(), settings.patience(), settings.progress_interval()) == (30.0, 1800.0, 300.0)
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__WAITER_DELAY", "7.5")
    monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", "True")
    assert settings.waiter_delay() == 7.5
    assert settings.default_deferrable() is True
