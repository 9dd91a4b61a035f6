"""What ends a job run, a session or a managed endpoint when its task is killed, fails or times out."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_emrs_ext._compat import (
    AirflowException,
    AirflowTaskTimeout,
    Context,
    current_context,
    is_deferral_timeout,
)
from airflow_emrs_ext.aws.ownership_tags import found_by
from airflow_emrs_ext.core import lineage
from airflow_emrs_ext.exceptions import Crashed, TaskKilled
from airflow_emrs_ext.links.runs import show_links
from airflow_emrs_ext.operators._base.idempotent_start import Event, IdempotentStartOperator
from airflow_emrs_ext.operators._base.interruptions import raised_again
from airflow_emrs_ext.operators._base.operator import on_kill
from airflow_emrs_ext.triggers._compat import UNKNOWN, state_of_task
from airflow_emrs_ext.workflows import Workflow, named

if TYPE_CHECKING:
    from airflow_emrs_ext.core.effects import RunContext
    from airflow_emrs_ext.resources import EndableKind
    from airflow_emrs_ext.shared.states import State
    from airflow_emrs_ext.triggers.journal import Endings

# States of a task whose process is being ended although no person, and no timeout of the DAG run, has ended the task: a
# worker that is shut down, or one that was cut off and whose task is being tried elsewhere.
_NOT_ENDED_BY_A_PERSON = frozenset({"running", "up_for_retry", "scheduled", "queued", "deferred"})

# How long Airflow may take to tell the state; it ends the process seconds after its signal.
_ASK_SECONDS = 3.0


class _Killed(BaseException):
    """What the handler of a kill interrupts the task with; no exception that a client would take for a broken call."""


class EndsWithTaskOperator(IdempotentStartOperator):
    """Base of the operators that start a job run or a session, and end it when the task ends before its work is done.

    Two parameters of each say when (:meth:`_ends_on`), named after the API's word: ``cancel_on_kill`` and the like.
    """

    @property
    def kind(self) -> EndableKind[State]:
        """The kind of resource."""
        raise NotImplementedError

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._ids: dict[str, str] = {}
        self._is_working = self._is_killed = False
        self._ti: Any = None
        self._notes: Endings | None = None

    def _start_workflow(self) -> Workflow[...]:
        from airflow_emrs_ext.workflows.idempotent_start import idempotent_start_billable

        return idempotent_start_billable

    def start_arguments(self, context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
        """As the base's, with what becomes of it if the deadline comes before it is the task's."""
        return {**super().start_arguments(context, request), "end_on_timeout": self._ends_on("timeout")}

    def parents(self, context: Context) -> list[dict[str, str]]:
        """OpenLineage's."""
        return lineage.parents(context)

    def own(self, context: Context, ids: Mapping[str, str]) -> None:
        """Take the ids of what has been started, for this process and, as XComs, for those after it."""
        self._ids = dict(ids)
        try:
            for key, value in ids.items():
                context["ti"].xcom_push(key=key, value=value)
        except Exception as error:
            # Airflow could not store them; the task's next try finds what runs by its client token.
            raise Crashed.by(error, {"ids": ids}) from error
        self.show_links(context, self.kind.key, ids)

    def show_links(self, context: Context, kind: str, ids: Mapping[str, str]) -> None:
        """Let the links of the task lead somewhere from now on, if they can."""
        try:
            show_links(self, context["ti"], kind, ids)
        except AirflowTaskTimeout:
            raise
        except Exception as error:
            # What runs is worth more than the way to its pages.
            self.log.warning("The links of this task lead nowhere: %s: %s", type(error).__name__, error)

    def execute(self, context: Context, event: Any = None) -> Any:
        """Make the request, then wait for what it leads to; both end at a kill."""
        self._ti, self._notes = context["ti"], None
        with self.ends_at_kill():
            return super().execute(context, event)

    @contextmanager
    def ends_at_kill(self) -> Iterator[None]:
        """A block that :meth:`on_kill` ends."""
        self._is_working, self._is_killed = True, False
        try:
            with raised_again(_Killed, AirflowTaskTimeout):
                yield
            if self._is_killed:
                raise _Killed
        except BaseException:
            self._is_working = False
            if not self._is_killed:
                raise
            # Also if something has caught the interruption on its way here.
            ids = dict(self._ids)
            self.end_started()
            raise TaskKilled("The task was killed while it was starting, waiting or working.", ids) from None
        finally:
            self._is_working = False

    def on_kill(self) -> None:
        """End what a task has started that is killed while it waits in a worker, and end its work.

        The handler of a signal calls this in the middle of anything, which may hold a lock that ending needs, too: of
        the log, or of a client. So that is left first, and what was started is ended then. Airflow 3 would go on with
        the task otherwise.
        """
        if self._is_working and threading.current_thread() is threading.main_thread():
            self._is_killed = True
            raise _Killed
        self.end_started("timeout" if isinstance(sys.exc_info()[1], AirflowTaskTimeout) else "kill")

    def end_started(self, event: Event = "kill") -> None:
        """End what a task has started that will not go on."""
        if not self._ends_on(event):
            return
        if event == "timeout" and self._ti is None and (context := current_context()):
            # Airflow 2 does not even resume a deferred task whose time is over, and asks the operator for nothing else.
            self._recall(context)
        state = self._state_before_another_try() if event == "kill" else None
        if state == UNKNOWN:
            self._leave_to_airflow()
        elif state in _NOT_ENDED_BY_A_PERSON:
            self.log.info("The worker is being shut down: the task's next try goes on with %s", self._ids or "it")
        elif self._ids:
            self._end()
        else:
            self._end_uncertain_start(event)

    def _state_before_another_try(self) -> str | None:
        """The task's state, by which nobody may have asked for its end; ``None``: there is no other try to go on."""
        ti = self._ti
        if ti is None or not self.reattach or ti.try_number > ti.max_tries:
            return None
        return state_of_task(ti, seconds=_ASK_SECONDS)

    def _leave_to_airflow(self) -> None:
        """Leave what was started to the next try, or, if Airflow says later that there is none, to a triggerer."""
        from airflow_emrs_ext.workflows.lifecycle import end_if_orphaned
        from airflow_emrs_ext.workflows.orphans import end_active_of_task

        kind = self.kind.key
        if self._ids:
            self._noted().keep(*named(end_if_orphaned, kind=kind, ids=self._ids))
        elif self._start:
            by_tags = found_by(self._start["request"])
            self._noted().keep(*named(end_active_of_task, kind=kind, request=by_tags, before=time.time()))
        self.log.warning(
            "Airflow does not say whether a person has ended this task: its next try goes on with %s. If there is "
            "none, a triggerer ends it ([emrs_ext] journal_folder).",
            self._ids or "what it may have started",
        )

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after a deferral; also where Airflow could not run the trigger, and asks the operator nothing."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except AirflowException as error:
            if is_deferral_timeout(error):
                self.end_deferred(context)
            raise

    def ids_of_started(self, context: Context) -> dict[str, str]:
        """The ids of what the task has started, as far as it is known."""
        if self._ids:
            return dict(self._ids)
        # A process that resumes a deferred task knows of it what the one before it left.
        ti = context["ti"]
        pulled = {
            key: ti.xcom_pull(task_ids=self.task_id, key=key, map_indexes=ti.map_index) for key in self.kind.id_names
        }
        return {key: value for key, value in pulled.items() if value}

    def end_deferred(self, context: Context) -> None:
        """End what the task has started, if its time is over and nobody has waited for it in its trigger."""
        self._recall(context)
        if not self._ends_on("timeout"):
            return
        if self._ids:
            self._end()
        else:
            self._end_uncertain_start("timeout")

    def _recall(self, context: Context) -> None:
        """Take over what the process before this one has left, if it is known whole."""
        self._ti = context["ti"]
        ids = self.ids_of_started(context)
        self._ids = ids if len(ids) == len(self.kind.id_names) else {}

    def _end(self) -> None:
        from airflow_emrs_ext.workflows.lifecycle import request_end_best_effort

        ids, self._ids, self._start = self._ids, {}, {}
        self._run(request_end_best_effort, kind=self.kind.key, ids=ids)

    def _end_uncertain_start(self, event: Event) -> None:
        from airflow_emrs_ext.workflows.idempotent_start import end_uncertain_start

        if self._start and self._ends_on(event):
            self._run(end_uncertain_start, **self._start)

    def _noted(self) -> Endings:
        from airflow_emrs_ext.triggers.journal import Endings, Journal

        if self._notes is None:
            journal = Journal.of_worker(self._ti, self._hook_parameters, self.hook.wait_policy.as_arguments())
            self._notes = Endings(journal)
        return self._notes

    def _run_context(self) -> RunContext:
        return replace(super()._run_context(), notes=self._noted())

    def _ends_on(self, event: Event) -> bool:
        raise NotImplementedError

    def _on_kill_in_triggerer(self) -> dict[str, Any]:
        if not self._ends_on("kill"):
            return {}
        from airflow_emrs_ext.workflows.lifecycle import end_if_orphaned

        return on_kill(end_if_orphaned, kind=self.kind.key, ids=self._ids)
