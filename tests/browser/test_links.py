"""The links of a task in a browser: real Airflow, real Spark, Debian's Chromium."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from airflow_emrs_ext.local.processes.throwaway_airflow import XCOMS, ThrowawayAirflow
from airflow_emrs_ext.local.testing import LocalEmr, local_emr
from tests.browsing import FORBIDDEN, PERMITTED, access, make_users

pytestmark = [pytest.mark.airflow, pytest.mark.spark, pytest.mark.timeout(900)]

PICTURES = Path(os.environ.get("EMRS_TEST_PICTURES", "build/pictures"))
PATIENCE_MS = 90_000
ZONE = "Asia/Tokyo"
PRICES = {"us-east-1": {"X86_64": {"vcpu_hour": 0.05, "memory_gb_hour": 0.006, "storage_gb_hour": 0.0001}}}

JOB = """
import os, sys, time
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
spark.sparkContext.setJobDescription("count of the visits")
print(spark.range(1000).repartition(4).count())
open(sys.argv[1] + ".counted", "w").close()
while not os.path.exists(sys.argv[1]):
    time.sleep(0.1)
"""
DAG = """
from datetime import datetime
from airflow.sdk import DAG
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator

with DAG("visits", schedule=None, start_date=datetime(2026, 1, 1)):
    EmrServerlessStartJobRunOperator(
        task_id="count",
        application_id="{application_id}",
        execution_role_arn="arn:aws:iam::123456789012:role/job",
        job_driver={{"sparkSubmit": {{"entryPoint": "s3://jobs/visits.py", "entryPointArguments": ["{flag}"]}}}},
        waiter_delay=1,
    )
"""
STARTED = f"SELECT run_id, value FROM {XCOMS} WHERE dag_id = 'visits' AND key = 'job_run_id'"


@dataclass
class Site:
    """A task that waits for a job run."""

    airflow: ThrowawayAirflow
    run_id: str
    job_run_id: str
    flag: Path

    def finish(self) -> None:
        """Let the job end, and the task with it."""
        self.flag.touch()
        self.airflow.wait_for("the end", lambda: self.airflow.run_state("visits") == "success" or None, 180)

    @property
    def task(self) -> str:
        """The page of the task that has its links."""
        return f"{self.airflow.url}/dags/visits/runs/{quote(self.run_id, safe='')}/tasks/count/details"

    @property
    def spark_ui(self) -> str:
        """The address of the link."""
        run_id = quote(self.run_id, safe="")
        return f"{self.airflow.url}/emr/spark-ui/visits/{run_id}/count/-1"

    @property
    def run(self) -> str:
        """The address of the page of the run."""
        return self.spark_ui.replace("/spark-ui/", "/run/")


@pytest.fixture(scope="module")
def emr() -> Iterator[LocalEmr]:
    with local_emr(runner="spark", application_start_seconds=0.05, scheduling_seconds=0.05) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def site(emr: LocalEmr, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("browser")
    flag = folder / "flag"
    s3 = emr.client("s3")
    s3.create_bucket(Bucket="jobs")
    s3.put_object(Bucket="jobs", Key="visits.py", Body=JOB)
    application_id = emr.client("emr-serverless").create_application(type="SPARK", releaseLabel="emr-7.9.0")[
        "applicationId"
    ]
    dags = folder / "dags"
    dags.mkdir()
    (dags / "visits.py").write_text(DAG.format(application_id=application_id, flag=flag))
    environ = {
        **emr.environ,
        "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
        "AIRFLOW__EMRS_EXT__PRICES": json.dumps(PRICES),
        **access(folder / "home"),
    }
    airflow = ThrowawayAirflow(folder / "home", dags, environ)
    airflow.make_home()
    make_users(airflow)
    with airflow.running():
        airflow.wait_for_dag("visits", 180)
        airflow.command("dags", "trigger", "visits")
        # The Spark UI shows what has been; it does not load itself again.
        airflow.wait_for("the count", lambda: Path(f"{flag}.counted").exists() or None, 240)
        ((run_id, job_run_id),) = airflow.wait_for("the job run", lambda: airflow.query(STARTED) or None, 180)
        yield Site(airflow, run_id, job_run_id.strip('"'), flag)
        flag.touch()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert executable, "install Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--no-proxy-server", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


def new_context(chromium: Browser, **options: Any) -> BrowserContext:
    context = chromium.new_context(
        **{"viewport": {"width": 1180, "height": 720}, "color_scheme": "dark", "timezone_id": ZONE, **options}
    )
    context.set_default_timeout(PATIENCE_MS)
    return context


def log_in(page: Page, user: str) -> None:
    """Fill in the form of the login page, which must be there."""
    page.wait_for_url(re.compile(r"/auth/login"))
    page.locator("input[name=username]").fill(user)
    page.locator("input[name=password]").fill(user)
    page.locator("button[type=submit]").click()
    page.wait_for_url(lambda url: "/auth/login" not in url)


def picture(page: Page, name: str, *, full_page: bool = False, **clip: int) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", full_page=full_page, **({"clip": clip} if clip else {}))


def spark_ui(site: Site, page: Page, attempt: int = 1) -> str:
    """The Spark UI on a page, which must be the one of this job run; its address."""
    expect(page.locator("td", has_text="count of the visits").first).to_be_visible(timeout=PATIENCE_MS)
    address = page.url
    page.goto(f"{address.rstrip('/').removesuffix('/jobs')}/environment/")
    expect(page.locator("td", has_text=f"{site.job_run_id}-{attempt}").first).to_be_visible(timeout=PATIENCE_MS)
    page.goto(address)
    return address


def follow(site: Site, page: Page, name: str) -> None:
    """Click on a button of the task, which leads away from Airflow."""
    page.goto(site.task)
    page.locator("a[href*='emr/']:not([href*='/plugin/'])").get_by_text(name, exact=True).click()
    page.wait_for_url(lambda url: not url.startswith(f"{site.airflow.url}/dags/"))


def test_the_links_of_a_task_while_it_runs_and_afterwards(site: Site, chromium: Browser) -> None:
    context = new_context(chromium)
    page = context.new_page()
    page.goto(site.airflow.url)
    log_in(page, PERMITTED)
    page.goto(site.task)
    button = page.get_by_role("link", name="Spark UI")
    expect(button).to_be_visible(timeout=PATIENCE_MS)
    assert site.airflow.task_states("visits")[0].state == "running"
    picture(page, "links-task", x=300, y=56, width=868, height=300)

    follow(site, page, "EMR run")
    expect(page.get_by_text("RUNNING").first).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text(site.job_run_id).first).to_be_visible()
    expect(page.get_by_text(f"Times are in the time zone {ZONE}.")).to_be_visible()
    assert [text for text in page.locator("time").all_inner_texts() if not text.endswith(" GMT+9")] == []
    assert page.locator("[aria-label^='Attempt 1: waited']").count() == 1
    # What leads nowhere is no button.
    assert page.get_by_role("link", name="S3 logs").count() == 0
    expect(page.get_by_text("No logs on S3.")).to_be_visible()

    for name in ("links-spark-ui", "links-spark-ui-again"):
        follow(site, page, "Spark UI")
        assert "/history/" not in spark_ui(site, page)
        picture(page, name, x=0, y=0, width=1180, height=430)

    follow(site, page, "Driver stdout")
    expect(page.get_by_text("1000")).to_be_visible(timeout=PATIENCE_MS)

    follow(site, page, "S3 logs")
    expect(page.get_by_role("heading", name="No logs on S3")).to_be_visible(timeout=PATIENCE_MS)
    picture(page, "no-logs-on-s3")
    # What the page offers instead works.
    page.get_by_role("link", name="Spark UI").click()
    spark_ui(site, page)

    site.finish()
    follow(site, page, "Spark UI")
    assert f"/history/{site.job_run_id}-1" in spark_ui(site, page)
    picture(page, "history-server")

    # The tab of the task shows the same run, and its links open in windows of their own.
    page.set_viewport_size({"width": 1180, "height": 860})
    page.goto(site.task.removesuffix("details") + "plugin/emr")
    view = page.frame_locator("iframe")
    expect(view.locator(".state", has_text="SUCCESS")).to_be_visible(timeout=PATIENCE_MS)
    picture(page, "links-run", x=300, y=56, width=868, height=780)
    with context.expect_page() as opened:
        view.get_by_role("link", name="Spark UI").click()
    spark_ui(site, opened.value)
    context.close()


def test_who_is_not_logged_in_comes_back_after_the_login(site: Site, chromium: Browser) -> None:
    site.finish()
    context = new_context(chromium)
    page = context.new_page()
    page.goto(site.spark_ui)
    log_in(page, PERMITTED)
    spark_ui(site, page)
    context.close()


def test_the_page_of_a_run_on_a_phone_and_without_scripts(site: Site, chromium: Browser) -> None:
    site.finish()
    narrow = {"width": 390, "height": 800}
    for scheme in ("dark", "light"):
        context = new_context(chromium, viewport=narrow, color_scheme=scheme)
        page = context.new_page()
        page.goto(site.airflow.url)
        log_in(page, PERMITTED)
        page.goto(site.run)
        expect(page.locator(".state", has_text="SUCCESS")).to_be_visible(timeout=PATIENCE_MS)
        assert page.evaluate("document.documentElement.scrollWidth") <= narrow["width"]
        picture(page, f"links-run-phone-{scheme}", full_page=True)
        state = context.storage_state()
        context.close()
    context = new_context(chromium, java_script_enabled=False, storage_state=state)
    page = context.new_page()
    page.goto(site.run)
    expect(page.get_by_text("Times are in UTC.")).to_be_visible(timeout=PATIENCE_MS)
    assert [text for text in page.locator("time").all_inner_texts() if not text.endswith(" UTC")] == []
    context.close()


def test_a_user_without_permission(site: Site, chromium: Browser) -> None:
    context = new_context(chromium)
    page = context.new_page()
    page.goto(site.airflow.url)
    log_in(page, FORBIDDEN)
    response = page.goto(site.spark_ui)
    assert response is not None
    assert response.status == 403
    expect(page.get_by_role("heading", name="Not permitted")).to_be_visible()
    picture(page, "not-permitted")
    context.close()


def test_nothing_presigned_is_kept(site: Site) -> None:
    kept = [path for path in site.airflow.home.rglob("*") if path.is_file()]
    assert any(site.job_run_id.encode() in path.read_bytes() for path in kept)
    assert [path.name for path in kept if b"/_emrs/dashboards/" in path.read_bytes()] == []
