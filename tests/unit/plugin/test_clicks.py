from __future__ import annotations

from urllib.parse import unquote

import pytest

from airflow_emrs_ext.links.runs import LINKS
from airflow_emrs_ext.plugin.clicks import Click, Place

PATH = {"what": "run", "dag_id": "d", "run_id": "scheduled__2026-01-01T00:00:00+00:00", "task_id": "group.t"}


def test_a_click() -> None:
    place = Place(PATH["dag_id"], PATH["run_id"], PATH["task_id"], -1)
    assert Click.of({}, **PATH, map_index="-1") == Click("run", place)
    assert Click.of({}, **PATH, map_index="{MAP_INDEX}", attempt="2") == Click("run", place, 2)
    mapped = Click.of({}, **PATH, map_index="2147483647")
    assert mapped is not None
    assert mapped.place.map_index == 2**31 - 1
    names = ("what", "dag_id", "run_id", "task_id", "map_index")
    # As a framework hands them on.
    parts = [unquote(part) for part in mapped.path.removeprefix("/emr/").split("/")]
    assert Click.of({}, **dict(zip(names, parts, strict=True))) == mapped


@pytest.mark.parametrize(
    "number",
    ["99999999999999999999", "2147483648", "-2", "1e3", "", "x", "\N{THAI DIGIT ONE}", " 1", "1_0", "9" * 5000],
    ids=ascii,
)
def test_no_such_number(number: str) -> None:
    assert Click.of({}, **PATH, map_index=number) is None
    assert Click.of({}, **PATH, map_index="-1", attempt=number) is None


@pytest.mark.parametrize("name", ["dag_id", "run_id", "task_id", "what"])
@pytest.mark.parametrize("value", ["a\0b", "x" * 251])
def test_no_such_name(name: str, value: str) -> None:
    assert Click.of({}, **{**PATH, name: value}, map_index="-1") is None


def test_what_is_good_once_is_for_one() -> None:
    place = Place("d", "r", "t", -1)
    words = {link.what for links in LINKS.values() for link in links}
    for_many = {word for word in words if not Click(word, place).is_for_one}
    assert for_many == {"run", "console", "s3-logs", "cloudwatch-logs"}
