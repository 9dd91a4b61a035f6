from __future__ import annotations

import pytest

from airflow_emrs_ext.local.testing import LocalEmr
from tests.endpoint.local.services.emr_on_ec2.lab import Ec2


@pytest.fixture
def ec2(emr: LocalEmr) -> Ec2:
    return Ec2(emr)


@pytest.fixture
def cluster_id(ec2: Ec2) -> str:
    """A cluster that takes sessions."""
    return ec2.cluster()
