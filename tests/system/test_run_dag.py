"""The tests of ``run_dag``, in a process of their own: it forks, and this one has run whatever came before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CASES = Path(__file__).with_name("run_dag_cases.py")

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(1500)]


def test_all_cases() -> None:
    arguments = ["-q", "-p", "no:xdist", "-p", "no:cacheprovider", str(CASES)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=CASES.parents[1],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
