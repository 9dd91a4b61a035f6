"""The command `emrs-local runtimes`, without installing anything; see system/test_releases.py."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def runtimes(tmp_path: Path, *arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "airflow_emrs_ext.local", "runtimes", *arguments]
    environ = {**os.environ, "EMRS_LOCAL_RUNTIMES": str(tmp_path), **({"PATH": path} if path is not None else {})}
    return subprocess.run(command, env=environ, capture_output=True, text=True)


@pytest.mark.parametrize("arguments", [[], ["list"]])
def test_the_list_says_what_can_be_installed(tmp_path: Path, arguments: list[str]) -> None:
    done = runtimes(tmp_path, *arguments)

    assert done.returncode == 0, done.stderr
    heading, three, four, own, _, where = done.stdout.splitlines()
    assert heading.split() == ["Spark", "Python", "Java", "Releases", "Where"]
    assert three.startswith("3.5 ")
    assert three.endswith("emr-7.0.0 and later                     not installed: emrs-local runtimes install 3.5")
    assert four.endswith("emr-spark-8.0.0  not installed: emrs-local runtimes install 4.0")
    assert own.startswith("4.1.")
    assert own.endswith("the environment of emrs-local")
    assert where == f"Installed ones are in {tmp_path}."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["install", "4.1"], "can be installed: Spark 3.5, 4.0; Spark 4.1 is the one of this environment"),
        (["install", "2.4"], "can be installed: Spark 3.5, 4.0"),
        (["install", "emr-6.6.0"], "can be installed: Spark 3.5, 4.0"),
        (["install", "spark"], "'spark' is no line of Spark such as 3.5, and no release label"),
        (["install", "emr-x"], "'emr-x' is no line of Spark such as 3.5, and no release label"),
        (["install"], "the following arguments are required: VERSION"),
        (["upgrade", "3.5"], "invalid choice: 'upgrade'"),
    ],
)
def test_what_is_refused(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = runtimes(tmp_path, *arguments)

    assert done.returncode == 2
    assert message in done.stderr


def test_no_python_that_it_runs_on(tmp_path: Path) -> None:
    done = runtimes(tmp_path, "install", "3.5", path="")

    assert done.returncode == 1
    assert "runs on Python 3.9, 3.10, 3.11, 3.12, and none of them is on the PATH" in done.stderr


def test_one_that_was_not_installed_is_not_removed(tmp_path: Path) -> None:
    assert runtimes(tmp_path, "remove", "3.5").stdout == "Spark 3.5 was not installed\n"


def test_a_step_that_fails_is_shown(tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no space left >&2\nexit 3\n")
    broken.chmod(0o755)
    done = runtimes(tmp_path / "runtimes", "install", "3.5", "--python", str(broken))

    assert done.returncode == 1
    assert "ended with status 3: no space left" in done.stderr
    assert "not installed" in runtimes(tmp_path / "runtimes").stdout


def test_an_endpoint_for_a_spark_that_is_not_there(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "airflow_emrs_ext.local", "--port", "0", "--runtime", "3.5"]
    environ = {**os.environ, "EMRS_LOCAL_RUNTIMES": str(tmp_path)}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)

    assert done.returncode == 1
    assert "--runtime 3.5: is not on this machine; see `emrs-local runtimes`" in done.stderr
