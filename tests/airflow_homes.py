"""Homes of Airflows of a test's own: one is made in a process, and every other is a copy of it."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from airflow_emrs_ext.local.processes.throwaway_airflow import ThrowawayAirflow


def make_home(airflow: ThrowawayAirflow) -> None:
    """Make a home as ``airflow db migrate`` leaves it, which takes as long as many tests.

    Only for stock settings: an auth manager may have tables of its own.
    """
    made_in, database, settings = _home()
    airflow.home.mkdir(parents=True, exist_ok=True)
    (airflow.home / "airflow.db").write_bytes(database)
    # Components that find no settings write some, each with a secret of its own, which the others do not know.
    (airflow.home / "airflow.cfg").write_text(settings.replace(made_in, str(airflow.home)))


@cache
def _home() -> tuple[str, bytes, str]:
    with tempfile.TemporaryDirectory(prefix="emrs-database-") as folder:
        first = ThrowawayAirflow(Path(folder) / "home", Path(folder), {})
        first.make_home()
        return str(first.home), (first.home / "airflow.db").read_bytes(), (first.home / "airflow.cfg").read_text()
