"""Two Airflows with stock settings use one application: neither takes, ends or sweeps what the other has started."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_emrs_ext.local.testing import local_emr
from tests.two_airflows import TwoAirflows

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]


def test_nothing_crosses(tmp_path: Path) -> None:
    with local_emr() as emr:
        assert TwoAirflows(emr, tmp_path, tasks=2).check() == {"tasks": 12, "shared": 0, "swept by the other": 0}
