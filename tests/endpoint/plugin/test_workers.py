"""The workers of a job run on its page, of which CloudWatch tells, against the local endpoint."""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from airflow_emrs_ext.plugin.run_view import run_view
from airflow_emrs_ext.plugin.views import RunView, view_of, workers
from tests.endpoint.plugin.test_run_view import LINKS, job_run

pytestmark = pytest.mark.airflow


class Busy(http.server.BaseHTTPRequestHandler):
    """Answers as a service that has too many calls."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture(autouse=True)
def cloudwatch(emr: LocalEmr, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that answers at once, where the endpoint takes a while for its first call, and knows what tests tell it."""
    emr.configure(seconds_per_minute=3600)  # after which the endpoint itself would tell of workers
    monkeypatch.setattr(workers, "_silent", {})
    emr.client("cloudwatch").list_metrics()


def put_workers(emr: LocalEmr, work: RunView, vcpus: Mapping[tuple[str, str], Sequence[float]]) -> None:
    """Tell CloudWatch of workers, as the service does: with the names of application and job run, and without."""
    client = emr.client("cloudwatch")
    begin = datetime.now(timezone.utc).replace(second=0, microsecond=0)
    names = {"ApplicationId": work.ids["application_id"], "JobId": work.ids["job_run_id"]}
    for (worker_type, capacity), values in vcpus.items():
        dimensions = {**names, "WorkerType": worker_type, "CapacityAllocationType": capacity}
        for told in (dimensions, {**dimensions, "JobName": "mine"}):
            pairs = [{"Name": name, "Value": value} for name, value in sorted(told.items())]
            client.put_metric_data(
                Namespace="AWS/EMRServerless",
                MetricData=[
                    {"MetricName": "WorkerCpuAllocated", "Dimensions": pairs, "Value": value, "Timestamp": begin}
                    for value in values
                ],
            )


def test_workers_that_cloudwatch_tells_of(emr: LocalEmr) -> None:
    emr.script([ScriptedAttempt(hold=True)])
    work = job_run(emr, "RUNNING")
    assert "<h2>Workers</h2>" not in run_view(work, LINKS, str)
    # Each worker has a data point of its own.
    put_workers(
        emr,
        work,
        {
            ("Spark_Driver", "PreInitCapacity"): [4],
            ("Spark_Executor", "PreInitCapacity"): [4, 4],
            ("Spark_Executor", "OnDemandCapacity"): [8, 8, 8],
        },
    )
    html = run_view(work, LINKS, str)
    for text in (
        "<dt>Start</dt><dd>warm: its driver took a pre-initialized worker</dd>",
        "<dt>Driver</dt><dd>up to 4 vCPUs pre-initialized</dd>",
        "<dt>Executors</dt><dd>up to 24 vCPUs on demand, up to 8 vCPUs pre-initialized</dd>",
        'role="img" aria-label="vCPUs of the executors by minute, 32 at most"',
        '<p class="soft">vCPUs of the executors by minute, 32 at most:</p>',
    ):
        assert text in html


def test_workers_of_a_cold_start(emr: LocalEmr) -> None:
    emr.script([ScriptedAttempt(hold=True)])
    work = job_run(emr, "RUNNING")
    put_workers(emr, work, {("SPARK_DRIVER", "OnDemandCapacity"): [4]})
    html = run_view(work, LINKS, str)
    assert "<dt>Start</dt><dd>cold: its driver&#x27;s worker was made on demand</dd>" in html
    assert '<svg class="chart"' not in html


def test_a_cloudwatch_that_is_silent_is_not_asked_by_each_page(emr: LocalEmr, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    # Nobody listens there.
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", "http://127.0.0.1:9")
    work = job_run(emr, "SUCCESS")
    html = run_view(work, LINKS, str)
    assert '<h2>Workers</h2><p class="soft">Not shown: ' in html
    assert list(workers._silent) == [("aws_default", "us-east-1")]
    monkeypatch.setattr(workers, "_told", lambda *parts: asked.append(parts))
    for shown in (html, run_view(view_of(work.record), LINKS, str)):
        assert re.search(r"CloudWatch did not answer \(.+127.0.0.1:9.+\), and is asked again 5 minutes later\.", shown)
    assert asked == []


def test_a_cloudwatch_that_is_busy_is_asked_by_the_next_page(emr: LocalEmr, monkeypatch: pytest.MonkeyPatch) -> None:
    emr.script([ScriptedAttempt(hold=True)])
    work = job_run(emr, "RUNNING")
    put_workers(emr, work, {("SPARK_DRIVER", "OnDemandCapacity"): [4]})
    with monkeypatch.context() as patched, http.server.HTTPServer(("127.0.0.1", 0), Busy) as busy:
        threading.Thread(target=busy.handle_request, daemon=True).start()
        patched.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", f"http://127.0.0.1:{busy.server_port}")
        html = run_view(view_of(work.record), LINKS, str)
    (said,) = re.findall(r'<h2>Workers</h2><p class="soft">Not shown: ([^<]+)</p>', html)
    assert re.fullmatch(r"CloudWatch does not tell now \(.*503.*\)\. Load this page again\.", said)
    (told,) = view_of(work.record).workers
    assert (told.worker_type, list(told.vcpus.values())) == ("SPARK_DRIVER", [4.0])


def test_metrics_that_do_not_tell_of_what_they_are_do_not_count(emr: LocalEmr) -> None:
    emr.script([ScriptedAttempt(hold=True)])
    work = job_run(emr, "RUNNING")
    emr.client("cloudwatch").put_metric_data(
        Namespace="AWS/EMRServerless",
        MetricData=[
            {
                "MetricName": "WorkerCpuAllocated",
                "Dimensions": [{"Name": "JobId", "Value": work.ids["job_run_id"]}],
                "Value": 64,
            }
        ],
    )
    assert "<h2>Workers</h2>" not in run_view(work, LINKS, str)
    put_workers(emr, work, {("SPARK_DRIVER", "OnDemandCapacity"): [4]})
    assert "<dt>Driver</dt><dd>up to 4 vCPUs on demand</dd>" in run_view(view_of(work.record), LINKS, str)
