from __future__ import annotations

import inspect
import json
import sys
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from airflow_emrs_ext._compat import AIRFLOW_3, TELLS_LOOPS_APART
from airflow_emrs_ext.aws.ownership_tags import identity_of
from airflow_emrs_ext.decorators.session_tasks import SessionTask
from airflow_emrs_ext.links import runs
from airflow_emrs_ext.links.runs import LINKS, OPERATORS, EmrLink, LinksOf, RunLink, path_of
from airflow_emrs_ext.operators import emr, emr_containers, emr_serverless
from airflow_emrs_ext.operators._base.connection import ContainersMixin, Ec2Mixin
from airflow_emrs_ext.operators._base.job_run import StartingJobRunOperator
from airflow_emrs_ext.operators._base.operator import EmrOperator
from airflow_emrs_ext.operators.in_session import InSessionOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.plugin.targets import TARGETS
from airflow_emrs_ext.plugin.views import VIEWS
from airflow_emrs_ext.provider_info import get_provider_info
from airflow_emrs_ext.resources import BILLABLE
from tests.running import named

pytestmark = pytest.mark.airflow

LINKS_OF = "operator_extra_links"
KEY = {"dag_id": "a.dag", "run_id": "scheduled__2026-05-01T00:00:00+00:00", "task_id": "a_task", "map_index": 3}
# With what else this Airflow tells task instances apart by.
PLACE = named(**KEY)


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
    assert set(LINKS) == set(BILLABLE) == set(VIEWS)
    links = [link for of_kind in LINKS.values() for link in of_kind]
    assert {link.what for link in links} == {*TARGETS, RunLink.what}
    classes = {type(link) for link in links}
    assert classes == set(EmrLink.__subclasses__())
    assert {f"{runs.__name__}.{one.__name__}" for one in classes} == set(get_provider_info()["extra-links"])
    assert all(inspect.getdoc(one) for one in classes)


LINKED = [(f"airflow_emrs_ext.{place}", kind) for kind, places in OPERATORS.items() for place in places]


@pytest.mark.parametrize(("place", "kind"), LINKED)
def test_operators_have_the_links_of_what_they_start(place: str, kind: str) -> None:
    operator = class_of(place)
    assert LinksOf(kind).__get__(None, type("Subclass", (operator,), {})) == LINKS[kind]
    # Workers of Airflow 3 store an XCom for each link that an operator has itself.
    assert operator.operator_extra_links == (() if AIRFLOW_3 else LINKS[kind])


def test_every_operator_with_links_is_one_that_the_plugin_knows() -> None:
    for module in (emr, emr_serverless, emr_containers):
        assert all(hasattr(module, name) for name in module.__all__)  # which imports them
    names = [operator for operator in _subclasses(EmrOperator) if operator.__module__.startswith("airflow_emrs_ext.")]
    having = {one for one in names if any(isinstance(vars(base).get(LINKS_OF), LinksOf) for base in one.mro())}
    public = {one for one in having if not one.__name__.startswith("_") and one not in (InSessionOperator,)}
    assert {f"{one.__module__}.{one.__qualname__}" for one in public} == {place for place, _ in LINKED}


@pytest.mark.parametrize(("place", "kind"), LINKED)
def test_the_api_server_makes_links_without_an_xcom(place: str, kind: str) -> None:
    if not AIRFLOW_3:
        pytest.skip("the web server of Airflow 2 makes all links")
    # The iteration of a loop in Airflow 3.4, where a key leaves out what the task instance has.
    region = {"region_id": UUID(int=7)} if TELLS_LOOPS_APART else {}
    ti = SimpleNamespace(key=SimpleNamespace(**KEY), **region)
    identity = identity_of(SimpleNamespace(**KEY, **region))
    for task in ("plain", "mapped"):
        serialized = linked_dag(class_of(place)).get_task(task)
        assert sorted(serialized.extra_links) == sorted(link.name for link in LINKS[kind])
        for link in LINKS[kind]:
            assert serialized.get_extra_links(ti, link.name) == path_of(link.what, identity)


def test_a_subclass_has_links_whose_addresses_workers_store() -> None:
    class Own(EmrServerlessStartJobRunOperator):
        pass

    assert Own.operator_extra_links == LINKS["job_run"]
    if AIRFLOW_3:
        assert sorted(linked_dag(Own).get_task("plain").extra_links) == sorted(link.name for link in LINKS["job_run"])


def class_of(place: str) -> Any:
    module, _, name = place.rpartition(".")
    return getattr(import_module(module), name)


def linked_dag(operator: Any) -> Any:
    """A DAG as the API server has it, with a task of an operator, and a mapped one."""
    from airflow.sdk import DAG
    from airflow.serialization import serialized_objects

    serialization: Any = getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG
    callable_: dict[str, Any] = {"python_callable": _nothing} if issubclass(operator, SessionTask) else {}
    if "External" in operator.__name__:
        callable_["python"] = sys.executable
    if "SparkSql" in operator.__name__:
        callable_["sql"] = "SELECT 1"
    on_eks = {"release_label": "emr-7.9.0"} if issubclass(operator, ContainersMixin) else {}
    on_ec2 = issubclass(operator, Ec2Mixin)
    place = {"virtual_cluster_id" if on_eks else "cluster_id" if on_ec2 else "application_id": "a"}
    job = {"job_driver": {}} if issubclass(operator, StartingJobRunOperator) else {}
    given = {"execution_role_arn": "role", **place, **on_eks, **job, **callable_}
    with DAG("a.dag", schedule=None) as dag:
        operator(task_id="plain", name="one", **given)
        operator.partial(task_id="mapped", **given).expand(name=["one", "two"])
    return serialization.from_dict(json.loads(json.dumps(serialization.to_dict(dag))))


def _subclasses(of: type) -> set[Any]:
    return {one for direct in of.__subclasses__() for one in (direct, *_subclasses(direct))}


def _nothing() -> None:
    pass
