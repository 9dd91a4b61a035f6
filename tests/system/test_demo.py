"""The demonstration as a user runs it: real Airflow components, real Spark."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

DAGS = Path(__file__).parents[2] / "dags"

pytestmark = [pytest.mark.airflow, pytest.mark.spark, pytest.mark.timeout(420)]


def start(home: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "airflow_emrs_ext.local.demo", "--dags", DAGS, "--home", home, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "EMRS_DEMO_MARK": str(home)},
    )


def left_running(home: Path) -> list[psutil.Process]:
    """Every process that descends from the demo, whoever its parent is now."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("EMRS_DEMO_MARK") == str(home) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def test_demo_counts_what_python_counts(tmp_path: Path) -> None:
    demo = start(tmp_path / "home")
    output, _ = demo.communicate()
    assert demo.returncode == 0, output
    assert "attempts: 1 FAILED, 2 SUCCESS" in output
    assert "this first attempt fails on purpose" in output
    assert "equal to a count in plain Python" in output
    assert left_running(tmp_path / "home") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_demo_leaves_no_process(number: signal.Signals, tmp_path: Path) -> None:
    demo = start(tmp_path / "home")
    for line in demo.stdout:
        if "task prepare" in line:
            break
    assert len(left_running(tmp_path / "home")) > 3
    demo.send_signal(number)
    demo.communicate()
    assert demo.returncode not in (0, None)
    assert left_running(tmp_path / "home") == []
