"""Every branch on the version of Airflow in what the plugin reads of its database and configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from packaging.version import Version

from airflow_emrs_ext._compat import AIRFLOW_3, AIRFLOW_VERSION, as_columns

HAS_COOKIE = Version("3.1") <= AIRFLOW_VERSION
"""Whether a browser that follows a link says who it is; in 3.0 only the UI's own script does."""


def xcom_of(identity: Mapping[str, Any], key: str) -> Any:
    """An XCom of plain JSON that a task has stored in Airflow's database; ``None``: none, or it is something else.

    :param identity: of the task instance, see :func:`~airflow_emrs_ext.aws.ownership_tags.identity_of`
    """
    from airflow.utils.session import create_session

    model: Any = getattr(import_module("airflow.models.xcom"), "XComModel" if AIRFLOW_3 else "BaseXCom")
    try:
        columns = as_columns(model, identity)
    except ValueError:
        return None
    with create_session() as session:
        # Airflow 3.4 keeps those of earlier tries, too.
        newest = session.query(model.value).filter_by(key=key, **columns).order_by(model.timestamp.desc())
        found = newest.first()
    value: Any = found and found[0]
    # Airflow 3 stores the text of JSON as JSON. What is no plain JSON is not ours to make objects of.
    for _ in range(2):
        try:
            value = json.loads(value) if isinstance(value, (str, bytes)) else value
        except (ValueError, RecursionError):
            return None
    return value


def rendered_fields(identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """The template fields that a task ran with, as Airflow keeps them of the newest DAG runs.

    :param identity: of the task instance, see :func:`~airflow_emrs_ext.aws.ownership_tags.identity_of`
    """
    from airflow.models import TaskInstance
    from airflow.models.renderedtifields import RenderedTaskInstanceFields as Model
    from airflow.utils.session import create_session

    with create_session() as session:
        query = session.query(Model.rendered_fields)
        if hasattr(Model, "task_instance_id"):
            # Since Airflow 3.4 they are those of a try, and only the newest is joined.
            query = query.join(TaskInstance, TaskInstance.id == Model.task_instance_id)
            found = query.filter_by(**as_columns(TaskInstance, identity)).first()
        else:
            found = query.filter_by(**as_columns(Model, identity)).first()
    fields: Any = found and found[0]
    return fields if isinstance(fields, dict) else None


def serialized_task(identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """A task as its serialized DAG says it: of the version that the task ran, or of the newest where that is not known.

    :param identity: of the task instance, see :func:`~airflow_emrs_ext.aws.ownership_tags.identity_of`
    """
    from airflow.models import TaskInstance
    from airflow.models.serialized_dag import SerializedDagModel as Model
    from airflow.utils.session import create_session

    with create_session() as session:
        found: Any = None
        if AIRFLOW_3:
            columns = as_columns(TaskInstance, identity)
            version = session.query(TaskInstance.dag_version_id).filter_by(**columns).scalar()
            found = version and session.query(Model).filter_by(dag_version_id=version).first()
        found = found or Model.get(identity["dag_id"], session=session)
        data: Any = found and found.data
    tasks = data["dag"]["tasks"] if data else []
    for task in (one.get("__var", one) for one in tasks):
        if task.get("task_id") == identity["task_id"]:
            return dict(task)
    return None


def task_state(identity: Mapping[str, Any]) -> str | None:
    """The state of a task instance, ``none`` before it has one; ``None``: there is no such task instance.

    :param identity: of the task instance, see :func:`~airflow_emrs_ext.aws.ownership_tags.identity_of`
    """
    from airflow.models import TaskInstance
    from airflow.utils.session import create_session

    try:
        columns = as_columns(TaskInstance, identity)
    except ValueError:
        return None
    with create_session() as session:
        found = session.query(TaskInstance.state).filter_by(**columns).first()
    return None if found is None else str(found[0] or "none").rpartition(".")[2].lower()


def base_path() -> str:
    """The path below which the browser finds Airflow; empty: the root."""
    from airflow.configuration import conf

    address = conf.get("api" if AIRFLOW_3 else "webserver", "base_url", fallback="")
    return urlsplit(address).path.rstrip("/")
