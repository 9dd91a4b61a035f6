from __future__ import annotations

import inspect
from types import SimpleNamespace

import pytest

from airflow_emrs_ext._compat import AIRFLOW_3
from airflow_emrs_ext.decorators.session_tasks import SessionTask
from airflow_emrs_ext.links import runs
from airflow_emrs_ext.links.runs import LINKS, EmrLink, RunLink, path_of
from airflow_emrs_ext.models import OWNED
from airflow_emrs_ext.operators.containers_job_run import EmrContainersStartJobRunOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.operators.managed_endpoint import EmrContainersCreateManagedEndpointOperator
from airflow_emrs_ext.operators.session import EmrServerlessStartSessionOperator
from airflow_emrs_ext.operators.spark import EmrServerlessSparkSqlOperator
from airflow_emrs_ext.ownership import identity_of
from airflow_emrs_ext.plugin.targets import TARGETS
from airflow_emrs_ext.plugin.works import WORKS
from airflow_emrs_ext.provider_info import get_provider_info

pytestmark = pytest.mark.airflow

PLACE = SimpleNamespace(dag_id="a.dag", run_id="scheduled__2026-05-01T00:00:00+00:00", task_id="a_task", map_index=3)


def test_a_path_names_a_task_instance() -> None:
    task = "a.dag/scheduled__2026-05-01T00%3A00%3A00%2B00%3A00/a_task/3"
    identity = identity_of(PLACE)
    assert path_of("console", identity) == f"emr/console/{task}"
    assert path_of("console", identity, 2) == f"emr/console/{task}/2"
    assert path_of("console", {**identity, "region_id": "a-b"}, 2) == f"emr/console/{task}/2?region_id=a-b"


def test_a_link_is_below_the_address_of_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__WEBSERVER__BASE_URL", "https://airflow.example.com/base")
    link = LINKS["job_run"][1].get_link(None, ti_key=PLACE)
    # The UI of Airflow 3 puts its own address before a relative one; that of Airflow 2 disables such a button.
    base = "" if AIRFLOW_3 else "https://airflow.example.com/base/"
    assert link == base + path_of("spark-ui", identity_of(PLACE))


def test_every_link_leads_somewhere_and_is_known_to_airflow() -> None:
    assert set(LINKS) == set(OWNED) == set(WORKS)
    links = [link for of_kind in LINKS.values() for link in of_kind]
    assert {link.what for link in links} == {*TARGETS, RunLink.what}
    classes = {type(link) for link in links}
    assert classes == set(EmrLink.__subclasses__())
    assert {f"{runs.__name__}.{one.__name__}" for one in classes} == set(get_provider_info()["extra-links"])
    assert all(inspect.getdoc(one) for one in classes)


@pytest.mark.parametrize(
    ("operator", "kind"),
    [
        (EmrServerlessStartJobRunOperator, "job_run"),
        (EmrServerlessStartSessionOperator, "session"),
        (EmrServerlessSparkSqlOperator, "session"),
        (SessionTask, "session"),
        (EmrContainersStartJobRunOperator, "eks_job_run"),
        (EmrContainersCreateManagedEndpointOperator, "managed_endpoint"),
    ],
)
def test_operators_have_the_links_of_what_they_start(operator: type, kind: str) -> None:
    assert operator.operator_extra_links == LINKS[kind]
