"""What a path of the route asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_emrs_ext.aws.ownership_tags import further_fields
from airflow_emrs_ext.links.runs import (
    DriverStderrLink,
    DriverStdoutLink,
    SessionDashboardLink,
    SparkUILink,
    path_of,
)
from airflow_emrs_ext.plugin._compat import base_path

NOT_MAPPED = "{MAP_INDEX}"
"""The UI leaves this word of an external view's address as it is where a task is not mapped."""

_GOOD_ONCE = frozenset(link.what for link in (SparkUILink, SessionDashboardLink, DriverStdoutLink, DriverStderrLink))

# What Airflow's database can hold.
_NUMBER = re.compile(r"-1|[0-9]{1,10}")
_LARGEST = 2**31 - 1
_LONGEST = 250


@dataclass(frozen=True)
class Place:
    """A task instance, as a path names it.

    :param further: names and values of what the path's query names beyond the others, such as an iteration's loop
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    further: tuple[tuple[str, str], ...] = ()

    @property
    def identity(self) -> dict[str, Any]:
        """As :func:`~airflow_emrs_ext.aws.ownership_tags.identity_of` the task instance."""
        named = {"dag_id": self.dag_id, "run_id": self.run_id, "task_id": self.task_id, "map_index": self.map_index}
        return {**named, **dict(self.further)}


@dataclass(frozen=True)
class Click:
    """What somebody asks for.

    :param what: the link's word
    :param place: the task instance
    :param attempt: of the job run; ``None``: the latest
    """

    what: str
    place: Place
    attempt: int | None = None

    @classmethod
    def of(cls, query: Mapping[str, str], /, **parts: str) -> Click | None:
        """The click on a link with these parts of its path; ``None``: there is no such link.

        :param query: of the path; what Airflow does not tell task instances by does not count
        :param parts: ``what``, ``dag_id``, ``run_id``, ``task_id``, ``map_index``, perhaps ``attempt``
        """
        numbers = {name: parts.pop(name) for name in ("map_index", "attempt") if name in parts}
        if numbers["map_index"] == NOT_MAPPED:
            numbers["map_index"] = "-1"
        if not all(_NUMBER.fullmatch(number) and int(number) <= _LARGEST for number in numbers.values()):
            return None
        further = {name: query[name] for name in further_fields() if name in query}
        if any(len(part) > _LONGEST or "\0" in part for part in (*parts.values(), *further.values())):
            return None
        dag_id, run_id, task_id = (parts[name] for name in ("dag_id", "run_id", "task_id"))
        place = Place(dag_id, run_id, task_id, int(numbers["map_index"]), tuple(further.items()))
        return cls(parts["what"], place, int(numbers["attempt"]) if "attempt" in numbers else None)

    @property
    def path(self) -> str:
        """Its path, as the browser sees it."""
        return url_path(self.what, self.place, self.attempt)

    @property
    def is_for_one(self) -> bool:
        """Whether the answer is good once, for one person."""
        return self.what in _GOOD_ONCE


def url_path(what: str, place: Place, attempt: int | None = None) -> str:
    """The path of a link as the browser sees it."""
    return f"{base_path()}/{path_of(what, place.identity, attempt)}"
