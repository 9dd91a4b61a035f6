"""Who a task instance is: all that Airflow tells it by, and nothing of its tries."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from airflow_emrs_ext._compat import AIRFLOW_3, TELLS_LOOPS_APART, as_columns, identity_fields
from airflow_emrs_ext.aws.ownership_tags import TaskIdentity, identity_of, owner
from airflow_emrs_ext.exceptions import ConfigurationError

NOWHERE = UUID(int=0)
# The fields of Airflow's own type for a task instance or a retry of it: 3.4's, and what a later version might add.
OF_TODAY = {"dag_id": None, "run_id": None, "task_id": None, "map_index": -1}
OF_3_4 = {"dag_id": None, "run_id": None, "task_id": None, "region_index": -1, "region_id": NOWHERE}
OF_LATER = {**OF_3_4, "partition_key": None}

PLAIN = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1}
LOOP = UUID("0193-0000-0000-7000-8000-00000000-0001".replace("-", ""))


def made_up(**attributes: Any) -> Any:
    """A task instance in one of its tries: what differs between tries has another value each time."""
    of_a_try = {"id": uuid4(), "try_number": uuid4().int % 100, "dag_version_id": uuid4(), "hostname": uuid4().hex}
    return SimpleNamespace(**{**PLAIN, **of_a_try, **attributes})


@pytest.mark.parametrize(
    ("attributes", "told_by"),
    [
        ({}, {}),
        ({"map_index": None}, {}),
        ({"map_index": 3}, {"map_index": 3}),
        ({"region_id": None, "region_index": None, "map_index": 3}, {"map_index": 3}),
        ({"region_id": NOWHERE, "region_index": 3, "map_index": 3}, {"map_index": 3}),
        ({"region_id": LOOP, "region_index": 3, "map_index": 3}, {"map_index": 3, "region_id": str(LOOP)}),
        ({"region_id": LOOP, "region_index": 5}, {"map_index": 5, "region_id": str(LOOP)}),
    ],
    ids=["plain", "no index", "mapped", "in a triggerer", "from before 3.4", "mapped in 3.4", "iteration"],
)
def test_the_same_in_each_try_and_wherever_airflow_has_it(attributes: dict[str, Any], told_by: dict[str, Any]) -> None:
    fields = OF_3_4 if "region_id" in attributes else OF_TODAY
    found = [identity_of(made_up(**attributes), fields) for _ in range(3)]
    assert found == [{**PLAIN, **told_by}] * 3
    assert json.loads(json.dumps(found)) == found


def test_iterations_differ_in_all_that_is_made_of_an_identity() -> None:
    places = [
        {"region_id": NOWHERE, "region_index": -1},
        *({"region_id": LOOP, "region_index": index} for index in range(14)),
        *({"region_id": uuid4(), "region_index": 0, "map_index": 0} for _ in range(3)),
    ]
    identities = []
    for place in places:
        found = identity_of(made_up(**place), OF_3_4)
        named = {name: found.pop(name) for name in PLAIN}
        identities.append(TaskIdentity(**named, further=found))
    assert len({one.seed() for one in identities}) == len(places)
    assert len({tuple(sorted(one.tags.items())) for one in identities}) == len(places)
    assert identities[6].name == "d.t[5]"
    assert owner(identities[6].tags) == {**PLAIN, "map_index": "5", "region_id": str(LOOP)}


def test_what_a_later_version_tells_instances_by_is_in_it() -> None:
    parts = {"region_id": LOOP, "region_index": 1}
    first, second = (identity_of(made_up(**parts, partition_key=key), OF_LATER) for key in ("a", "b"))
    assert first != second
    assert first == identity_of(made_up(**parts, partition_key="a"), OF_LATER)
    without = identity_of(made_up(**parts, partition_key=None), OF_LATER)
    assert without == identity_of(made_up(**parts), OF_3_4)


def test_what_airflow_tells_instances_by_and_an_instance_lacks_is_not_guessed() -> None:
    with pytest.raises(ConfigurationError, match="`partition_key`"):
        identity_of(made_up(region_id=LOOP, region_index=1), OF_LATER)


@pytest.mark.airflow
def test_the_fields_are_those_of_this_airflow() -> None:
    from airflow.models import TaskInstance
    from sqlalchemy import PrimaryKeyConstraint, UniqueConstraint

    table: Any = TaskInstance.__table__
    unique = [each for each in table.constraints if isinstance(each, (UniqueConstraint, PrimaryKeyConstraint))]
    keys = [{column.name for column in each.columns} for each in unique]
    # The key of a task instance has no more than what its tries share, and what numbers or marks them.
    told_by = {name: name for name in identity_fields()}
    assert any(set(told_by) <= key <= {*told_by, "working_set", "try_number"} for key in keys)
    assert not {"id", "try_number", "dag_version_id", "trigger_id"} & set(told_by)
    assert ("region_id" in told_by) == TELLS_LOOPS_APART


@pytest.mark.airflow
def test_a_row_is_found_by_it() -> None:
    from airflow.models import TaskInstance

    identity = {**PLAIN, "map_index": "7", **({"region_id": str(LOOP)} if TELLS_LOOPS_APART else {})}
    columns = as_columns(TaskInstance, identity)
    assert columns["map_index"] == 7
    assert not TELLS_LOOPS_APART or columns["region_id"] == LOOP


@pytest.mark.airflow
@pytest.mark.skipif(not AIRFLOW_3, reason="the type of Airflow 3")
def test_the_task_instance_of_airflow_3_has_one() -> None:
    from airflow.sdk.api.datamodels._generated import TaskInstance

    ti = TaskInstance(**{**PLAIN, "map_index": 2}, id=uuid4(), try_number=1, dag_version_id=uuid4())
    assert identity_of(ti) == {**PLAIN, "map_index": 2}
