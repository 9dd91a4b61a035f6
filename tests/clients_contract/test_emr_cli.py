"""The command line of AWS Labs for PySpark projects: it uploads a script, runs it, waits and shows what it printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt

CLIENT = f"emr-cli {version('emr-cli')}"
ROLE = "arn:aws:iam::123456789012:role/jobs"
EKS = {"type": "EKS", "id": "cluster", "info": {"eksInfo": {"namespace": "jobs"}}}
ARGUMENTS = ("--job-args", "a,b")
PLACES = ("--s3-code-uri", "s3://code/jobs/", "--s3-logs-uri", "s3://code/logs/")

Emr = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def emr_cli(tmp_path: Path) -> Emr:
    """The command, in a project of one script."""
    (tmp_path / "job.py").write_text("print('never run: the runner is the simulated one')\n", encoding="utf-8")

    def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sys.executable).with_name("emr"), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
            env={**os.environ, **environ},
        )

    return run


@pytest.fixture
def bucket(emr: LocalEmr) -> None:
    emr.client("s3").create_bucket(Bucket="code")


@pytest.fixture
def application(emr: LocalEmr) -> tuple[str, ...]:
    made = emr.client("emr-serverless").create_application(releaseLabel="emr-7.5.0", type="SPARK")
    return ("--application-id", made["applicationId"])


@pytest.fixture
def virtual_cluster(emr: LocalEmr) -> tuple[str, ...]:
    made = emr.client("emr-containers").create_virtual_cluster(name="mine", containerProvider=EKS)
    return ("--virtual-cluster-id", made["id"], "--emr-eks-release-label", "emr-7.5.0")


def job(target: tuple[str, ...], *more: str) -> tuple[str, ...]:
    return ("run", *target, "--entry-point", "job.py", "--job-role", ROLE, *PLACES, *more)


def uploaded(emr: LocalEmr) -> list[str]:
    listed: dict[str, Any] = emr.client("s3").list_objects_v2(Bucket="code", Prefix="jobs/")
    return [one["Key"] for one in listed["Contents"]]


@pytest.mark.usefixtures("bucket")
def test_serverless(emr: LocalEmr, emr_cli: Emr, application: tuple[str, ...]) -> None:
    """EMR Serverless: `run --build --wait --show-stdout`"""
    emr.script([ScriptedAttempt(stdout="42 rows\n")])
    done = emr_cli(
        *job(application, "--build", "--wait", "--show-stdout", "--job-args", "a,b", "--job-name", "nightly")
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "42 rows\n" in done.stdout
    assert "Job completed successfully!" in done.stdout
    (run,) = emr.job_runs()
    assert (run["state"], run["name"]) == ("SUCCESS", "nightly")
    assert run["jobDriver"]["sparkSubmit"]["entryPointArguments"] == ["a", "b"]
    assert uploaded(emr) == ["jobs/job.py"]


@pytest.mark.usefixtures("bucket")
def test_serverless_job_that_fails(emr: LocalEmr, emr_cli: Emr, application: tuple[str, ...]) -> None:
    """EMR Serverless: a job that fails, with its output"""
    emr.script([ScriptedAttempt(succeeded=False, details="exit 3", stdout="half of it\n")])
    done = emr_cli(*job(application, "--wait", "--show-stdout"))
    assert done.returncode == 1
    assert "half of it\n" in done.stdout
    assert "EMR Serverless job failed: exit 3" in done.stdout


def test_bootstrap_of_serverless(emr: LocalEmr, emr_cli: Emr) -> None:
    """EMR Serverless: `bootstrap` makes buckets, a role and an application, on which `run` runs"""
    # It starts the application at once, and what the service says to that while it is CREATING nobody has written down.
    emr.configure(application_start_seconds=0)
    # It names the Region as the buckets' location constraint, which S3 refuses for us-east-1.
    ireland = {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"}
    buckets = ("--code-bucket", "mine", "--logs-bucket", "mine-logs")
    made = emr_cli("bootstrap", "--target", "emr-serverless", *buckets, "--job-role-name", "jobs", **ireland)
    assert made.returncode == 0, made.stdout + made.stderr
    # Their policies deny what does not come by TLS from the bucket itself; moto reads no conditions.
    for bucket in ("mine", "mine-logs"):
        emr.client("s3").delete_bucket_policy(Bucket=bucket)
    emr.script([ScriptedAttempt(stdout="bootstrapped\n")])
    done = emr_cli("run", "--entry-point", "job.py", "--build", "--wait", "--show-stdout", **ireland)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "bootstrapped\n" in done.stdout


@pytest.mark.usefixtures("bucket")
def test_eks(emr: LocalEmr, emr_cli: Emr, virtual_cluster: tuple[str, ...]) -> None:
    """EMR on EKS: `run --build --wait --show-stdout`"""
    emr.script([ScriptedAttempt(stdout="42 rows\n")])
    done = emr_cli(*job(virtual_cluster, "--build", "--wait", "--show-stdout", "--spark-submit-opts", "--conf a=b"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "42 rows\n" in done.stdout
    assert "Job completed successfully!" in done.stdout
    (run,) = emr.eks_job_runs()
    assert (run["state"], run["name"]) == ("COMPLETED", "emr-cli_job")
    assert "--conf a=b" in json.dumps(run["jobDriver"])
    assert uploaded(emr) == ["jobs/job.py"]


@pytest.mark.usefixtures("bucket")
def test_eks_job_that_fails(emr: LocalEmr, emr_cli: Emr, virtual_cluster: tuple[str, ...]) -> None:
    """EMR on EKS: a job that fails, with its output"""
    emr.script([ScriptedAttempt(succeeded=False, details="exit 3", stdout="half of it\n")])
    done = emr_cli(*job(virtual_cluster, "--wait", "--show-stdout"))
    assert done.returncode == 1
    assert "half of it\n" in done.stdout
    assert "EMR Containers job failed: exit 3" in done.stdout
