"""What operators do that start something which costs money until it ends."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, ClassVar

from airflow_emrs_ext import settings
from airflow_emrs_ext._compat import AirflowTaskTimeout, Context, TaskDeferralError
from airflow_emrs_ext.exceptions import EmrError, TaskKilled
from airflow_emrs_ext.models import OwnedKind
from airflow_emrs_ext.operators.base import EmrServerlessOperator
from airflow_emrs_ext.outcome import Outcome
from airflow_emrs_ext.ownership import TaskIdentity
from airflow_emrs_ext.states import State


class _Killed(BaseException):
    """What the handler of a kill interrupts the task with; no exception that a client would take for a broken call."""


class OwningOperator(EmrServerlessOperator):
    """Base of the operators that start a job run or a session, and end it when the task ends before its work is done.

    Two parameters of each say when, named after the API's word: ``<verb>_on_kill`` and ``<verb>_on_timeout``.
    """

    kind: ClassVar[OwnedKind[State]]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._ids: dict[str, str] = {}
        self._claim: dict[str, Any] = {}
        self._is_working = False

    def own(self, context: Context, ids: Mapping[str, str]) -> None:
        """Take the ids of what has been started, for this process and, as XComs, for those after it."""
        self._ids = dict(ids)
        try:
            for key, value in ids.items():
                context["ti"].xcom_push(key=key, value=value)
        except Exception:
            # Whatever ends the task here: nobody after it would know of what runs.
            self.abandon(context)
            raise

    def ownership(self, context: Context, given: Mapping[str, Any]) -> dict[str, Any]:
        """The name and the tags that say whose a resource is; what the user has ``given`` wins."""
        identity = TaskIdentity.of(context)
        named = identity.tags if settings.default_tags() else {}
        return {"name": given.get("name") or identity.name, "tags": {**named, **(given.get("tags") or {})}}

    def execute(self, context: Context) -> Any:
        """Make the request, then wait for what it leads to; both end at a kill."""
        with self.ends_at_kill():
            return super().execute(context)

    @contextmanager
    def ends_at_kill(self) -> Iterator[None]:
        """A block that :meth:`on_kill` ends."""
        self._is_working = True
        try:
            yield
        except _Killed:
            raise TaskKilled("The task was killed while it was starting, waiting or working.", self._ids) from None
        finally:
            self._is_working = False

    def finish(self, context: Context, outcome: Outcome) -> dict[str, Any]:
        """The one end of both modes: return the result, or raise the error."""
        if outcome.error is not None and self._was_ended_by_an_earlier_try(context, outcome.error):
            self.log.info("The kill of an earlier try ended what this one had found; starting anew")
            result: dict[str, Any] = super().execute(context)
            return result
        return super().finish(context, outcome)

    def _was_ended_by_an_earlier_try(self, context: Context, error: EmrError) -> bool:
        """Whether the wait ended because the end that an earlier try had asked for came after this try's claim.

        A person clears a task, and Airflow begins the new try before it kills the old one.
        """
        ti, created_at = context["ti"], error.facts.get("created_at")
        if ti.try_number < 2 or error.facts.get("state") not in (self.kind.ending, self.kind.end_state):
            return False
        return created_at is not None and datetime.fromisoformat(created_at) < ti.start_date

    def on_kill(self) -> None:
        """End what a task has started that is killed while it waits in a worker, and end its work."""
        self.end_started()
        # Airflow 3 calls this from its handler of SIGTERM and then lets the task go on, which would start anew what has
        # just been ended. After its own timeout there is nothing that could go on.
        is_over = isinstance(sys.exc_info()[1], (AirflowTaskTimeout, _Killed))
        if self._is_working and not is_over and threading.current_thread() is threading.main_thread():
            raise _Killed

    def end_started(self) -> None:
        """End what a task has started that will not go on."""
        if not self._ends_on("kill"):
            return
        if self._ids:
            self._end()
        elif self._claim:
            self._run("abandon_claim", kind=self.kind.key, **self._claim)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after a deferral; also where Airflow could not run the trigger, and asks the operator nothing."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except TaskDeferralError:
            self.abandon(context)
            raise

    def abandon(self, context: Context) -> None:
        """End what the task has started if the wait for it has ended in a way that nobody foresaw."""
        if not self._ids:
            # A process that resumes a deferred task knows of it what the one before it left.
            ti = context["ti"]
            pulled = {
                key: ti.xcom_pull(task_ids=self.task_id, key=key, map_indexes=ti.map_index)
                for key in self.kind.id_names
            }
            self._ids = {key: value for key, value in pulled.items() if value}
        if self._ends_on("timeout") and len(self._ids) == len(self.kind.id_names):
            self._end()

    def _end(self) -> None:
        self._run("abandon", kind=self.kind.key, ids=self._ids)

    def _ends_on(self, event: str) -> bool:
        return bool(getattr(self, f"{self.kind.verb}_on_{event}"))

    def _on_kill_in_triggerer(self) -> dict[str, Any]:
        if not self._ends_on("kill"):
            return {}
        return {"on_kill_procedure": "abandon", "on_kill_arguments": {"kind": self.kind.key, "ids": self._ids}}
