"""The package in the environment of one image of Amazon MWAA; the local endpoint has an interpreter of its own.

``make test-mwaa`` makes a table of these tests: what is of one column is in the names of ``COLUMNS``.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import shutil
from collections.abc import Iterator
from importlib.metadata import distributions, version
from pathlib import Path

import botocore.session
import pytest
from botocore.model import Shape

import airflow_emrs_ext
from airflow_emrs_ext._compat import AIRFLOW_3
from airflow_emrs_ext.hooks.spark_connect import EmrServerlessSparkConnectHook
from airflow_emrs_ext.local.processes.throwaway_airflow import ThrowawayAirflow
from airflow_emrs_ext.local.testing import LocalEmr, local_emr
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.operators.session import (
    EmrServerlessStartSessionOperator,
    EmrServerlessTerminateSessionOperator,
)
from airflow_emrs_ext.shared.service_model import extend
from tests.browsing import FORBIDDEN, PERMITTED, Browser, access, make_users
from tests.frames import a_frame_of_pandas_becomes_a_data_frame, rows_become_a_data_frame
from tests.mwaa import NEEDS_A_COMPILER, ROOT, WITHOUT, image
from tests.running import run_task

IMAGE = version("apache-airflow")
DAGS = Path(__file__).parent / "dags"
ROLE = "arn:aws:iam::123456789012:role/job"
DEMO = "example_end_to_end"

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(300)]


def test_the_environment_is_the_image() -> None:
    has = {name: pin for name, pin in image(IMAGE, "image").items() if name not in NEEDS_A_COMPILER}
    assert len(has) > 150
    assert {name: version(name) for name in has} == has


def test_the_documentation_says_what_is_tested() -> None:
    page = (ROOT / "docs/reference/compatibility.md").read_text()
    client = next(
        f"{package.name} {package.version}"
        for package in distributions()
        if package.name in ("pyspark", "pyspark-client")
    )
    packages = ("apache-airflow-providers-amazon", "boto3", "aiobotocore", "numpy", "pandas")
    row = re.escape(" | ".join([*map(version, packages), client]))
    assert re.search(rf"^\| {re.escape(IMAGE)} \| 3\.\d+ \| {row} \|$", page, flags=re.MULTILINE)


def test_airflow_finds_the_provider_and_the_plugin() -> None:
    from airflow import plugins_manager
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()
    assert manager.providers["airflow-emrs-ext"].version == airflow_emrs_ext.__version__
    assert "emr_serverless_session" in manager.taskflow_decorators
    assert "emrs_ext" in {plugin["name"] for plugin in plugins_manager.get_plugin_info()}


def test_every_module_can_be_imported() -> None:
    names = {module.name for module in pkgutil.walk_packages(airflow_emrs_ext.__path__, "airflow_emrs_ext.")}
    # What the endpoint is made of needs the extra that its own interpreter has.
    names -= {name for name in names if name.startswith("airflow_emrs_ext.local")}
    # The web server of the other Airflow has another framework.
    names.discard(f"airflow_emrs_ext.plugin.{'flask' if AIRFLOW_3 else 'fastapi'}_route")
    assert len(names) > 20
    for name in sorted(names):
        importlib.import_module(name)


def test_the_image_knows_every_shape_of_the_api() -> None:
    session = extend(botocore.session.get_session(), "emr-serverless")
    model = session.get_service_model("emr-serverless")
    assert "StartSession" in model.operation_names
    seen: set[str] = set()
    unseen: list[Shape] = []
    for name in model.operation_names:
        operation = model.operation_model(name)
        unseen += [shape for shape in (operation.input_shape, operation.output_shape, *operation.error_shapes) if shape]
    while unseen:
        shape = unseen.pop()
        if shape.name not in seen:
            seen.add(shape.name)
            members = list(getattr(shape, "members", {}).values())
            parts = [getattr(shape, part, None) for part in ("member", "key", "value")]
            unseen += members + [part for part in parts if part]
    assert {"SessionConfigurationOverrides", "JobRunExecutionIamPolicy", "InteractiveConfiguration"} <= seen


@pytest.mark.parametrize("deferrable", [False, True])
def test_job_run(deferrable: bool, emr: LocalEmr) -> None:
    application = {"type": "SPARK", "releaseLabel": "emr-7.13.0", "clientToken": "a"}
    application_id = emr.client("emr-serverless").create_application(**application)["applicationId"]

    run = run_task(
        lambda: EmrServerlessStartJobRunOperator(
            task_id="a_task",
            application_id=application_id,
            execution_role_arn=ROLE,
            job_driver={"sparkSubmit": {"entryPoint": "s3://bucket/job.py"}},
            execution_iam_policy={"policyArns": ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]},
            waiter_delay=1,
            deferrable=deferrable,
        )
    )

    assert run.error is None
    assert run.result["state"] == "SUCCESS"
    assert run.deferred == deferrable
    (job_run,) = emr.job_runs(application_id)
    assert job_run["executionIamPolicy"]["policyArns"]


@pytest.fixture(scope="module")
def spark_endpoint() -> Iterator[LocalEmr]:
    with local_emr(runner="spark", application_start_seconds=0.05, scheduling_seconds=0.02) as emr:
        yield emr


@pytest.fixture
def application_id(spark_endpoint: LocalEmr, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in spark_endpoint.environ.items():
        monkeypatch.setenv(name, value)
    # The image's boto3 may know neither this member nor sessions: the endpoint's client has been taught them.
    return str(
        spark_endpoint.client("emr-serverless").create_application(
            type="SPARK", releaseLabel="emr-7.13.0", interactiveConfiguration={"sessionEnabled": True}
        )["applicationId"]
    )


@pytest.mark.parametrize("deferrable", [False, True])
def test_session_from_start_to_end(deferrable: bool, application_id: str, spark_endpoint: LocalEmr) -> None:
    start = run_task(
        lambda: EmrServerlessStartSessionOperator(
            task_id="a_task",
            application_id=application_id,
            execution_role_arn=ROLE,
            runtime_configuration={"spark.sql.shuffle.partitions": 2},
            waiter_delay=1,
            deferrable=deferrable,
        )
    )
    assert start.error is None
    assert start.deferred == deferrable
    assert start.result["state"] in ("STARTED", "IDLE")

    with EmrServerlessSparkConnectHook(aws_conn_id="aws_default").session(start.result) as spark:
        spark.sql("CREATE TEMPORARY VIEW numbers AS SELECT id, id % 3 AS k FROM range(10)")
        rows = spark.sql("SELECT k, count(*) AS n FROM numbers GROUP BY k ORDER BY k").collect()
        assert [(row.k, row.n) for row in rows] == [(0, 4), (1, 3), (2, 3)]
        assert spark.range(100).toPandas()["id"].sum() == 4950
        rows_become_a_data_frame(spark)
        a_frame_of_pandas_becomes_a_data_frame(spark)

    end = run_task(
        lambda: EmrServerlessTerminateSessionOperator(
            task_id="b_task", session=start.result, waiter_delay=1, deferrable=deferrable
        )
    )
    assert end.error is None
    (session,) = spark_endpoint.sessions(application_id)
    assert session["state"] == "TERMINATED"


def test_dag_with_a_session(spark_endpoint: LocalEmr, tmp_path: Path) -> None:
    airflow = ThrowawayAirflow(
        tmp_path / "home", DAGS, {**spark_endpoint.environ, "AIRFLOW_CONN_AWS_DEFAULT": "aws://"}
    )
    airflow.make_home()

    output = airflow.command("dags", "test", "session_on_mwaa")

    assert {task.task_id: task.state for task in airflow.task_states("session_on_mwaa")} == dict.fromkeys(
        ("create_application", "start_session", "write", "add", "count", "terminate_session", "delete_application"),
        "success",
    ), output
    assert airflow.result("session_on_mwaa", "write") == 10
    assert sorted(airflow.result("session_on_mwaa", "add")) == list(range(40, 50))
    assert airflow.result("session_on_mwaa", "count")["rows"] == [[0, 3], [1, 2], [2, 2]]
    assert spark_endpoint.applications()[-1]["state"] == "TERMINATED"
    assert {session["state"] for session in spark_endpoint.sessions()} == {"TERMINATED"}


@pytest.mark.skipif(IMAGE not in WITHOUT, reason="the images whose constraints have a client need none of their own")
@pytest.mark.timeout(900)
def test_dag_with_an_environment_of_its_own(spark_endpoint: LocalEmr, tmp_path: Path) -> None:
    airflow = ThrowawayAirflow(
        tmp_path / "home", DAGS, {**spark_endpoint.environ, "AIRFLOW_CONN_AWS_DEFAULT": "aws://"}
    )
    airflow.make_home()

    output = airflow.command("dags", "test", "session_elsewhere_on_mwaa")

    assert airflow.result("session_elsewhere_on_mwaa", "count") == 10, output[-5000:]
    assert {session["state"] for session in spark_endpoint.sessions()} == {"TERMINATED"}


@pytest.fixture(scope="module")
def demonstrated(spark_endpoint: LocalEmr, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThrowawayAirflow]:
    """The components of an Airflow, its web server too, that have run the DAG of ``make demo``."""
    home = tmp_path_factory.mktemp("demo") / "home"
    dags = home.parent / "dags"
    shutil.copytree(ROOT / "dags" / "jobs", dags / "jobs")
    shutil.copy(ROOT / "dags" / f"{DEMO}.py", dags)
    environ = {**spark_endpoint.environ, "AIRFLOW_CONN_AWS_DEFAULT": "aws://", "AIRFLOW__EMRS_EXT__WAITER_DELAY": "1"}
    airflow = ThrowawayAirflow(home, dags, {**environ, **access(home)})
    airflow.make_home()
    make_users(airflow)
    with airflow.running(with_web_server=True):
        airflow.wait_for_dag(DEMO)
        airflow.command("dags", "trigger", DEMO)
        ended = ("success", "failed")
        airflow.wait_for("the DAG run", lambda: (airflow.run_state(DEMO) in ended) or None, 800)
        yield airflow


@pytest.mark.timeout(900)
def test_demo(demonstrated: ThrowawayAirflow) -> None:
    states = {task.task_id: task.state for task in demonstrated.task_states(DEMO)}
    logs = [demonstrated.task_log(DEMO, task)[-3000:] for task, state in states.items() if state == "failed"]
    assert set(states.values()) == {"success"}, (states, logs)
    assert len(demonstrated.result(DEMO, "report")["top"]) == 10
    (job_run,) = [run for run in (demonstrated.result(DEMO, "word_count"),) if run]
    assert [attempt["state"] for attempt in job_run["attempts"]] == ["FAILED", "SUCCESS"]


@pytest.mark.timeout(900)
def test_links(demonstrated: ThrowawayAirflow) -> None:
    ((run_id,),) = demonstrated.query("SELECT run_id FROM dag_run WHERE dag_id = ?", DEMO)
    job_run_id = demonstrated.result(DEMO, "word_count")["job_run_id"]
    permitted = Browser(demonstrated.url, PERMITTED)
    address = permitted.link("EMR run", DEMO, run_id, "word_count", -1)
    page = permitted.open(address)
    assert (page.status, job_run_id in page.text) == (200, True), page.text
    spark_ui = permitted.open(permitted.link("Spark UI", DEMO, run_id, "word_count", -1))
    assert (spark_ui.status, "/_emrs/dashboards/" in spark_ui.location) == (307, True), spark_ui.text
    assert Browser(demonstrated.url, FORBIDDEN).open(address).status == 403
    assert Browser(demonstrated.url).open(address).status in (302, 307)
