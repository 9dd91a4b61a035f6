"""Whose a resource is: the name, tags and client tokens that a task gives to what it starts."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_emrs_ext import settings

_PREFIX = "airflow-emrs-ext:"
_REQUEST = f"{_PREFIX}request"
_GENERATION = f"{_PREFIX}generation"
_LONGEST_VALUE = 256
# What a tag does not allow, and the mark of what stands for it: its bytes in UTF-8 as =XX.
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9 /_.:+@-]")
_ESCAPED = re.compile(r"(?:=[0-9A-F]{2})+")
_CUT = "=cut="


@dataclass(frozen=True)
class TaskIdentity:
    """The task that starts something: the same in each of its tries.

    :param map_index: of a mapped task, else -1
    :param deployment: name of the Airflow that runs it; another one may have equal DAGs in the same account
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    deployment: str = ""

    @classmethod
    def of(cls, context: Any) -> TaskIdentity:
        """The identity of the task in an execution context."""
        ti = context["ti"]
        map_index = -1 if ti.map_index is None else ti.map_index
        return cls(ti.dag_id, ti.run_id, ti.task_id, map_index, settings.deployment())

    @property
    def name(self) -> str:
        """``<dag_id>.<task_id>``, with the index of a mapped task."""
        mapped = "" if self.map_index == -1 else f"[{self.map_index}]"
        return f"{self.dag_id}.{self.task_id}{mapped}"

    @property
    def tags(self) -> dict[str, str]:
        """Tags that name the task, equal in each of its tries, so that a repeated request is equal too."""
        values = {"dag_id": self.dag_id, "run_id": self.run_id, "task_id": self.task_id}
        if self.map_index != -1:
            values["map_index"] = str(self.map_index)
        if self.deployment:
            values["deployment"] = self.deployment
        return {f"{_PREFIX}{name}": _tag_value(value) for name, value in values.items()}

    def seed(self, *more: Any) -> str:
        """What client tokens are made of: this task, in this DAG run."""
        parts = [self.dag_id, self.run_id, self.task_id, self.map_index, self.deployment, *more]
        return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()


def token(seed: str, generation: int) -> str:
    """The client token of a generation of what a task starts."""
    return hashlib.sha256(f"{seed}/{generation}".encode()).hexdigest()


def marked(request: Mapping[str, Any]) -> dict[str, Any]:
    """A request whose tags, if they name a task, tell it from a request with other parameters, too."""
    tags = request.get("tags") or {}
    if not owner_tags(tags):
        return dict(request)
    print_of_all = hashlib.sha256(json.dumps(request, default=str, sort_keys=True).encode()).hexdigest()
    return {**request, "tags": {**tags, _REQUEST: print_of_all[:16]}}


def numbered(request: Mapping[str, Any], generation: int) -> dict[str, Any]:
    """A request of :func:`marked` whose tags, if they name a task, tell its generation, too."""
    tags = request.get("tags") or {}
    return {**request, "tags": {**tags, _GENERATION: str(generation)}} if owner_tags(tags) else dict(request)


def generation_of(tags: Mapping[str, str]) -> int:
    """The generation that a resource's tags tell."""
    return int(tags.get(_GENERATION, 0))


def is_same_request(tags: Mapping[str, str], others: Mapping[str, str]) -> bool:
    """Whether two requests with these tags had the same parameters."""
    return tags.get(_REQUEST) == others.get(_REQUEST)


def is_named_after_task(request: Mapping[str, Any], name_of: Callable[[str], str]) -> bool:
    """Whether a request has the name that its task gives if the user gives none, the same in each try.

    :param name_of: makes a name one that the service allows
    """
    task = owner(request.get("tags") or {})
    if not {"dag_id", "task_id"} <= task.keys():
        return False
    identity = TaskIdentity(task["dag_id"], "", task["task_id"], int(task.get("map_index", -1)))
    return bool(request.get("name") == name_of(identity.name))


def owner_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Those of a resource's tags that name its task; none: no task of this package owns it."""
    return {key: tags[key] for key in tags if key.startswith(_PREFIX) and key not in (_REQUEST, _GENERATION)}


def owner(tags: Mapping[str, str]) -> dict[str, str]:
    """``dag_id``, ``run_id``, ``task_id``, perhaps ``map_index``, and the ``deployment`` that a resource's tags name.

    What was too long for a tag is left out.
    """
    named = {key.removeprefix(_PREFIX): value for key, value in owner_tags(tags).items()}
    return {key: _ESCAPED.sub(_unescaped, value) for key, value in named.items() if _CUT not in value}


def _tag_value(value: str) -> str:
    """The value in the characters and the length that the service allows."""
    allowed = _NOT_ALLOWED.sub(_escaped, value)
    if len(allowed) <= _LONGEST_VALUE:
        return allowed
    end = f"{_CUT}{hashlib.sha256(value.encode()).hexdigest()[:8]}"
    return allowed[: _LONGEST_VALUE - len(end)] + end


def _escaped(found: re.Match[str]) -> str:
    return "".join(f"={byte:02X}" for byte in found[0].encode())


def _unescaped(found: re.Match[str]) -> str:
    return bytes.fromhex(found[0].replace("=", "")).decode(errors="replace")
