"""Whose a resource is: the name, tags and client tokens that a task gives to what it starts."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_PREFIX = "airflow-emrs-ext:"
_LONGEST_VALUE = 256
_LONGEST_NAME = 256
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9 /_.:=+@-]")


@dataclass(frozen=True)
class TaskIdentity:
    """The task that starts something: the same in each of its tries.

    :param map_index: of a mapped task, else -1
    :param started: when the DAG run started; a DAG run that was deleted and made again has the same id
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    started: Any

    @classmethod
    def of(cls, context: Any) -> TaskIdentity:
        """The identity of the task in an execution context."""
        ti = context["ti"]
        map_index = -1 if ti.map_index is None else ti.map_index
        started = getattr(context.get("dag_run"), "start_date", None)
        return cls(ti.dag_id, ti.run_id, ti.task_id, map_index, started)

    @property
    def name(self) -> str:
        """``<dag_id>.<task_id>``, with the index of a mapped task."""
        mapped = "" if self.map_index == -1 else f"[{self.map_index}]"
        return f"{self.dag_id}.{self.task_id}{mapped}"[-_LONGEST_NAME:]

    @property
    def tags(self) -> dict[str, str]:
        """Tags that name the task, equal in each of its tries, so that a repeated request is equal too."""
        values = {"dag_id": self.dag_id, "run_id": self.run_id, "task_id": self.task_id}
        if self.map_index != -1:
            values["map_index"] = str(self.map_index)
        return {f"{_PREFIX}{name}": _tag_value(value) for name, value in values.items()}

    def seed(self, *more: Any) -> str:
        """What client tokens are made of: this task, in this DAG run."""
        parts = [self.dag_id, self.run_id, self.task_id, self.map_index, *more, self.started]
        return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()


def token(seed: str, generation: int) -> str:
    """The client token of a generation of what a task starts."""
    return hashlib.sha256(f"{seed}/{generation}".encode()).hexdigest()


def owner_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Those of a resource's tags that name its task; none: no task of this package owns it."""
    return {key: value for key, value in tags.items() if key.startswith(_PREFIX)}


def owner(tags: Mapping[str, str]) -> dict[str, str]:
    """``dag_id``, ``run_id``, ``task_id`` and perhaps ``map_index`` of the task that a resource's tags name."""
    return {key.removeprefix(_PREFIX): value for key, value in owner_tags(tags).items()}


def _tag_value(value: str) -> str:
    """The value in the characters and the length that the service allows; a changed one stays distinct by a hash."""
    allowed = _NOT_ALLOWED.sub("_", value)
    if allowed == value and len(value) <= _LONGEST_VALUE:
        return value
    digest = hashlib.sha256(value.encode()).hexdigest()[:8]
    return f"{allowed[: _LONGEST_VALUE - len(digest) - 1]}-{digest}"
