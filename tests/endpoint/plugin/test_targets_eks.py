"""What the links of EMR on EKS lead to, against the local endpoint."""

from __future__ import annotations

import logging
import re
import urllib.error
from urllib.parse import urlsplit

import pytest

from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from airflow_emrs_ext.plugin import records
from airflow_emrs_ext.plugin.answers import answer
from airflow_emrs_ext.plugin.clicks import Click
from airflow_emrs_ext.plugin.targets import target
from airflow_emrs_ext.plugin.views import base
from tests.endpoint.plugin.eks import Cluster
from tests.endpoint.plugin.test_targets import no_target, visit
from tests.polling import eventually
from tests.unit.plugin.started import PLACE

pytestmark = pytest.mark.airflow

HOLD = ScriptedAttempt(hold=True, stdout="hello\n", stderr="a log line\n")
ON_S3 = {"s3MonitoringConfiguration": {"logUri": "s3://logs/here/"}}
IN_CLOUDWATCH = {"cloudWatchMonitoringConfiguration": {"logGroupName": "/g", "logStreamNamePrefix": "p"}}
CONSOLE = "https://us-east-1.console.aws.amazon.com"


@pytest.fixture
def cluster(emr: LocalEmr) -> Cluster:
    # Times of files are whole seconds, by which the pods of attempts are told apart.
    emr.configure(eks_retry_seconds=1.1)
    emr.client("s3").create_bucket(Bucket="logs")
    emr.client("logs").create_log_group(logGroupName="/g")
    return Cluster(emr)


def test_the_spark_ui_opens_as_often_as_one_clicks(cluster: Cluster) -> None:
    cluster.emr.script([HOLD])
    record = cluster.job_run("RUNNING")
    first, second = target("spark-ui", record), target("spark-ui", record)
    assert cluster.cluster_id in visit(first)
    assert cluster.cluster_id in visit(second)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        visit(first)

    cluster.emr.finish(record.ids["job_run_id"], succeeded=False, details="boom")
    assert cluster.cluster_id in visit(target("spark-ui", record))


def test_the_address_of_the_ui_is_not_logged_at_level_debug(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    record = cluster.job_run("COMPLETED")
    token = urlsplit(target("spark-ui", record)).path.rpartition("/")[2]
    assert record.ids["job_run_id"] in caplog.text
    assert token not in caplog.text


def test_a_throttled_service_is_waited_for(cluster: Cluster) -> None:
    record = cluster.job_run("COMPLETED")
    cluster.emr.inject("DescribePersistentAppUI", "throttle", times=1)
    assert cluster.cluster_id in visit(target("spark-ui", record))


def test_a_service_that_has_no_ui(cluster: Cluster) -> None:
    record = cluster.job_run("COMPLETED")
    cluster.emr.inject("CreatePersistentAppUI", "error", status=400, code="InvalidRequestException")
    none = no_target(lambda: target("spark-ui", record))
    assert (none.status, none.title, none.again_after) == (409, "No Spark UI", None)


def test_a_run_that_never_ran(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "PATIENCE_SECONDS", 0.5)
    cluster.emr.configure(scheduling_seconds=600)
    record = cluster.job_run("PENDING")
    cluster.client.cancel_job_run(virtualClusterId=cluster.cluster_id, id=record.ids["job_run_id"])
    eventually(lambda: cluster.emr.eks_job_runs()[0]["state"] == "CANCELLED")
    none = no_target(lambda: target("spark-ui", record))
    assert (none.status, none.title, none.again_after) == (409, "Not ready yet", 5)


def test_no_permission_at_aws(cluster: Cluster) -> None:
    record = cluster.job_run("COMPLETED")
    cluster.emr.inject("CreatePersistentAppUI", "error", status=400, code="AccessDeniedException")
    none = no_target(lambda: target("spark-ui", record))
    assert (none.status, none.title) == (502, "AWS refuses")
    assert "lacks the permission" in none.text


def test_a_persistent_ui_that_is_switched_off(cluster: Cluster) -> None:
    record = cluster.job_run("COMPLETED", {"persistentAppUI": "DISABLED"})
    none = no_target(lambda: target("spark-ui", record))
    assert (none.status, none.title) == (404, "The persistent Spark UI is switched off")
    assert "`configuration_overrides`" in none.text
    assert cluster.emr.calls("CreatePersistentAppUI") == []


def test_a_run_that_has_not_started(cluster: Cluster) -> None:
    cluster.emr.configure(scheduling_seconds=600)
    record = cluster.job_run("PENDING", ON_S3)
    for what in ("spark-ui", "driver-stdout"):
        none = no_target(lambda what=what: target(what, record))  # type: ignore[misc]
        assert (none.status, none.title, none.again_after) == (409, "Not started yet", 5)
    assert "PENDING" in none.text


def test_the_console_shows_the_virtual_cluster(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    # No Studio knows job runs of EMR on EKS.
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__STUDIO_URL", "https://es-1.emrstudio-prod.eu-west-1.amazonaws.com/")
    address = f"{CONSOLE}/emr/home?region=us-east-1#/eks/clusters/{cluster.cluster_id}"
    assert target("console", cluster.record("eks_job_run", job_run_id="1")) == address
    assert target("console", cluster.record("managed_endpoint", endpoint_id="1")) == address


def test_driver_logs_on_s3_of_each_attempt(cluster: Cluster) -> None:
    cluster.emr.script([ScriptedAttempt(succeeded=False, stdout="first\n"), ScriptedAttempt(stdout="second\n")])
    record = cluster.job_run("COMPLETED", ON_S3, attempts=2)
    path = f"here/{cluster.cluster_id}/jobs/{record.ids['job_run_id']}/"

    url = target("driver-stdout", record)
    pods = f"/{path}containers/spark-{record.ids['job_run_id']}"
    assert re.search(rf"{pods}-(\w+)/spark-{record.ids['job_run_id']}-driver-\1/stdout\.gz\?", url)
    assert "X-Amz-Expires=300&" in url
    assert visit(url) == "second\n"
    assert visit(target("driver-stdout", record, 2)) == "second\n"
    assert visit(target("driver-stdout", record, 1)) == "first\n"
    for other in (0, 3):
        none = no_target(lambda other=other: target("driver-stdout", record, other))  # type: ignore[misc]
        assert (none.status, none.title) == (404, "No such attempt")
    assert target("s3-logs", record) == (
        f"{CONSOLE}/s3/buckets/logs?region=us-east-1&prefix=" + path.replace("/", "%2F")
    )
    assert no_target(lambda: target("cloudwatch-logs", record)).title == "No logs in CloudWatch"


def test_the_log_of_an_attempt_that_goes_on_is_not_that_of_the_one_before(cluster: Cluster) -> None:
    cluster.emr.configure(log_refresh_seconds=600)
    cluster.emr.script([ScriptedAttempt(succeeded=False, stdout="first\n"), HOLD])
    record = cluster.job_run("RUNNING", ON_S3, attempts=2)
    eventually(lambda: len(cluster.emr.eks_job_runs()[0]["attempts"]) == 2)
    none = no_target(lambda: target("driver-stdout", record))
    assert (none.status, none.title, none.again_after, none.earlier) == (404, "Not there yet", 5, 1)
    assert visit(target("driver-stdout", record, 1)) == "first\n"


def test_logs_that_are_gone(cluster: Cluster) -> None:
    record = cluster.job_run("COMPLETED", ON_S3)
    s3 = cluster.emr.client("s3")
    for one in s3.list_objects_v2(Bucket="logs")["Contents"]:
        s3.delete_object(Bucket="logs", Key=one["Key"])
    none = no_target(lambda: target("driver-stdout", record))
    assert (none.title, none.again_after) == ("No such log", None)


def test_driver_logs_in_cloudwatch(cluster: Cluster) -> None:
    cluster.emr.script([ScriptedAttempt(stdout="said\n")])
    record = cluster.job_run("COMPLETED", IN_CLOUDWATCH)
    path = f"p/{cluster.cluster_id}/jobs/{record.ids['job_run_id']}/"
    streams = cluster.emr.client("logs").describe_log_streams(logGroupName="/g", logStreamNamePrefix=path)["logStreams"]
    (stream,) = (one["logStreamName"] for one in streams if one["logStreamName"].endswith("-driver/stdout"))
    group = f"{CONSOLE}/cloudwatch/home?region=us-east-1#logsV2:log-groups/log-group/$252Fg"
    assert target("driver-stdout", record) == f"{group}/log-events/{stream.replace('/', '$252F')}"
    assert target("cloudwatch-logs", record) == f"{group}$3FlogStreamNameFilter$3D{path.replace('/', '$252F')}"
    assert no_target(lambda: target("s3-logs", record)).title == "No logs on S3"


def test_no_logs_are_kept(cluster: Cluster) -> None:
    record = cluster.job_run("COMPLETED")
    assert no_target(lambda: target("driver-stdout", record)).title == "No logs are kept"


def test_only_the_links_that_a_kind_has_lead_somewhere(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    record = cluster.record("managed_endpoint", endpoint_id="1")
    monkeypatch.setattr(records, "record_of", lambda place: record)
    assert answer(Click("console", PLACE)).status == 307
    given = answer(Click("spark-ui", PLACE))
    assert (given.status, given.location) == (404, None)
    assert "No such link" in given.body
    assert "/emr/console/d/r/t/-1" in given.body
