"""Whose a resource is: the name, tags and client tokens that a task gives to what it starts."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_emrs_ext._compat import identity_fields
from airflow_emrs_ext.core.deployment import deployment_of
from airflow_emrs_ext.core.owner_names import DEPLOYMENT, OWNER
from airflow_emrs_ext.core.owner_names import GENERATION as _GENERATION
from airflow_emrs_ext.core.owner_names import PREFIX as _PREFIX
from airflow_emrs_ext.core.owner_names import REQUEST as _REQUEST
from airflow_emrs_ext.exceptions import ConfigurationError

_LONGEST_VALUE = 256
# What a tag does not allow, and the mark of what stands for it: its bytes in UTF-8 as =XX.
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9 /_.:+@-]")
_ESCAPED = re.compile(r"(?:=[0-9A-F]{2})+")
_CUT = "=cut="

# The names of a task instance's place among others of its task, the more exact one first: Airflow 3.4 counts the
# iterations of a loop by the first, and the second is -1 in each of them.
_INDEXES = ("region_index", "map_index")
# By what else than its tags something is found that a task has started.
_FOUND_BY = ("application_id", "virtual_cluster_id", "cluster_id", "name")
# What a task instance has at least.
_NAMES = ("dag_id", "run_id", "task_id", "map_index")


def identity_of(ti: Any, fields: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Everything by which Airflow tells a task instance from others, as plain JSON; the same in each of its tries.

    :param ti: a task instance, in whatever form Airflow has it there, or a key of one
    :param fields: the names of all that tells task instances apart, and what says nothing in each; default: Airflow's
    :return: ``dag_id``, ``run_id``, ``task_id``, ``map_index`` (an iteration's index in its loop, too; -1: none), and
        whatever else there is: in Airflow 3.4 the ``region_id`` of a loop, or of the expansion of a mapped task
    :raises ConfigurationError: the task instance lacks what this version of Airflow tells it by
    """
    indexes = (getattr(ti, name, None) for name in _INDEXES)
    identity: dict[str, Any] = {"map_index": next((index for index in indexes if index is not None), -1)}
    fields = identity_fields() if fields is None else fields
    for name, nothing in fields.items():
        if name in _INDEXES:
            continue
        if not hasattr(ti, name):
            raise ConfigurationError(
                f"This Airflow tells task instances apart by `{name}`, which {type(ti).__name__} does not have: whose "
                "a job run would be is not known, and none is started. Use a version of airflow-emrs-ext that knows "
                "this version of Airflow."
            )
        value = getattr(ti, name)
        if value is not None and value != nothing:
            identity[name] = value if isinstance(value, (str, int)) else str(value)
    return {**{name: identity[name] for name in _NAMES}, **identity}


def further_fields() -> list[str]:
    """The names of what an identity may have in this Airflow beyond DAG, run, task and index."""
    return [name for name in identity_fields() if name not in (*_NAMES, *_INDEXES)]


@dataclass(frozen=True)
class TaskIdentity:
    """The task that starts something: the same in each of its tries.

    :param map_index: of a mapped task or of an iteration of a loop, else -1
    :param deployment: identity of the Airflow that runs it; another one may have equal DAGs in the same account
    :param further: whatever else tells it from others, see :func:`identity_of`
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    deployment: str = ""
    further: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, context: Any) -> TaskIdentity:
        """The identity of the task in an execution context."""
        identity = identity_of(context["ti"])
        named = {name: identity.pop(name) for name in _NAMES}
        return cls(**named, deployment=deployment_of(context), further=identity)

    @property
    def name(self) -> str:
        """``<dag_id>.<task_id>``, with the index of a mapped task or an iteration."""
        mapped = "" if self.map_index == -1 else f"[{self.map_index}]"
        return f"{self.dag_id}.{self.task_id}{mapped}"

    @property
    def tags(self) -> dict[str, str]:
        """Tags that name the task, equal in each of its tries, so that a repeated request is equal too."""
        values = {"dag_id": self.dag_id, "run_id": self.run_id, "task_id": self.task_id}
        if self.map_index != -1:
            values["map_index"] = str(self.map_index)
        values.update({name: str(value) for name, value in self.further.items()})
        if self.deployment:
            values["deployment"] = self.deployment
        return {f"{_PREFIX}{name}": _tag_value(value) for name, value in values.items()}

    def seed(self, *more: Any) -> str:
        """What client tokens are made of: this task, in this DAG run."""
        further = [sorted(self.further.items())] if self.further else []
        parts = [self.dag_id, self.run_id, self.task_id, self.map_index, self.deployment, *further, *more]
        return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()


def token(seed: str, generation: int, longest: int = 64) -> str:
    """The client token of a generation of what a task starts.

    :param longest: how many characters it may have; each is four bits of a digest
    """
    return hashlib.sha256(f"{seed}/{generation}".encode()).hexdigest()[:longest]


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
    return {**request, "tags": {**tags, **generation_tag(generation)}} if owner_tags(tags) else dict(request)


def generation_tag(generation: int) -> dict[str, str]:
    """The tag that tells a generation."""
    return {_GENERATION: str(generation)}


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


def digested(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags of a task (:attr:`TaskIdentity.tags`) as digests, for what takes no tags and says them in its name."""
    whole = json.dumps(sorted(tags.items()))
    return {
        OWNER: hashlib.sha256(whole.encode()).hexdigest()[:16],
        DEPLOYMENT: digest_of_deployment(owner(tags).get("deployment", "")),
    }


def digest_of_deployment(deployment: str) -> str:
    """The identity of an Airflow as a name says it."""
    return hashlib.sha256(deployment.encode()).hexdigest()[:8]


def found_by(request: Mapping[str, Any]) -> dict[str, Any]:
    """By what is found again what a start has led to whose answer was lost; nothing of it is a secret."""
    found = {name: request[name] for name in _FOUND_BY if name in request}
    return {**found, "tags": owner_tags(request.get("tags") or {})}


def owner(tags: Mapping[str, str]) -> dict[str, str]:
    """What a resource's tags name, but for what was too long for a tag.

    ``dag_id``, ``run_id``, ``task_id``, the ``deployment``, ``map_index`` of a mapped task or of an iteration of a
    loop, and whatever else tells that one from others.
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
