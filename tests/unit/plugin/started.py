"""What a task has started, as the web server knows it."""

from __future__ import annotations

from typing import Any

from airflow_emrs_ext.aws.ownership_tags import TaskIdentity
from airflow_emrs_ext.plugin.clicks import Place
from airflow_emrs_ext.plugin.records import Record

PLACE = Place("d", "r", "t", -1)
CONNECTION = {"aws_conn_id": "aws_default", "region_name": None, "verify": None}


def tags_of(place: Place) -> dict[str, str]:
    """The tags of what a task starts."""
    identity = TaskIdentity(
        place.dag_id, place.run_id, place.task_id, place.map_index, deployment="tests", further=dict(place.further)
    )
    return {**identity.tags, "team": "mine"}


TAGS = tags_of(PLACE)


def recorded(kind: str, *, session: Any = None, **ids: str) -> Record:
    """What the task at :data:`PLACE` has stored for its links."""
    return Record(PLACE, kind, ids, CONNECTION, session)
