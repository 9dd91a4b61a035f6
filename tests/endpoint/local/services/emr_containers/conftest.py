from __future__ import annotations

import pytest

from airflow_emrs_ext.local.testing import LocalEmr
from tests.endpoint.local.services.emr_containers.lab import Eks


@pytest.fixture
def eks(emr: LocalEmr) -> Eks:
    return Eks(emr)


@pytest.fixture
def cluster_id(eks: Eks) -> str:
    """A virtual cluster."""
    return eks.cluster()
