"""What the links lead to, against the local endpoint."""

from __future__ import annotations

import gzip
import logging
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt, ScriptedSession
from airflow_emrs_ext.plugin.records import Record
from airflow_emrs_ext.plugin.targets import target
from airflow_emrs_ext.plugin.views import LinkUnavailable, base
from airflow_emrs_ext.workflows.driver_logs.sources import log_url
from tests.polling import eventually
from tests.unit.plugin.started import CONNECTION, TAGS, recorded

pytestmark = pytest.mark.airflow

ROLE = "arn:aws:iam::123456789012:role/job"
MANAGED_OFF = {"managedPersistenceMonitoringConfiguration": {"enabled": False}}
HOLD = ScriptedAttempt(hold=True, stdout="hello\n", stderr="a log line\n")


class Fixture:
    """Starts work at the endpoint, and tells where its links lead."""

    def __init__(self, emr: LocalEmr) -> None:
        self.emr = emr
        self.client = emr.client("emr-serverless")

    def application(self, **parameters: Any) -> str:
        return str(
            self.client.create_application(
                type="SPARK",
                releaseLabel="emr-7.13.0",
                interactiveConfiguration={"sessionEnabled": True},
                **parameters,
            )["applicationId"]
        )

    def job_run(self, application_id: str, state: str, monitoring: Any = None, **parameters: Any) -> Record:
        """The record of a job run that is in a state."""
        overrides = {"configurationOverrides": {"monitoringConfiguration": monitoring}} if monitoring else {}
        job_run_id = self.client.start_job_run(
            applicationId=application_id,
            executionRoleArn=ROLE,
            jobDriver={"sparkSubmit": {"entryPoint": "s3://bucket/job.py"}},
            **overrides,
            **{"tags": TAGS, **parameters},
        )["jobRunId"]
        ids = {"applicationId": application_id, "jobRunId": job_run_id}
        eventually(lambda: self.client.get_job_run(**ids)["jobRun"]["state"] == state)
        return recorded("job_run", application_id=application_id, job_run_id=job_run_id)

    def session(self, application_id: str, state: str) -> Record:
        """The record of a session that is in a state."""
        ids = {"applicationId": application_id}
        ids["sessionId"] = self.client.start_session(**ids, executionRoleArn=ROLE, tags=TAGS)["sessionId"]
        eventually(lambda: self.client.get_session(**ids)["session"]["state"] == state)
        return recorded("session", application_id=application_id, session_id=ids["sessionId"])


@pytest.fixture
def work(emr: LocalEmr) -> Fixture:
    return Fixture(emr)


def visit(url: str) -> str:
    """What a browser sees behind a URL."""
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=30) as response:
        assert response.headers["Content-Type"].startswith("text/")
        content: bytes = response.read()
        if response.headers["Content-Encoding"] == "gzip":
            content = gzip.decompress(content)
        return content.decode()


def no_target(lead: Callable[[], str]) -> LinkUnavailable:
    with pytest.raises(LinkUnavailable) as caught:
        lead()
    return caught.value


def test_the_spark_ui_opens_as_often_as_one_clicks(work: Fixture) -> None:
    work.emr.script(attempts=[HOLD])
    record = work.job_run(work.application(), "RUNNING")

    first, second = target("spark-ui", record), target("spark-ui", record)
    assert record.ids["job_run_id"] in visit(first)
    assert record.ids["job_run_id"] in visit(second)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        visit(first)

    work.emr.finish(record.ids["job_run_id"], succeeded=False, details="boom")
    assert record.ids["job_run_id"] in visit(target("spark-ui", record))


def test_each_attempt_has_its_own(work: Fixture) -> None:
    work.emr.script(attempts=[ScriptedAttempt(succeeded=False, stdout="first\n"), HOLD])
    record = work.job_run(work.application(), "RUNNING", retryPolicy={"maxAttempts": 2})
    eventually(lambda: work.emr.job_runs()[0]["attempts"][-1]["attempt"] == 2)
    eventually(lambda: work.emr.job_runs()[0]["state"] == "RUNNING")

    assert f"{record.ids['job_run_id']}-2" in visit(target("spark-ui", record))
    assert f"{record.ids['job_run_id']}-1" in visit(target("spark-ui", record, 1))
    assert visit(target("driver-stdout", record)) == "hello\n"
    assert visit(target("driver-stdout", record, 1)) == "first\n"
    assert no_target(lambda: target("spark-ui", record, 7)).status == 404


def test_earlier_attempts_are_offered_while_the_next_has_not_started(work: Fixture) -> None:
    work.emr.script(attempts=[HOLD])
    record = work.job_run(work.application(), "RUNNING", retryPolicy={"maxAttempts": 2})
    work.emr.configure(scheduling_seconds=600)
    work.emr.finish(record.ids["job_run_id"], succeeded=False)
    eventually(lambda: work.emr.job_runs()[0]["state"] != "RUNNING")
    none = no_target(lambda: target("spark-ui", record))
    assert (none.title, none.earlier) == ("Not started yet", 1)
    assert record.ids["job_run_id"] in visit(target("spark-ui", record, 1))


def test_addresses_are_not_logged_at_level_debug(work: Fixture, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    work.emr.client("s3").create_bucket(Bucket="logs")
    work.emr.script(attempts=[ScriptedAttempt(stdout="said")])
    monitoring = {"s3MonitoringConfiguration": {"logUri": "s3://logs"}}
    record = work.job_run(work.application(), "SUCCESS", monitoring)
    dashboard, log = urlsplit(target("spark-ui", record)), urlsplit(target("driver-stdout", record))
    assert record.ids["job_run_id"] in caplog.text
    assert dashboard.path.rpartition("/")[2] not in caplog.text
    (signature,) = parse_qs(log.query)["X-Amz-Signature"]
    assert signature not in caplog.text


@pytest.mark.parametrize("ended", [False, True])
def test_driver_logs_in_managed_storage(work: Fixture, ended: bool) -> None:
    work.emr.script(attempts=[HOLD])
    record = work.job_run(work.application(), "RUNNING")
    if ended:
        work.emr.finish(record.ids["job_run_id"])
        eventually(lambda: work.emr.job_runs()[0]["state"] == "SUCCESS")

    assert visit(target("driver-stdout", record)) == "hello\n"
    assert visit(target("driver-stderr", record)) == "a log line\n"


def test_the_url_of_a_log_is_the_dashboards_with_another_path() -> None:
    host = "https://j-00abc.dashboard.emr-serverless.eu-west-1.amazonaws.com"
    assert log_url(f"{host}/?authToken=x%3D", "SPARK_DRIVER", "stdout") == (
        f"{host}/logs/SPARK_DRIVER/stdout.gz?authToken=x%3D"
    )


def test_driver_logs_on_s3(work: Fixture) -> None:
    s3 = work.emr.client("s3")
    s3.create_bucket(Bucket="logs")
    work.emr.script(attempts=[ScriptedAttempt(stdout="on S3\n")])
    # The application's default is the run's, too.
    application_id = work.application(
        monitoringConfiguration={"s3MonitoringConfiguration": {"logUri": "s3://logs/prefix/"}, **MANAGED_OFF}
    )
    record = work.job_run(application_id, "SUCCESS")
    path = f"prefix/applications/{application_id}/jobs/{record.ids['job_run_id']}"

    url = target("driver-stdout", record)
    assert f"/{path}/SPARK_DRIVER/stdout.gz?" in url
    assert "X-Amz-Expires=300&" in url
    assert visit(url) == "on S3\n"
    assert target("s3-logs", record) == (
        "https://us-east-1.console.aws.amazon.com/s3/buckets/logs?region=us-east-1&prefix="
        + f"{path}/".replace("/", "%2F")
    )

    s3.delete_object(Bucket="logs", Key=f"{path}/SPARK_DRIVER/stdout.gz")
    assert no_target(lambda: target("driver-stdout", record)).title == "No such log"
    assert no_target(lambda: target("spark-ui", record)).title == "Managed logs are switched off"
    assert no_target(lambda: target("cloudwatch-logs", record)).title == "No logs in CloudWatch"


def test_a_log_that_the_service_has_not_written_yet(work: Fixture) -> None:
    work.emr.client("s3").create_bucket(Bucket="logs")
    work.emr.script(attempts=[HOLD])
    record = work.job_run(work.application(), "RUNNING", {"s3MonitoringConfiguration": {"logUri": "s3://logs"}})
    none = no_target(lambda: target("driver-stdout", record))
    assert (none.status, none.title, none.again_after) == (404, "Not there yet", 5)


def test_logs_in_cloudwatch_of_an_attempt(work: Fixture) -> None:
    work.emr.script(attempts=[HOLD])
    monitoring = {
        "cloudWatchLoggingConfiguration": {"enabled": True, "logGroupName": "/g", "logStreamNamePrefix": "p"},
        **MANAGED_OFF,
    }
    record = work.job_run(work.application(), "RUNNING", monitoring, retryPolicy={"maxAttempts": 2})
    path = f"p/applications/{record.ids['application_id']}/jobs/{record.ids['job_run_id']}/attempts/1/".replace(
        "/", "$252F"
    )
    group = (
        "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#logsV2:log-groups/log-group/$252Fg"
    )
    assert target("cloudwatch-logs", record) == f"{group}$3FlogStreamNameFilter$3D{path}"
    assert target("driver-stderr", record) == f"{group}/log-events/{path}SPARK_DRIVER$252Fstderr"
    assert no_target(lambda: target("s3-logs", record)).title == "No logs on S3"


def test_no_logs_are_kept(work: Fixture) -> None:
    record = work.job_run(work.application(), "SUCCESS", MANAGED_OFF)
    assert no_target(lambda: target("driver-stdout", record)).title == "No logs are kept"


def test_a_run_that_has_not_started(work: Fixture) -> None:
    work.emr.configure(scheduling_seconds=600)
    record = work.job_run(work.application(), "SUBMITTED")
    for what in ("spark-ui", "driver-stdout"):
        none = no_target(lambda what=what: target(what, record))  # type: ignore[misc]
        assert (none.status, none.title, none.again_after) == (409, "Not started yet", 5)
    assert "SUBMITTED" in none.text
    assert target("console", record).endswith("/emr/home?region=us-east-1#/serverless")


def test_nobody_waits_for_a_start_that_brings_neither_ui_nor_logs(work: Fixture) -> None:
    work.emr.configure(scheduling_seconds=600)
    record = work.job_run(work.application(), "SUBMITTED", MANAGED_OFF)
    for what, title in (("spark-ui", "Managed logs are switched off"), ("driver-stdout", "No logs are kept")):
        none = no_target(lambda what=what: target(what, record))  # type: ignore[misc]
        assert (none.status, none.title, none.again_after) == (404, title, None)


def test_a_run_that_never_ran(work: Fixture) -> None:
    work.emr.configure(scheduling_seconds=600)
    record = work.job_run(work.application(), "SUBMITTED")
    work.client.cancel_job_run(applicationId=record.ids["application_id"], jobRunId=record.ids["job_run_id"])
    eventually(lambda: work.emr.job_runs()[0]["state"] == "CANCELLED")
    none = no_target(lambda: target("spark-ui", record))
    assert (none.status, none.title, none.again_after) == (409, "Never started", None)


def test_session(work: Fixture) -> None:
    work.emr.client("s3").create_bucket(Bucket="logs")
    application_id = work.application(
        monitoringConfiguration={"s3MonitoringConfiguration": {"logUri": "s3://logs"}},
    )
    record = work.session(application_id, "IDLE")
    assert record.ids["session_id"] in visit(target("session-dashboard", record))
    assert record.ids["session_id"] in visit(target("session-dashboard", record))
    assert f"%2Fsessions%2F{record.ids['session_id']}%2F" in target("s3-logs", record)


def test_a_session_that_has_not_started(work: Fixture) -> None:
    work.emr.script(session=ScriptedSession(ready_after=600))
    record = work.session(work.application(), "STARTING")
    none = no_target(lambda: target("session-dashboard", record))
    assert (none.status, none.title, none.again_after) == (409, "Not started yet", 5)


def test_the_connections_region_and_partition(work: Fixture) -> None:
    record = replace(
        work.job_run(work.application(), "SUCCESS"), connection={**CONNECTION, "region_name": "cn-north-1"}
    )
    assert target("console", record) == (
        "https://cn-north-1.console.amazonaws.cn/emr/home?region=cn-north-1#/serverless"
    )


def test_the_studio_of_the_configuration(work: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__STUDIO_URL", "https://es-1.emrstudio-prod.eu-west-1.amazonaws.com/")
    assert target("console", recorded("job_run", application_id="00a", job_run_id="00b")) == (
        "https://es-1.emrstudio-prod.eu-west-1.amazonaws.com/#/serverless-applications/00a/00b"
    )


def test_a_throttled_service_is_waited_for(work: Fixture) -> None:
    work.emr.script(attempts=[HOLD])
    record = work.job_run(work.application(), "RUNNING")
    work.emr.inject("GetDashboardForJobRun", "throttle", times=1)
    assert record.ids["job_run_id"] in visit(target("spark-ui", record))


def test_a_service_that_throttles_for_too_long(work: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "PATIENCE_SECONDS", 0.3)
    work.emr.script(attempts=[HOLD])
    record = work.job_run(work.application(), "RUNNING")
    work.emr.inject("GetDashboardForJobRun", "throttle", times=None)
    none = no_target(lambda: target("spark-ui", record))
    assert (none.status, none.title, none.again_after) == (503, "The service is busy", 5)


def test_clicks_share_the_quota(work: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__QUOTAS", '{"emr-serverless": {"GetDashboardForJobRun": [0.001, 2.2]}}')
    monkeypatch.setenv("AIRFLOW_CONN_OF_CLICKS", "aws://")
    work.emr.script(attempts=[HOLD])
    started = work.job_run(work.application(), "RUNNING")
    record = replace(started, connection={**CONNECTION, "aws_conn_id": "of_clicks"})
    target("spark-ui", record)
    target("spark-ui", record)
    assert no_target(lambda: target("spark-ui", record)).status == 503
    assert len(work.emr.calls("GetDashboardForJobRun")) == 2


def test_what_is_not_there(work: Fixture) -> None:
    gone = recorded("job_run", application_id="00a0000000000000", job_run_id="00b0000000000000")
    none = no_target(lambda: target("spark-ui", gone))
    assert (none.status, none.title) == (404, "Not found at AWS")


def test_no_permission_at_aws(work: Fixture) -> None:
    record = work.job_run(work.application(), "SUCCESS")
    work.emr.inject("GetDashboardForJobRun", "error", status=403, code="AccessDeniedException")
    none = no_target(lambda: target("spark-ui", record))
    assert (none.status, none.title) == (502, "AWS refuses")
    assert "lacks the permission" in none.text
