"""Every branch on the version of Airflow in how its Variables are read and made, past any secrets backend.

A backend may be shared by several Airflows, costs a call each time, and one that does not answer counts as one that has
no such Variable.
"""

from __future__ import annotations

import sys
from typing import Any

from airflow_emrs_ext._compat import AIRFLOW_3, conf
from airflow_emrs_ext.exceptions import ConfigurationError

_DESCRIPTION = "Tells this Airflow from others that run EMR jobs in the same AWS account. Not to be copied or changed."


class NoAirflow(Exception):
    """No Airflow runs this process: it has neither an API nor a database to ask."""


class ByApi:
    """Where a task of Airflow 3 finds Variables: the API server, which overwrites."""

    inserts = False

    def __init__(self, comms: Any) -> None:
        self._comms = comms

    def get(self, key: str) -> str | None:
        """A Variable's value; ``None``: the API server says that there is none."""
        from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
        from airflow.sdk.execution_time.comms import ErrorResponse, GetVariable

        try:
            answer = self._comms.send(GetVariable(key=key))
            if isinstance(answer, ErrorResponse):
                raise AirflowRuntimeError(answer)
        except AirflowRuntimeError as error:
            if error.error.error == ErrorType.VARIABLE_NOT_FOUND:
                return None
            raise
        return str(answer.value) if answer.value else None

    def put(self, key: str, value: str) -> None:
        """Make or overwrite a Variable."""
        from airflow.sdk.execution_time.comms import PutVariable

        self._comms.send(PutVariable(key=key, value=value, description=_DESCRIPTION))


class InDatabase:
    """Where whatever may use Airflow's database finds Variables: there, where a key is unique."""

    # In Airflow 3 tasks may be writing at the same time, by the API.
    inserts = not AIRFLOW_3

    def get(self, key: str) -> str | None:
        """A Variable's value; ``None``: there is none.

        :raises NoAirflow: the database is not Airflow's
        """
        from airflow.models import Variable
        from airflow.utils.session import create_session
        from sqlalchemy import inspect
        from sqlalchemy.exc import OperationalError, ProgrammingError

        with create_session() as session:
            try:
                found = session.query(Variable).filter_by(key=key).one_or_none()
            except (OperationalError, ProgrammingError):
                session.rollback()
                if inspect(session.get_bind()).has_table(Variable.__tablename__):
                    raise
                raise NoAirflow from None
            if found is not None and not found.val:
                raise ValueError(f"The Variable {key!r} cannot be decrypted with [core] fernet_key, or is empty")
            return None if found is None else str(found.val)

    def values(self, begins: str, *, but: str) -> set[str]:
        """What Variables hold whose keys begin so, but for keys that end so."""
        from airflow.models import Variable
        from airflow.utils.session import create_session

        with create_session() as session:
            found = session.query(Variable).filter(Variable.key.startswith(begins, autoescape=True)).all()
            return {str(one.val) for one in found if one.val and not str(one.key).endswith(but)}

    def put(self, key: str, value: str) -> None:
        """Make a Variable, unless it is there."""
        from airflow.models import Variable
        from airflow.utils.session import create_session
        from sqlalchemy.exc import IntegrityError

        try:
            with create_session() as session:
                session.add(Variable(key=key, val=value, description=_DESCRIPTION))  # type: ignore[no-untyped-call]
        except IntegrityError:
            # Another task has been first.
            return


def variables() -> ByApi | InDatabase:
    """The Variables of the Airflow that runs this process.

    :raises NoAirflow: none does
    """
    if not AIRFLOW_3:
        return InDatabase()
    comms = getattr(sys.modules.get("airflow.sdk.execution_time.task_runner"), "SUPERVISOR_COMMS", None)
    if comms is not None:
        return ByApi(comms)
    if getattr(sys.modules.get("airflow.settings"), "Session", None) is None:
        raise NoAirflow
    return InDatabase()


def team_of(context: Any) -> list[str]:
    """The name of the task's team, where teams share an Airflow; each has Variables of its own.

    :raises ConfigurationError: this version of Airflow does not say it
    """
    if not (AIRFLOW_3 and conf.getboolean("core", "multi_team", fallback=False)):
        return []
    dag_run = context["dag_run"]
    if not hasattr(dag_run, "team_name"):
        raise ConfigurationError(
            "This Airflow has teams ([core] multi_team), whose Variables are apart, and does not tell a task its team. "
            "Give this Airflow a name of its own: [emrs_ext] deployment (AIRFLOW__EMRS_EXT__DEPLOYMENT)."
        )
    return [dag_run.team_name] if dag_run.team_name else []
