"""Who decides what the web server asks AWS for, and with which credentials: the DAG and AWS, and never an XCom."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from airflow_emrs_ext._compat import AIRFLOW_3
from airflow_emrs_ext.local.testing import LocalEmr
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.operators.session import EmrServerlessStartSessionOperator
from airflow_emrs_ext.operators.spark import EmrServerlessSparkSqlOperator
from airflow_emrs_ext.plugin import _compat, records
from airflow_emrs_ext.plugin.answers import answer
from airflow_emrs_ext.plugin.clicks import Click, Place
from airflow_emrs_ext.plugin.records import Record, record_of
from tests.unit.plugin.started import CONNECTION, PLACE, TAGS, recorded, tags_of

pytestmark = pytest.mark.airflow

ROLE = "arn:aws:iam::123456789012:role/job"
STORED = {"kind": "job_run", "application_id": "a", "job_run_id": "j", "aws_conn_id": "forged", "verify": False}

Keep = Callable[..., None]


@pytest.fixture
def keep(monkeypatch: pytest.MonkeyPatch) -> Keep:
    """Says what Airflow's database holds of the task."""

    def keep(xcom: Any = STORED, rendered: Any = None, task: Any = None) -> None:
        monkeypatch.setattr(_compat, "xcom_of", lambda identity, key: xcom)
        monkeypatch.setattr(_compat, "rendered_fields", lambda identity: rendered)
        monkeypatch.setattr(_compat, "serialized_task", lambda identity: task)

    return keep


def connection() -> Mapping[str, Any] | None:
    found = record_of(PLACE)
    assert found is not None
    return found.connection


def serialized(task_id: str) -> Mapping[str, Any]:
    """A task as Airflow serializes it."""
    from airflow.serialization import serialized_objects

    if AIRFLOW_3:
        from airflow.sdk import DAG
    else:
        from airflow.models import DAG

    common: dict[str, Any] = {"application_id": "a", "execution_role_arn": ROLE, "job_driver": {}}
    start = EmrServerlessStartJobRunOperator
    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        start(task_id="plain", aws_conn_id="mine", region_name="eu-west-1", verify=False, **common)
        start(task_id="default", **common)
        start(task_id="none", aws_conn_id=None, **common)
        start(task_id="templated", aws_conn_id="{{ params.connection }}", **common)
        start.partial(task_id="mapped", aws_conn_id="mine", **common).expand(name=["x", "y"])
        start.partial(task_id="mapped-default", **common).expand(name=["x", "y"])
        start.partial(task_id="mapped-connection", **common).expand(aws_conn_id=["x", "y"])
        start.partial(task_id="mapped-anything", **common).expand_kwargs([{"aws_conn_id": "x"}])
        session = EmrServerlessStartSessionOperator(task_id="session", application_id="a", execution_role_arn=ROLE)
        EmrServerlessSparkSqlOperator(task_id="of-another", session=session.output, sql="SELECT 1")
        given = {"virtual_cluster_id": "v", "endpoint_id": "e"}
        EmrServerlessSparkSqlOperator(task_id="given", session=given, sql="SELECT 1")
    serializer: Any = getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG
    tasks = [one.get("__var", one) for one in serializer.to_dict(dag)["dag"]["tasks"]]
    (found,) = (one for one in tasks if one["task_id"] == task_id)
    return dict(found)


def test_the_connection_is_what_the_task_ran_with(keep: Keep) -> None:
    ran_with = {"aws_conn_id": "rendered", "region_name": "eu-west-1", "verify": None, "name": "x"}
    keep(rendered=ran_with, task=serialized("plain"))
    assert connection() == {"aws_conn_id": "rendered", "region_name": "eu-west-1", "verify": None}


@pytest.mark.parametrize(
    ("task_id", "expected"),
    [
        ("plain", {"aws_conn_id": "mine", "region_name": "eu-west-1", "verify": False}),
        ("default", CONNECTION),
        ("none", {**CONNECTION, "aws_conn_id": None}),
        ("mapped", {**CONNECTION, "aws_conn_id": "mine"}),
        ("mapped-default", CONNECTION),
        ("templated", None),
        ("mapped-connection", None),
        ("mapped-anything", None),
    ],
)
# Airflow keeps nothing, or has masked it.
@pytest.mark.parametrize("rendered", [None, {"aws_conn_id": "***_x", "region_name": None, "verify": None}])
def test_else_it_is_what_the_dag_says(task_id: str, expected: Any, rendered: Any, keep: Keep) -> None:
    keep(rendered=rendered, task=serialized(task_id))
    assert connection() == expected


def test_a_connection_that_is_not_known_is_none_of_the_xcoms(keep: Keep) -> None:
    keep(task=serialized("templated"))
    given = answer(Click("run", PLACE))
    assert (given.status, "The connection of the task is not known any more" in given.body) == (404, True)


def test_what_airflow_keeps_otherwise_is_said_on_a_page(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def xcom_of(identity: Any, key: str) -> Any:
        raise AttributeError("no such column")

    monkeypatch.setattr(_compat, "xcom_of", xcom_of)
    given = answer(Click("run", PLACE))
    assert given.status == 500
    assert "AttributeError" in given.body
    assert "no such column" not in given.body
    (logged,) = (record for record in caplog.records if record.levelname == "ERROR")
    assert isinstance(logged.exc_info[1], AttributeError)


def test_another_operators_task_has_no_connection(keep: Keep) -> None:
    plain = {**serialized("plain"), "_task_module": "users.own"}
    keep(task={**plain, "_operator_extra_links": {"EMR run": "_link_RunLink"}})
    assert connection() == {"aws_conn_id": "mine", "region_name": "eu-west-1", "verify": False}
    keep(task={**plain, "_operator_extra_links": {"Spark UI": "_link_AnotherLink"}})
    assert connection() is None
    keep()
    assert connection() is None


@pytest.mark.parametrize(
    "xcom",
    [
        *(None, "text", [], {}, {"kind": []}, {"kind": "application"}),
        *({"kind": "job_run", "application_id": "a"}, {"kind": "job_run", "application_id": "a", "job_run_id": 1}),
    ],
)
def test_an_xcom_of_the_same_name_is_no_record(xcom: Any, keep: Keep) -> None:
    keep(xcom=xcom, task=serialized("plain"))
    assert record_of(PLACE) is None


@pytest.mark.parametrize(
    ("tags", "is_shown"),
    [
        (TAGS, True),
        ({**TAGS, "airflow-emrs-ext:generation": "3", "airflow-emrs-ext:request": "x"}, True),
        ({}, False),
        ({"team": "mine"}, False),
        (tags_of(replace(PLACE, task_id="another")), False),
        (tags_of(replace(PLACE, map_index=0)), False),
        (tags_of(replace(PLACE, run_id="another")), False),
        (tags_of(replace(PLACE, dag_id="another")), False),
        (tags_of(replace(PLACE, further=(("region_id", "1"),))), False),
        ({**TAGS, "airflow-emrs-ext:deployment": "another"}, False),
        ({name: value for name, value in TAGS.items() if not name.endswith("task_id")}, False),
    ],
)
def test_what_a_task_has_started_carries_its_tags(tags: Mapping[str, str], is_shown: bool) -> None:
    assert recorded("job_run", application_id="a", job_run_id="j").is_shown_by(tags) is is_shown


@pytest.mark.parametrize(
    ("tags", "is_shown"),
    [
        (TAGS, True),
        (tags_of(replace(PLACE, task_id="another")), True),
        (tags_of(replace(PLACE, task_id="another", map_index=3)), True),
        (tags_of(replace(PLACE, run_id="another")), False),
        (tags_of(replace(PLACE, dag_id="another")), False),
        ({**TAGS, "airflow-emrs-ext:deployment": "another"}, False),
        ({}, False),
    ],
)
def test_a_session_is_given_to_a_task_by_another_of_the_run(
    tags: Mapping[str, str], is_shown: bool, keep: Keep
) -> None:
    keep(xcom={"kind": "session", "application_id": "a", "session_id": "s"}, task=serialized("of-another"))
    found = record_of(PLACE)
    assert found is not None
    assert found.is_shown_by(tags) is is_shown


def test_a_session_is_given_to_a_task_by_the_dag(keep: Keep) -> None:
    for endpoint_id, is_shown in (("e", True), ("another", False)):
        keep(
            xcom={"kind": "managed_endpoint", "virtual_cluster_id": "v", "endpoint_id": endpoint_id},
            task=serialized("given"),
        )
        found = record_of(PLACE)
        assert found is not None
        assert found.is_shown_by({}) is is_shown


def test_a_forged_record_shows_nothing(emr: LocalEmr, monkeypatch: pytest.MonkeyPatch) -> None:
    """An XCom that names a job run of another task: AWS is asked whose it is, and for nothing else."""
    client = emr.client("emr-serverless")
    application_id = client.create_application(type="SPARK", releaseLabel="emr-7.13.0")["applicationId"]
    for tags in ({}, tags_of(replace(PLACE, dag_id="confidential"))):
        job_run_id = client.start_job_run(
            applicationId=application_id,
            executionRoleArn=ROLE,
            name="confidential",
            tags=tags,
            jobDriver={"sparkSubmit": {"entryPoint": "s3://confidential/job.py"}},
        )["jobRunId"]
        forged = recorded("job_run", application_id=application_id, job_run_id=job_run_id)
        monkeypatch.setattr(records, "record_of", lambda place, forged=forged: forged)
        for what in ("run", "spark-ui", "driver-stdout", "driver-stderr", "s3-logs", "cloudwatch-logs"):
            given = answer(Click(what, PLACE, None))
            assert (given.status, given.location) == (403, None), what
            assert "Not shown to be this task" in given.body
            assert "confidential" not in given.body
    asked = {call["operation"] for call in emr.calls(application_id=application_id)}
    assert asked == {"StartJobRun", "GetJobRun"}


def test_a_place_has_all_that_tells_it_from_others() -> None:
    place = Place("d", "r", "t", 2, (("region_id", "7"),))
    assert place.identity == {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": 2, "region_id": "7"}
    record = Record(place, "job_run", {"application_id": "a", "job_run_id": "j"}, CONNECTION)
    assert record.is_shown_by(tags_of(place))
    assert not record.is_shown_by(tags_of(replace(place, further=())))
