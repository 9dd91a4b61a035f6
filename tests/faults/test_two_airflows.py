"""What ``tests/system/test_two_airflows.py`` tests with a few tasks, with 200 and more."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_emrs_ext.local.testing import local_emr
from tests.two_airflows import TwoAirflows

pytestmark = [pytest.mark.airflow, pytest.mark.faults, pytest.mark.timeout(3600)]


def test_nothing_crosses_in_two_hundred_tasks(tmp_path: Path) -> None:
    with local_emr() as emr:
        found = TwoAirflows(emr, tmp_path, tasks=50).check()
    print(found)
    assert found == {"tasks": 204, "shared": 0, "swept by the other": 0}
