"""The page of a job run or session, against the local endpoint."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from airflow_emrs_ext.plugin import records
from airflow_emrs_ext.plugin.answers import answer
from airflow_emrs_ext.plugin.clicks import Click
from airflow_emrs_ext.plugin.pages import Alternative
from airflow_emrs_ext.plugin.run_view import run_view
from airflow_emrs_ext.plugin.targets import checked
from airflow_emrs_ext.plugin.timeline import duration
from airflow_emrs_ext.plugin.views import RunView, serverless, view_of
from tests.endpoint.plugin.eks import Cluster
from tests.polling import eventually
from tests.unit.plugin.started import PLACE, TAGS, recorded

pytestmark = pytest.mark.airflow

ROLE = "arn:aws:iam::123456789012:role/job"
LINKS = [Alternative("Spark UI", "/emr/spark-ui/d/r/t/-1", "spark-ui")]


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
        '<a href="1">Attempt 1</a><span class="bad">FAILED</span>',
        '<a href="2">Attempt 2</a><span class="good">SUCCESS</span>',
        "vCPU-hours",
        work.ids["job_run_id"],
    ):
        assert text in html
    assert 'href="/emr/spark-ui/d/r/t/-1"' in html
    assert "emr-7.13.0" in html
    assert 'http-equiv="refresh"' not in html


def test_a_run_that_goes_on_loads_itself_again(emr: LocalEmr) -> None:
    emr.script(attempts=[ScriptedAttempt(hold=True)])
    html = run_view(job_run(emr, "RUNNING"), LINKS, str)
    assert 'http-equiv="refresh" content="10"' in html
    assert re.search(
        r'Attempt 1</a><span class="now">RUNNING</span><span class="soft">waited .+, runs for .+ so far<', html
    )


def test_a_run_that_has_not_started(emr: LocalEmr) -> None:
    emr.configure(scheduling_seconds=600)
    work = job_run(emr, "SUBMITTED")
    html = run_view(work, LINKS, str)
    assert re.search(
        r'<b>Attempt 1</b><span class="now">SUBMITTED</span><span class="soft">waits for its start, ', html
    )
    emr.client("emr-serverless").cancel_job_run(
        applicationId=work.ids["application_id"], jobRunId=work.ids["job_run_id"]
    )
    eventually(lambda: emr.job_runs()[0]["state"] == "CANCELLED")
    html = run_view(view_of(work.record), LINKS, str)
    assert re.search(r"<b>Attempt 1</b>.*>ended after [^<]+ without a start<", html)


def test_how_long_attempts_waited_and_ran_is_what_the_service_says(emr: LocalEmr) -> None:
    emr.script(attempts=[ScriptedAttempt(succeeded=False), ScriptedAttempt()])
    work = job_run(emr, "SUCCESS", retryPolicy={"maxAttempts": 2})
    html = run_view(work, LINKS, str)
    client = emr.client("emr-serverless")
    ids = {"applicationId": work.ids["application_id"], "jobRunId": work.ids["job_run_id"]}
    for number in (1, 2):
        run = client.get_job_run(**ids, attempt=number)["jobRun"]
        (listed,) = (one for one in client.list_job_run_attempts(**ids)["jobRunAttempts"] if one["attempt"] == number)
        waited, ran = run["startedAt"] - listed["createdAt"], run["endedAt"] - run["startedAt"]
        words = f"waited {duration(waited.total_seconds())}, ran {duration(ran.total_seconds())}"
        assert f'role="img" aria-label="Attempt {number}: {words}"' in html
        assert f'<span class="soft">{words}</span>' in html


def run_of_attempts(emr: LocalEmr, number: int, **parameters: Any) -> RunView:
    """A job run whose attempts have failed but for the last, which goes on."""
    emr.script(attempts=[*[ScriptedAttempt(succeeded=False)] * (number - 1), ScriptedAttempt(hold=True)])
    work = job_run(emr, "RUNNING", retryPolicy={"maxAttempts": number}, **parameters)
    eventually(lambda: (len(emr.job_runs()[0]["attempts"]), emr.job_runs()[0]["state"]) == (number, "RUNNING"))
    return view_of(work.record)


def calls_of(emr: LocalEmr, view: RunView) -> dict[str, int]:
    """How often a page asks EMR, by operation."""
    before = len(emr.calls())
    run_view(view, checked(LINKS, view), str)
    return dict(Counter(call["operation"] for call in emr.calls()[before:]))


def test_how_often_a_page_asks(emr: LocalEmr) -> None:
    work = run_of_attempts(emr, 10)
    once = {"GetJobRun": 1, "ListJobRunAttempts": 1, "GetApplication": 1}
    # What is told of an attempt that has ended stays true: only the first page asks for it.
    assert calls_of(emr, work) == {**once, "GetJobRun": 10}
    assert calls_of(emr, view_of(work.record)) == once
    html = run_view(view_of(work.record), LINKS, str)
    assert len(re.findall(r">waited [^<]+, ran ", html)) == 9

    emr.finish(work.ids["job_run_id"])
    eventually(lambda: emr.job_runs()[0]["state"] == "SUCCESS")
    # Only now the log is read from managed storage, by two dashboards.
    assert calls_of(emr, view_of(work.record)) == {**once, "GetDashboardForJobRun": 2}
    html = run_view(view_of(work.record), LINKS, str)
    assert len(re.findall(r">waited [^<]+, ran ", html)) == 10


def test_the_newest_attempts_are_asked_for_first(emr: LocalEmr) -> None:
    work = run_of_attempts(emr, 4)
    _ = work.described
    emr.inject("GetJobRun", "error", status=403, code="AccessDeniedException", after=1, times=None)
    html = run_view(work, LINKS, str)
    for number, words in ((1, "from its creation"), (2, "from its creation"), (3, "waited"), (4, "waited")):
        assert re.search(rf">Attempt {number}</a><span[^>]*>\w+</span><span[^>]*>[^<]*{words} ", html)


@pytest.mark.parametrize("why", ["switched off", "not kept any more"])
def test_attempts_without_a_spark_ui_have_no_links(emr: LocalEmr, monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    monitoring = {}
    if why == "switched off":
        monitoring["managedPersistenceMonitoringConfiguration"] = {"enabled": False}
    else:
        monkeypatch.setattr(serverless, "_KEPT", timedelta())
    work = run_of_attempts(emr, 2, configurationOverrides={"monitoringConfiguration": monitoring})
    html = run_view(work, LINKS, str)
    assert '<b>Attempt 1</b><span class="bad">FAILED</span>' in html
    # What is kept for a while after the end is there until then.
    second = "<b>Attempt 2</b>" if why == "switched off" else '<a href="2">Attempt 2</a>'
    assert second in html


def test_without_the_permission_for_an_attempt_there_is_its_whole_time(emr: LocalEmr) -> None:
    emr.script(attempts=[ScriptedAttempt(succeeded=False), ScriptedAttempt()])
    work = job_run(emr, "SUCCESS", retryPolicy={"maxAttempts": 2})
    _ = work.facts
    emr.inject("GetJobRun", "error", status=403, code="AccessDeniedException")
    html = run_view(work, LINKS, str)
    assert re.search(r"Attempt 1</a>.*? from its creation to its end<.*Attempt 2</a>.*?>waited ", html)


def test_times_are_for_a_script_to_show_in_the_readers_zone(emr: LocalEmr) -> None:
    work = job_run(emr, "SUCCESS")
    html = run_view(work, LINKS, str)
    times = re.findall(r'<time datetime="([^"]+)">([^<]+)</time>', html)
    assert datetime.fromisoformat(work.facts["ended_at"]) in {datetime.fromisoformat(at) for at, _ in times}
    for at, shown in times:
        assert shown == f"{datetime.fromisoformat(at):%Y-%m-%d %H:%M:%S} UTC"
    assert "Times are in UTC." in html


def test_the_policy_of_the_page_lets_no_other_script_in(emr: LocalEmr, monkeypatch: pytest.MonkeyPatch) -> None:
    work = job_run(emr, "SUCCESS", name='"><img src=x onerror=alert(1)><script>alert(2)</script>')
    monkeypatch.setattr(records, "record_of", lambda place: work.record)
    given = answer(Click("run", PLACE))
    policy = dict(part.strip().split(" ", 1) for part in given.headers["Content-Security-Policy"].split(";"))
    nonce = policy.pop("script-src")
    assert policy == {
        "default-src": "'none'",
        "style-src": "'unsafe-inline'",
        "frame-ancestors": "'self'",
        "connect-src": "'self'",
    }
    (found,) = re.findall(r"<script([^>]*)>", given.body)
    assert f"'nonce-{found.removeprefix(' nonce=').strip(chr(34))}'" == nonce
    markup = re.sub(r"<script.*</script>|<style>.*?</style>", "", given.body, flags=re.DOTALL)
    assert not re.search(r"<[^>]*\son\w+=|<img|javascript:", markup)


def test_a_link_that_leads_nowhere_is_a_line_that_says_why(emr: LocalEmr, monkeypatch: pytest.MonkeyPatch) -> None:
    emr.script([ScriptedAttempt(hold=True)])
    work = job_run(emr, "RUNNING")
    monkeypatch.setattr(records, "record_of", lambda place: work.record)
    html = answer(Click("run", PLACE)).body
    for name in ("Spark UI", "Driver stdout", "Driver stderr", "EMR console"):
        assert f">{name}</a>" in html
    assert "<p><b>S3 logs:</b> No logs on S3. The monitoring configuration names no bucket.</p>" in html
    assert "<b>CloudWatch logs:</b> No logs in CloudWatch." in html
    assert "/emr/s3-logs/" not in html
    # To say so costs no address of a dashboard, of which there is one per second.
    assert emr.calls("GetDashboardForJobRun") == []


def test_links_of_a_run_that_waits(emr: LocalEmr, monkeypatch: pytest.MonkeyPatch) -> None:
    emr.configure(scheduling_seconds=600)
    work = job_run(emr, "SUBMITTED")
    monkeypatch.setattr(records, "record_of", lambda place: work.record)
    html = answer(Click("run", PLACE)).body
    assert re.findall(r"<li><a [^>]*>([^<]*)</a>", html) == ["EMR console"]
    assert "<p><b>Spark UI, Driver stdout, Driver stderr:</b> Not started yet. " in html


def test_logs_on_s3_that_are_gone_and_that_nobody_can_tell_of(emr: LocalEmr, monkeypatch: pytest.MonkeyPatch) -> None:
    emr.client("s3").create_bucket(Bucket="logs")
    emr.script([ScriptedAttempt(stdout="hello\n")])
    monitoring = {"s3MonitoringConfiguration": {"logUri": "s3://logs"}}
    work = job_run(emr, "SUCCESS", configurationOverrides={"monitoringConfiguration": monitoring})
    monkeypatch.setattr(records, "record_of", lambda place: work.record)
    key = work.locations["s3_uri"].removeprefix("s3://logs/")
    emr.client("s3").delete_object(Bucket="logs", Key=f"{key}stdout.gz")
    html = answer(Click("run", PLACE)).body
    assert "<b>Driver stdout:</b> No such log. " in html
    assert ">Driver stderr</a>" in html
    assert ">S3 logs</a>" in html
    # Nobody listens there: that a log is gone is not known.
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    again = view_of(work.record)
    links = checked([Alternative("Driver stdout", "/o", "driver-stdout")], again)
    assert [one.why_not for one in links] == [""]


def test_the_log_of_the_driver_and_the_cost(emr: LocalEmr, monkeypatch: pytest.MonkeyPatch) -> None:
    prices = {"us-east-1": {"X86_64": {"vcpu_hour": 1, "memory_gb_hour": 1, "storage_gb_hour": 1}}}
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__PRICES", json.dumps(prices))
    emr.client("s3").create_bucket(Bucket="logs")
    trace = 'Traceback (most recent call last):\n  File "/tmp/job.py", line 5, in <module>\nValueError: <boom>\n'
    emr.script([ScriptedAttempt(succeeded=False, stdout=trace)])
    monitoring = {"s3MonitoringConfiguration": {"logUri": "s3://logs/here"}}
    html = run_view(job_run(emr, "FAILED", configurationOverrides={"monitoringConfiguration": monitoring}), LINKS, str)
    assert "ValueError: &lt;boom&gt;" in html
    assert re.search(r"<dt>Cost</dt><dd>about [0-9.]+ USD, by the prices in \[emrs_ext\] prices</dd>", html)


def test_flex_capacity_is_on_the_page(emr: LocalEmr, monkeypatch: pytest.MonkeyPatch) -> None:
    price = {"vcpu_hour": 1, "memory_gb_hour": 1, "storage_gb_hour": 1}
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__PRICES", json.dumps({"us-east-1": {"X86_64": price}}))
    work = job_run(emr, "SUCCESS", flexExecution={"enabled": True})
    html = run_view(work, LINKS, str)
    assert "<dt>Capacity</dt><dd>Flex for executors, Standard for the driver</dd>" in html
    assert re.search(r"<dt>Cost</dt><dd>at most [0-9.]+ USD, .* what ran on Flex capacity costs less", html)
    prices = {"us-east-1": {"X86_64": {**price, "flex": price}}}
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__PRICES", json.dumps(prices))
    assert re.search(r"<dt>Cost</dt><dd>about [0-9.]+ USD, by the prices in", run_view(work, LINKS, str))


def test_without_prices_the_page_says_why_there_is_no_cost(emr: LocalEmr) -> None:
    html = run_view(job_run(emr, "SUCCESS"), LINKS, str)
    assert "<dd>Not estimated: [emrs_ext] prices has no prices for us-east-1 and X86_64.</dd>" in html


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
        f"<dt>Virtual cluster ID</dt><dd>{cluster.cluster_id}</dd>",
        "<dt>Attempt</dt><dd>2</dd>",
        "emr-7.10.0-latest",
        '<b>Job run</b><span class="bad">FAILED</span>',
        "from its creation to its end",
        "Driver log, attempt 2",
        "ValueError: &lt;boom&gt;",
        "&quot;maxAttempts&quot;: 2",
        "spark.my.token=***",
    ):
        assert text in html
    for text in ("hush", "waited", "Billed", "<h2>Workers", "refresh"):
        assert text not in html
    assert "Driver log, attempt 1" in run_view(view_of(record, 1), LINKS, str)


def test_a_job_run_of_emr_on_eks_that_has_not_started(emr: LocalEmr) -> None:
    emr.configure(scheduling_seconds=600)
    html = run_view(view_of(Cluster(emr).job_run("PENDING")), LINKS, str)
    assert '<b>Job run</b><span class="now">PENDING</span><span class="soft">waits for its start, ' in html
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
