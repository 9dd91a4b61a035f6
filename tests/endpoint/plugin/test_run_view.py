"""The page of a job run or session, against the local endpoint."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from airflow_emrs_ext.plugin.pages import Alternative
from airflow_emrs_ext.plugin.run_view import run_view
from airflow_emrs_ext.plugin.views import RunView, view_of
from tests.endpoint.plugin.eks import Cluster
from tests.polling import eventually
from tests.unit.plugin.started import TAGS, recorded

pytestmark = pytest.mark.airflow

ROLE = "arn:aws:iam::123456789012:role/job"
LINKS = [Alternative("Spark UI", "/emr/spark-ui/d/r/t/-1")]


def job_run(emr: LocalEmr, state: str, **parameters: Any) -> RunView:
    client = emr.client("emr-serverless")
    application_id = client.create_application(type="SPARK", releaseLabel="emr-7.13.0")["applicationId"]
    driver = {"sparkSubmit": {"entryPoint": "s3://b/j.py", "sparkSubmitParameters": "--conf spark.a.password=hush"}}
    job_run_id = client.start_job_run(
        applicationId=application_id, executionRoleArn=ROLE, tags=TAGS, **{"jobDriver": driver, **parameters}
    )["jobRunId"]
    eventually(lambda: emr.job_runs()[0]["state"] == state)
    ids = {"application_id": application_id, "job_run_id": job_run_id}
    return view_of(recorded("job_run", **ids))


def test_a_run_with_attempts_that_is_over(emr: LocalEmr) -> None:
    emr.script(attempts=[ScriptedAttempt(succeeded=False, details="boom <b>"), ScriptedAttempt()])
    work = job_run(emr, "SUCCESS", name="mine <i>", retryPolicy={"maxAttempts": 2})
    html = run_view(work, LINKS, str)
    for text in (
        "mine &lt;i&gt;",
        "SUCCESS",
        "Attempt 1: FAILED",
        "Attempt 2: SUCCESS",
        "vCPU-hours",
        work.ids["job_run_id"],
    ):
        assert text in html
    assert 'href="/emr/spark-ui/d/r/t/-1"' in html
    assert 'href="2"' in html
    assert "emr-7.13.0" in html
    assert 'http-equiv="refresh"' not in html


def test_a_run_that_goes_on_loads_itself_again(emr: LocalEmr) -> None:
    emr.script(attempts=[ScriptedAttempt(hold=True)])
    html = run_view(job_run(emr, "RUNNING"), LINKS, str)
    assert 'http-equiv="refresh" content="10"' in html
    assert "1: RUNNING" in html


def test_a_run_that_has_not_started(emr: LocalEmr) -> None:
    emr.configure(scheduling_seconds=600)
    assert "Until it started" in run_view(job_run(emr, "SUBMITTED"), LINKS, str)


def test_the_log_of_the_driver_and_the_cost(emr: LocalEmr, monkeypatch: pytest.MonkeyPatch) -> None:
    prices = {"us-east-1": {"X86_64": {"vcpu_hour": 1, "memory_gb_hour": 1, "storage_gb_hour": 1}}}
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__PRICES", json.dumps(prices))
    emr.client("s3").create_bucket(Bucket="logs")
    trace = 'Traceback (most recent call last):\n  File "/tmp/job.py", line 5, in <module>\nValueError: <boom>\n'
    emr.script([ScriptedAttempt(succeeded=False, stdout=trace)])
    monitoring = {"s3MonitoringConfiguration": {"logUri": "s3://logs/here"}}
    html = run_view(job_run(emr, "FAILED", configurationOverrides={"monitoringConfiguration": monitoring}), LINKS, str)
    assert "ValueError: &lt;boom&gt;" in html
    assert re.search(r"[0-9.]+ USD", html)


def test_managed_storage_is_not_asked_by_each_reload(emr: LocalEmr) -> None:
    emr.script([ScriptedAttempt(hold=True, stdout="hello\n")])
    work = job_run(emr, "RUNNING")
    assert "Driver log" not in run_view(work, LINKS, str)
    assert emr.calls("GetDashboardForJobRun") == []


def test_secrets_of_the_configuration_are_hidden(emr: LocalEmr) -> None:
    properties = {"spark.my.token": "hush", "spark.mine": "shown"}
    classified = [{"classification": "spark-defaults", "properties": properties}]
    work = job_run(emr, "SUCCESS", configurationOverrides={"applicationConfiguration": classified})
    html = run_view(work, LINKS, str)
    assert "hush" not in html
    assert "spark.a.password=***" in html
    assert "shown" in html


def test_secrets_of_arguments_and_of_the_log_are_hidden(emr: LocalEmr) -> None:
    emr.client("s3").create_bucket(Bucket="logs")
    trace = 'Traceback (most recent call last):\n  File "/tmp/job.py", line 5, in <module>\nValueError: {}\n'
    emr.script([ScriptedAttempt(succeeded=False, stdout=trace.format("no jdbc:postgresql://me:hush@host/db"))])
    arguments = ["--db-password", "hush", "https://me:hush@host/a?token=hush&x=1", '{"api_key": "hush", "b": "shown"}']
    work = job_run(
        emr,
        "FAILED",
        jobDriver={"sparkSubmit": {"entryPoint": "s3://b/j.py", "entryPointArguments": arguments}},
        configurationOverrides={"monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": "s3://logs"}}},
    )
    html = run_view(work, LINKS, str)
    assert "no jdbc:postgresql://***@host/db" in html
    assert "shown" in html
    assert "hush" not in html


def test_session(emr: LocalEmr) -> None:
    client = emr.client("emr-serverless")
    application_id = client.create_application(
        type="SPARK", releaseLabel="emr-7.13.0", interactiveConfiguration={"sessionEnabled": True}
    )["applicationId"]
    session_id = client.start_session(applicationId=application_id, executionRoleArn=ROLE, tags=TAGS)["sessionId"]
    eventually(lambda: emr.sessions()[0]["state"] == "IDLE")
    record = recorded("session", application_id=application_id, session_id=session_id)
    html = run_view(view_of(record), LINKS, str)
    assert session_id in html
    assert "IDLE" in html


def test_a_job_run_of_emr_on_eks(emr: LocalEmr) -> None:
    # Times of files are whole seconds, by which the pods of attempts are told apart.
    emr.configure(eks_retry_seconds=1.1)
    emr.client("s3").create_bucket(Bucket="logs")
    trace = 'Traceback (most recent call last):\n  File "/tmp/job.py", line 5, in <module>\nValueError: <boom>\n'
    emr.script([ScriptedAttempt(succeeded=False, stdout="first\n"), ScriptedAttempt(succeeded=False, stdout=trace)])
    cluster = Cluster(emr)
    monitoring = {"s3MonitoringConfiguration": {"logUri": "s3://logs"}}
    record = cluster.job_run("FAILED", monitoring, attempts=2, name="mine", parameters="--conf spark.my.token=hush")
    html = run_view(view_of(record), LINKS, str)
    for text in (
        '<h1>mine <span class="state bad">FAILED</span>',
        "USER_ERROR",
        f"<dt>Virtual cluster id</dt><dd>{cluster.cluster_id}</dd>",
        "<dt>Attempt</dt><dd>2</dd>",
        "emr-7.10.0-latest",
        "<span>FAILED, ",
        "Driver log, attempt 2",
        "ValueError: &lt;boom&gt;",
        "&quot;maxAttempts&quot;: 2",
        "spark.my.token=***",
    ):
        assert text in html
    for text in ("hush", "Until it started", "Billed", "refresh"):
        assert text not in html
    assert "Driver log, attempt 1" in run_view(view_of(record, 1), LINKS, str)


def test_a_job_run_of_emr_on_eks_that_has_not_started(emr: LocalEmr) -> None:
    emr.configure(scheduling_seconds=600)
    html = run_view(view_of(Cluster(emr).job_run("PENDING")), LINKS, str)
    assert "<span>PENDING, " in html
    assert "Driver log" not in html
    assert 'http-equiv="refresh"' in html


def test_a_managed_endpoint(emr: LocalEmr) -> None:
    cluster = Cluster(emr)
    record = cluster.managed_endpoint("ACTIVE")
    html = run_view(view_of(record), LINKS, str)
    for text in ('<h1>mine <span class="state now">ACTIVE</span>', "SPARK_CONNECT", record.ids["endpoint_id"], ROLE):
        assert text in html
    assert 'http-equiv="refresh"' in html

    cluster.client.delete_managed_endpoint(virtualClusterId=cluster.cluster_id, id=record.ids["endpoint_id"])
    eventually(lambda: emr.managed_endpoints()[0]["state"] == "TERMINATED")
    html = run_view(view_of(record), LINKS, str)
    assert '<span class="state good">TERMINATED</span>' in html
