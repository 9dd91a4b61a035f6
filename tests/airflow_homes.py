"""Homes of Airflows of a test's own: the database is made once in a process, and every home has a copy of it."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from airflow_emrs_ext.local.processes.throwaway_airflow import ThrowawayAirflow


def make_home(airflow: ThrowawayAirflow) -> None:
    """Make a home with a database as ``airflow db migrate`` leaves it, which takes as long as many tests.

    Only for stock settings: an auth manager may have tables of its own.
    """
    airflow.home.mkdir(parents=True, exist_ok=True)
    (airflow.home / "airflow.db").write_bytes(_database())


@cache
def _database() -> bytes:
    with tempfile.TemporaryDirectory(prefix="emrs-database-") as folder:
        first = ThrowawayAirflow(Path(folder) / "home", Path(folder), {})
        first.make_home()
        return (first.home / "airflow.db").read_bytes()
