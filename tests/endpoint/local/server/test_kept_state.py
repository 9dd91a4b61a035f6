"""An endpoint goes on with what another one has left in its ``--state-dir``."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from airflow_emrs_ext.local.testing import LocalEmr, LocalEmrError, ScriptedAttempt, local_emr
from tests.polling import eventually

ROLE = "arn:aws:iam::123456789012:role/job"
JOB = {"sparkSubmit": {"entryPoint": "s3://data/job.py"}}
STEP = {
    "Name": "mine",
    "ActionOnFailure": "TERMINATE_CLUSTER",
    "HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["spark-submit", "s3://code/job.py"]},
}
EKS = {"type": "EKS", "id": "cluster", "info": {"eksInfo": {"namespace": "jobs"}}}
LOST = "The local endpoint ended while this was active, and its driver with it; start it anew."
RUNS = 20


@contextmanager
def endpoint(directory: Path) -> Iterator[LocalEmr]:
    with local_emr(state_dir=directory, application_start_seconds=0.05, scheduling_seconds=0.02, quota_scale=0) as emr:
        yield emr


def application(emr: LocalEmr, **more: Any) -> str:
    client = emr.client("emr-serverless")
    answer = client.create_application(type="SPARK", releaseLabel="emr-7.13.0", clientToken="app", **more)
    return str(answer["applicationId"])


def start(emr: LocalEmr, application_id: str, token: str) -> str:
    client = emr.client("emr-serverless")
    answer = client.start_job_run(
        applicationId=application_id, clientToken=token, executionRoleArn=ROLE, jobDriver=JOB, tags={"n": token}
    )
    return str(answer["jobRunId"])


def run_states(emr: LocalEmr) -> list[str]:
    return [run["state"] for run in emr.job_runs()]


def test_what_ended_is_there_and_what_ran_has_failed(tmp_path: Path) -> None:
    succeeds, holds = ScriptedAttempt(running_after=0, ends_after=0), ScriptedAttempt(running_after=0, hold=True)
    with endpoint(tmp_path) as emr:
        application_id = application(emr)
        emr.script([succeeds])
        first = [start(emr, application_id, f"token-{i}") for i in range(RUNS // 2)]
        eventually(lambda: set(run_states(emr)) == {"SUCCESS"})
        emr.script([holds])
        started = first + [start(emr, application_id, f"token-{i}") for i in range(RUNS // 2, RUNS)]
        eventually(lambda: "RUNNING" in run_states(emr))
        before = emr.job_runs()
    with endpoint(tmp_path) as emr:
        after = emr.job_runs()
        assert [run["jobRunId"] for run in after] == started
        assert after[: RUNS // 2] == before[: RUNS // 2]
        assert [(run["state"], run["stateDetails"]) for run in after[RUNS // 2 :]] == [("FAILED", LOST)] * (RUNS // 2)
        assert start(emr, application_id, "token-3") == started[3], "client tokens are remembered"
        tags = emr.client("emr-serverless").list_tags_for_resource(resourceArn=after[0]["arn"])["tags"]
        assert tags == {"n": "token-0"}
        start(emr, application_id, "another")
        eventually(lambda: run_states(emr)[-1] == "SUCCESS")
        assert (
            emr.client("emr-serverless").list_job_runs(applicationId=application_id)["jobRuns"][0]["id"] not in started
        )


def test_clusters_and_their_sessions_and_steps(tmp_path: Path) -> None:
    make = {
        "ReleaseLabel": "emr-spark-8.0.0",
        "SessionEnabled": True,
        "Instances": {"KeepJobFlowAliveWhenNoSteps": True},
    }

    def state_of(client: Any, cluster_id: str) -> str:
        return str(client.describe_cluster(ClusterId=cluster_id)["Cluster"]["Status"]["State"])

    with endpoint(tmp_path) as emr:
        client = emr.client("emr")
        kept, ending = (client.run_job_flow(Name=name, **make)["JobFlowId"] for name in ("kept", "ending"))
        for cluster_id in (kept, ending):
            eventually(lambda cluster_id=cluster_id: state_of(client, cluster_id) == "WAITING")  # type: ignore[misc]
        once = {"ClusterId": kept, "ClientRequestToken": "once"}
        session_id = client.start_session(**once)["Id"]
        emr.script([ScriptedAttempt(hold=True)])
        client.add_job_flow_steps(JobFlowId=kept, Steps=[STEP, STEP])
        eventually(lambda: emr.steps(kept)[0]["Status"]["State"] == "RUNNING")
        emr.configure(application_start_seconds=600)
        starting = client.run_job_flow(Name="starting", **make)["JobFlowId"]
        client.terminate_job_flows(JobFlowIds=[ending])
    with endpoint(tmp_path) as emr:
        client = emr.client("emr")
        session = client.get_session(ClusterId=kept, SessionId=session_id)["Session"]
        assert (session["State"], session["StateChangeReason"]) == ("FAILED", LOST)
        assert client.start_session(**once)["Id"] == session_id
        for cluster_id, state in ((kept, "WAITING"), (ending, "TERMINATED"), (starting, "WAITING")):
            eventually(lambda cluster_id=cluster_id, state=state: state_of(client, cluster_id) == state)  # type: ignore[misc]
        client.start_session(ClusterId=starting)
        lost, waiting = emr.steps(kept)
        assert (lost["Status"]["State"], lost["Status"]["FailureDetails"]["Message"]) == ("FAILED", LOST)
        assert waiting["Status"]["State"] == "CANCELLED"
        client.add_job_flow_steps(JobFlowId=kept, Steps=[STEP])
        eventually(lambda: emr.steps(kept)[2]["Status"]["State"] == "COMPLETED")


def test_states_that_lead_to_an_end_are_led_there(tmp_path: Path) -> None:
    with endpoint(tmp_path) as emr:
        application_id = application(emr, interactiveConfiguration={"sessionEnabled": True})
        client, containers = emr.client("emr-serverless"), emr.client("emr-containers")
        emr.script([ScriptedAttempt(running_after=0, hold=True, stops_after=600)])
        cancelled = start(emr, application_id, "cancelled")
        session_id = client.start_session(applicationId=application_id, clientToken="s", executionRoleArn=ROLE)[
            "sessionId"
        ]
        eventually(lambda: run_states(emr) == ["RUNNING"])
        client.cancel_job_run(applicationId=application_id, jobRunId=cancelled, shutdownGracePeriodInSeconds=1800)
        cluster_id = containers.create_virtual_cluster(name="mine", containerProvider=EKS)["id"]
        eks = containers.start_job_run(
            virtualClusterId=cluster_id,
            executionRoleArn=ROLE,
            releaseLabel="emr-7.13.0-latest",
            jobDriver={"sparkSubmitJobDriver": {"entryPoint": "s3://data/job.py"}},
        )["id"]
        gone = containers.create_virtual_cluster(
            name="gone", containerProvider={**EKS, "info": {"eksInfo": {"namespace": "gone"}}}
        )["id"]
        emr.configure(application_start_seconds=600)
        containers.delete_virtual_cluster(id=gone)
        assert run_states(emr) == ["CANCELLING"]
    with endpoint(tmp_path) as emr:
        client, containers = emr.client("emr-serverless"), emr.client("emr-containers")
        assert run_states(emr) == ["CANCELLED"]
        session = client.get_session(applicationId=application_id, sessionId=session_id)["session"]
        assert (session["state"], session["stateDetails"]) == ("FAILED", LOST)
        described = containers.describe_job_run(virtualClusterId=cluster_id, id=eks)["jobRun"]
        assert (described["state"], described["failureReason"]) == ("FAILED", "INTERNAL_ERROR")
        eventually(lambda: containers.describe_virtual_cluster(id=gone)["virtualCluster"]["state"] == "TERMINATED")
        client.stop_application(applicationId=application_id)
        eventually(lambda: emr.applications()[0]["state"] == "STOPPED")
        containers.delete_virtual_cluster(id=cluster_id)


def test_other_services_keep_what_they_have(tmp_path: Path) -> None:
    with endpoint(tmp_path) as emr:
        emr.client("s3").create_bucket(Bucket="data")
        emr.client("s3").put_object(Bucket="data", Key="a/é b", Body=b"x" * 6_000_000, Metadata={"k": "v"})
        queue = emr.client("sqs").create_queue(QueueName="events")["QueueUrl"]
        emr.client("secretsmanager").create_secret(Name="key", SecretString="value")
        emr.client("kms").create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
        events = emr.client("events")
        events.put_rule(Name="all", EventPattern=json.dumps({"source": ["aws.emr-serverless"]}))
        events.put_targets(Rule="all", Targets=[{"Id": "1", "Arn": "arn:aws:sqs:us-east-1:123456789012:events"}])
        emr.script([ScriptedAttempt(running_after=0, hold=True)])
        start(emr, application(emr), "run")
        eventually(lambda: run_states(emr) == ["RUNNING"])
        emr.client("sqs").purge_queue(QueueUrl=queue)
    with endpoint(tmp_path) as emr:
        answer = emr.client("s3").get_object(Bucket="data", Key="a/é b")
        assert (answer["Body"].read(), answer["Metadata"]) == (b"x" * 6_000_000, {"k": "v"})
        assert emr.client("secretsmanager").get_secret_value(SecretId="key")["SecretString"] == "value"
        sqs = emr.client("sqs")
        queue = sqs.get_queue_url(QueueName="events")["QueueUrl"]
        told: list[str] = []

        def failed_was_told() -> bool:
            for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
                told.append(json.loads(message["Body"])["detail"].get("state"))
            return "FAILED" in told

        eventually(failed_was_told)


def test_a_directory_may_be_moved(tmp_path: Path) -> None:
    with endpoint(tmp_path / "old") as emr:
        start(emr, application(emr), "run")
        eventually(lambda: run_states(emr) == ["SUCCESS"])
    (tmp_path / "old").rename(tmp_path / "new")
    with endpoint(tmp_path / "new") as emr:
        work_dir = Path(emr.job_runs()[0]["attempts"][0]["workDir"])
        assert work_dir.is_relative_to(tmp_path / "new")
        assert work_dir.is_dir()


def test_a_killed_endpoint_has_kept_what_was_a_few_seconds_old(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "airflow_emrs_ext.local", "--runner", "simulated", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--state-dir", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    url = process.stdout.readline().split()[1]
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=url, **keys).create_bucket(Bucket="data")
    client = boto3.client("emr-serverless", endpoint_url=url, **keys)
    client.create_application(type="SPARK", releaseLabel="emr-7.13.0", clientToken="app")
    state = tmp_path / "state"
    eventually(lambda: (state / "aws").exists() and b"data" in (state / "aws").read_bytes(), within=60)
    eventually(lambda: b"emr-7.13.0" in (state / "emr-serverless").read_bytes(), within=60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with endpoint(tmp_path) as emr:
        assert [b["Name"] for b in emr.client("s3").list_buckets()["Buckets"]] == ["data"]
        assert len(emr.applications()) == 1


def refusal(directory: Path) -> str:
    with pytest.raises(LocalEmrError) as raised, endpoint(directory):
        pass
    return str(raised.value)


def test_what_cannot_be_used_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / "kept"
    with endpoint(directory) as emr:
        application(emr)
        assert "another emrs-local uses it" in refusal(directory)
    state = directory / "state"
    assert {path.stat().st_mode & 0o777 for path in state.iterdir()} == {0o600}

    shutil.copytree(directory, tmp_path / "newer")
    written = json.loads((state / "versions.json").read_text())
    (tmp_path / "newer" / "state" / "versions.json").write_text(json.dumps({**written, "moto": "99.0"}))
    assert "moto 99.0" in refusal(tmp_path / "newer")
    assert "to begin anew" in refusal(tmp_path / "newer")

    shutil.copytree(directory, tmp_path / "cut")
    os.truncate(tmp_path / "cut" / "state" / "emr-serverless", 100)
    assert "emr-serverless: cannot be read" in refusal(tmp_path / "cut")

    for path in (directory, state, state / "aws"):
        path.chmod(path.stat().st_mode | 0o022)
        assert f"{path}: must be no link, belong to you, and nobody else" in refusal(directory)
        path.chmod(path.stat().st_mode & ~0o022)
    (state / "aws").rename(tmp_path / "elsewhere")
    (state / "aws").symlink_to(tmp_path / "elsewhere")
    assert "must be no link" in refusal(directory)


def test_what_is_written_while_the_state_is_is_kept(tmp_path: Path) -> None:
    with endpoint(tmp_path) as emr:
        emr.client("s3").create_bucket(Bucket="data")
        connection = http.client.HTTPConnection(urlsplit(emr.url).netloc, timeout=30)
        connection.putrequest("PUT", "/data/slow")
        connection.putheader("Content-Length", "4")
        connection.endheaders()
        for part in (b"ab", b"cd"):
            time.sleep(1.5)
            connection.send(part)
        assert connection.getresponse().status == 200
        time.sleep(1.5)
    with endpoint(tmp_path) as emr:
        assert emr.client("s3").get_object(Bucket="data", Key="slow")["Body"].read() == b"abcd"


def test_events_and_resets_are_kept(tmp_path: Path) -> None:
    with endpoint(tmp_path) as emr:
        emr.client("s3").create_bucket(Bucket="data")
        application(emr)
        time.sleep(1.5)
        emr.reset()
        queue = emr.client("sqs").create_queue(QueueName="events")["QueueUrl"]
        events = emr.client("events")
        events.put_rule(Name="all", EventPattern=json.dumps({"source": ["aws.emr-serverless"]}))
        events.put_targets(Rule="all", Targets=[{"Id": "1", "Arn": "arn:aws:sqs:us-east-1:123456789012:events"}])
        time.sleep(1.5)
        start(emr, application(emr), "run")
        eventually(lambda: run_states(emr) == ["SUCCESS"])
        before = waiting(emr, queue)
        assert before > 2
    with endpoint(tmp_path) as emr:
        assert emr.client("s3").list_buckets()["Buckets"] == []
        assert waiting(emr, emr.client("sqs").get_queue_url(QueueName="events")["QueueUrl"]) >= before


def waiting(emr: LocalEmr, queue: str) -> int:
    answer = emr.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"])
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def test_nothing_runs_while_there_is_no_endpoint(tmp_path: Path) -> None:
    with endpoint(tmp_path) as emr:
        emr.script([ScriptedAttempt(running_after=0, hold=True)])
        start(emr, application(emr), "run")
        eventually(lambda: run_states(emr) == ["RUNNING"])
    ended = datetime.now(timezone.utc)
    time.sleep(2)
    with endpoint(tmp_path) as emr:
        (change,) = [one for one in emr.job_runs()[0]["stateHistory"] if one["state"] == "FAILED"]
        assert datetime.fromisoformat(change["at"]) <= ended
