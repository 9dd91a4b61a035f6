"""The AWS SDK for JavaScript, version 3, in Node.js."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt

HERE = Path(__file__).with_name("javascript")
MODULES = HERE.parents[2] / "build" / "javascript" / "node_modules"
_PINNED = json.loads((HERE / "package.json").read_text(encoding="utf-8"))["dependencies"]
CLIENT = ", ".join(f"{name} {version}" for name, version in _PINNED.items())
EKS = {"type": "EKS", "id": "cluster", "info": {"eksInfo": {"namespace": "jobs"}}}
SERVERLESS, CONTAINERS = "emr-serverless", "emr-containers"
SERVICES = pytest.mark.parametrize("service", [SERVERLESS, CONTAINERS])

pytestmark = pytest.mark.skipif(
    not (shutil.which("node") and shutil.which("npm")), reason="Node.js and npm are not on this machine"
)


def drive(emr: LocalEmr, service: str, what: str) -> Any:
    """What JavaScript says of a step of ``drive.cjs``, on EMR on EKS in a virtual cluster."""
    given = []
    if service == CONTAINERS:
        given = [emr.client(service).create_virtual_cluster(name="mine", containerProvider=EKS)["id"]]
    done = subprocess.run(
        ["node", HERE / "drive.cjs", service, what, *given],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "NODE_PATH": str(MODULES)},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@SERVICES
def test_a_job_that_succeeds(service: str, emr: LocalEmr) -> None:
    """A job run that succeeds, on both services"""
    run = drive(emr, service, "run")
    assert run["state"] == ("SUCCESS" if service == SERVERLESS else "COMPLETED")
    assert (run["name"], run["tags"], run["dated"]) == ("nightly", {"team": "data"}, True)


@SERVICES
def test_a_job_that_fails(service: str, emr: LocalEmr) -> None:
    """A job run that fails, on both services"""
    emr.script([ScriptedAttempt(succeeded=False, details="exit 3")])
    run = drive(emr, service, "run")
    assert (run["state"], run["details"]) == ("FAILED", "exit 3")


@SERVICES
def test_pages(service: str, emr: LocalEmr) -> None:
    """Pages of a listing, on both services"""
    listed = drive(emr, service, "list")
    assert listed["sizes"] == [2, 2, 1]
    known = (
        [one["applicationId"] for one in emr.applications()]
        if service == SERVERLESS
        else [one["id"] for one in emr.eks_job_runs()]
    )
    assert sorted(listed["ids"]) == sorted(known)


@SERVICES
def test_what_is_not_there(service: str, emr: LocalEmr) -> None:
    """What is not there is refused by the service's own error, on both services"""
    error = drive(emr, service, "refused")
    assert (error["name"], error["status"]) == ("ResourceNotFoundException", 404 if service == SERVERLESS else 400)


def test_throttling(emr: LocalEmr) -> None:
    """Calls that are throttled are made again"""
    emr.inject("StartJobRun", "throttle", times=2)
    assert drive(emr, SERVERLESS, "run")["state"] == "SUCCESS"
    assert [call["error"] for call in emr.calls("StartJobRun")][2:] == [None]
