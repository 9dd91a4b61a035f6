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

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.spark,
    pytest.mark.timeout(420),
    pytest.mark.xdist_group("demo"),
]


def start(home: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "airflow_emrs_ext.local.demo", "--dags", DAGS, "--home", home, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "EMRS_DEMO_MARK": str(home)},
        # Tests that run in the background of a shell inherit that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
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
    assert "by length (SQL in the session)" in output
    assert "BUSY" in output
    assert "TERMINATED; tokens minted:" in output
    assert left_running(tmp_path / "home") == []


@pytest.mark.documentation
def test_interrupted_demo_leaves_no_process(tmp_path: Path) -> None:
    demo = start(tmp_path / "home")
    assert demo.stdout is not None
    for line in demo.stdout:
        if "job run word-count" in line and "RUNNING" in line:
            break
    running = {process.name() for process in left_running(tmp_path / "home")}
    assert "java" in running
    demo.send_signal(signal.SIGINT)
    output, _ = demo.communicate()
    assert demo.returncode == 1
    assert "Interrupted; everything is stopped." in output
    assert left_running(tmp_path / "home") == []
