"""What a task has started, and what that may be asked with; an XCom names the one, and never the other.

Whoever may edit XComs may not choose the credentials that the web server uses. So the connection, its Region and
``verify`` are those that the task ran with, as Airflow keeps them with its rendered templates, or those that the DAG
says; and what the XCom names has to be shown to be the task's by the service itself, before anything of it is shown
(:attr:`~airflow_emrs_ext.plugin.views.RunView.described`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_emrs_ext.aws.ownership_tags import TaskIdentity, digested, owner_tags
from airflow_emrs_ext.core.deployment import deployments_here
from airflow_emrs_ext.links.runs import RECORD
from airflow_emrs_ext.plugin import _compat
from airflow_emrs_ext.plugin.clicks import Place
from airflow_emrs_ext.plugin.unsubmitted import PACKAGE, is_linked
from airflow_emrs_ext.resources import BILLABLE

CONNECTION = ("aws_conn_id", "region_name", "verify")
_SESSION = "session"

# Of this package's own operators, where a mapped task does not say another.
_DEFAULTS: Mapping[str, Any] = {"aws_conn_id": "aws_default", "region_name": None, "verify": None, _SESSION: None}

# Parts of a value that is still to be rendered, or that Airflow has masked.
_UNSETTLED = ("{{", "{%", "{#", "***")


@dataclass(frozen=True)
class Record:
    """What a task says that it has started.

    :param place: the task instance
    :param kind: key of :data:`~airflow_emrs_ext.resources.BILLABLE`
    :param ids: of what it has started, or works in
    :param connection: ``aws_conn_id``, ``region_name`` and ``verify`` of the task; ``None``: they are not known
    :param session: what the task was told to work in; ``None``: it is not one that is told
    """

    place: Place
    kind: str
    ids: Mapping[str, str]
    connection: Mapping[str, Any] | None
    session: Any = None

    def is_shown_by(self, tags: Mapping[str, str]) -> bool:
        """Whether the service's tags of it, or else the DAG, say that it is the task's own, or given to it.

        A session is given to a task by another of the same DAG run, or by the DAG itself, with its ids.
        """
        place = self.place
        further = dict(place.further)
        names = (place.dag_id, place.run_id, place.task_id, place.map_index)
        # An Airflow whose teams have each an identity of their own has several.
        own = [TaskIdentity(*names, deployment=name, further=further).tags for name in deployments_here()]
        theirs = owner_tags(tags)
        if theirs in own or theirs in map(digested, own):
            return True
        if self.session is None:
            return False
        if theirs and _of_dag_run(theirs) in map(_of_dag_run, own):
            return True
        given = self.session.values() if isinstance(self.session, Mapping) else [self.session]
        *_, own_id = self.ids.values()
        return own_id in given


def record_of(place: Place) -> Record | None:
    """What a task has stored for its links, from Airflow's database; ``None``: nothing.

    :param place: the task instance
    """
    stored = _compat.xcom_of(place.identity, RECORD)
    kind = BILLABLE.get(str(stored.get("kind"))) if isinstance(stored, dict) else None
    if kind is None or not all(isinstance(stored.get(name), str) for name in kind.id_names):
        return None
    for fields in _fields(place):
        if all(_is_settled(fields.get(name, "***")) for name in CONNECTION):
            connection = {name: fields[name] for name in CONNECTION}
            return Record(place, kind.key, kind.pick(stored), connection, fields.get(_SESSION))
    return Record(place, kind.key, kind.pick(stored), None)


def _fields(place: Place) -> Iterator[Mapping[str, Any]]:
    """What the task ran with, as far as Airflow keeps it; then what the DAG says."""
    yield _compat.rendered_fields(place.identity) or {}
    yield _declared(_compat.serialized_task(place.identity) or {})


def _declared(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """The connection and the session of a task of this package, as far as a serialized DAG says them."""
    is_own = str(task.get("_task_module")).startswith(PACKAGE)
    # Operators that users derive have the link; a task without it may have attributes of these names all the same.
    if not is_own and not is_linked(task):
        return {}
    names = (*CONNECTION, _SESSION)
    if not task.get("_is_mapped"):
        return {name: task.get(name) for name in names}
    known: dict[str, Any] = dict(_DEFAULTS) if is_own else {}
    known.update(_plain(task.get("partial_kwargs")))
    expanded = task.get("expand_input") or {}
    if expanded.get("type") != "dict-of-lists":
        return {}
    over = _plain(expanded.get("value"))
    return {name: known[name] for name in names if name in known and name not in over}


def _plain(structure: Any) -> Mapping[str, Any]:
    """A mapping of a serialized DAG, which may be wrapped."""
    while isinstance(structure, Mapping) and "__var" in structure:
        structure = structure["__var"]
    return structure if isinstance(structure, Mapping) else {}


def _is_settled(value: Any) -> bool:
    return value is None or (isinstance(value, (bool, str)) and not any(part in str(value) for part in _UNSETTLED))


def _of_dag_run(tags: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in tags.items() if name.endswith((":dag_id", ":run_id", ":deployment"))}
