"""What operators do that start something: find it again in the next try, and end it if it costs money."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar, Literal

from airflow_emrs_ext import settings
from airflow_emrs_ext._compat import AirflowTaskTimeout, Context, TaskDeferralError, state_of_task
from airflow_emrs_ext.exceptions import EmrError, ServiceUnavailable, TaskKilled, WaitTimeout
from airflow_emrs_ext.models import ClaimedKind, OwnedKind
from airflow_emrs_ext.operators.base import EmrServerlessOperator
from airflow_emrs_ext.outcome import Outcome
from airflow_emrs_ext.ownership import TaskIdentity
from airflow_emrs_ext.states import State
from airflow_emrs_ext.waiting import look

Event = Literal["kill", "timeout"]

# States of a task whose process is being ended although no person, and no timeout of the DAG run, has ended the task: a
# worker that is shut down, or one that was cut off and whose task is being tried elsewhere.
_NOT_ENDED_BY_A_PERSON = frozenset({"running", "up_for_retry", "scheduled", "queued", "deferred"})

# How long Airflow may take to tell the state; it ends the process seconds after its signal.
_ASK_SECONDS = 3.0


class _Killed(BaseException):
    """What the handler of a kill interrupts the task with; no exception that a client would take for a broken call."""


class ClaimingOperator(EmrServerlessOperator):
    """Base of the operators that start something which another try of the task finds again.

    :param reattach: whether a try goes on with what an earlier one has started and left active, as after the loss of a
        worker; ``False``: it ends that and starts anew
    """

    kind: ClassVar[ClaimedKind[State]]
    client_request_token: str | None = None
    config: Mapping[str, Any] | None = None

    def __init__(self, *, reattach: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reattach = reattach
        self._claim: dict[str, Any] = {}

    def claim(self, context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
        """The facts of what the task owns: found if an earlier try has started it, else started now.

        A request with a client token of the user's own is made with that, and what it leads to is the task's.
        """
        if token := self._given_token():
            ids = self.kind.ids_of(getattr(self.hook, self.kind.starts)(**request, client_token=token))
            return self.hook.run(look(self.kind, ids, replace(self.hook.terms, log=self.log))).facts
        number = context["ti"].try_number
        own = () if self.reattach else (number,)
        # `airflow tasks test` makes up a DAG run that never starts: nothing from before this try is this one's.
        started = getattr(context.get("dag_run"), "start_date", None) or context["ti"].start_date
        self._claim = {
            "kind": self.kind.key,
            "request": request,
            "seed": TaskIdentity.of(context).seed(*own),
            "epoch": {"tries": self._tries_before_clear(context), "began": started.timestamp()},
        }
        return self._run("claim", **self._claim, is_first_try=number == 1, reattach=self.reattach)

    def _tries_before_clear(self, context: Context) -> int:
        """How many tries there were when a person last cleared the task; 0: nobody has.

        Airflow adds them to the number of retries then, and leaves that number when it tries the task again by itself.
        """
        return max(0, (context["ti"].max_tries or 0) - (self.retries or 0))

    def _given_token(self) -> str | None:
        return self.client_request_token or (self.config or {}).get("clientToken")

    def ownership(self, context: Context, given: Mapping[str, Any]) -> dict[str, Any]:
        """The name and the tags that say whose a resource is; what the user has ``given`` wins."""
        identity = TaskIdentity.of(context)
        named = identity.tags if settings.default_tags() else {}
        return {"name": given.get("name") or identity.name, "tags": {**named, **(given.get("tags") or {})}}


class OwningOperator(ClaimingOperator):
    """Base of the operators that start a job run or a session, and end it when the task ends before its work is done.

    Two parameters of each say when, named after the API's word: ``<verb>_on_kill`` and ``<verb>_on_timeout``.
    """

    kind: ClassVar[OwnedKind[State]]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._ids: dict[str, str] = {}
        self._is_working = False
        self._ti: Any = None

    def claim(self, context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
        """As the base's; what may have been started before an error is ended, unless it is to be kept."""
        try:
            return super().claim(context, request)
        except EmrError as error:
            self._ids = {name: error.facts[name] for name in self.kind.id_names if name in error.facts}
            if self._ends_on("timeout") and len(self._ids) == len(self.kind.id_names):
                self._end()
            elif isinstance(error, (WaitTimeout, ServiceUnavailable)):
                # An answer that was lost may have been the one of a start.
                self._abandon_claim("timeout")
            raise
        except Exception:
            # Whatever nobody foresaw between the answer and here must not leave anything without an owner.
            self._abandon_claim("timeout")
            raise

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

    def execute(self, context: Context) -> Any:
        """Make the request, then wait for what it leads to; both end at a kill."""
        self._ti = context["ti"]
        with self.ends_at_kill():
            return super().execute(context)

    @contextmanager
    def ends_at_kill(self) -> Iterator[None]:
        """A block that :meth:`on_kill` ends."""
        self._is_working = True
        try:
            yield
        except _Killed:
            self._is_working = False
            ids = dict(self._ids)
            self.end_started()
            raise TaskKilled("The task was killed while it was starting, waiting or working.", ids) from None
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
        restarts = ti.try_number > 1 and self._tries_before_clear(context) and not self._given_token()
        if not restarts or error.facts.get("state") not in (self.kind.ending, self.kind.end_state):
            return False
        return created_at is not None and datetime.fromisoformat(created_at) < ti.start_date

    def on_kill(self) -> None:
        """End what a task has started that is killed while it waits in a worker, and end its work.

        The handler of a signal calls this in the middle of anything, which may hold a lock that ending needs, too: of
        the log, or of a client. So that is left first, and what was started is ended then. Airflow 3 would go on with
        the task otherwise.
        """
        if self._is_working and threading.current_thread() is threading.main_thread():
            raise _Killed
        self.end_started("timeout" if isinstance(sys.exc_info()[1], AirflowTaskTimeout) else "kill")

    def end_started(self, event: Event = "kill") -> None:
        """End what a task has started that will not go on."""
        if not self._ends_on(event):
            return
        if event == "kill" and self._is_left_to_the_next_try():
            self.log.info("The worker is being shut down: the task's next try goes on with %s", self._ids or "it")
        elif self._ids:
            self._end()
        else:
            self._abandon_claim(event)

    def _is_left_to_the_next_try(self) -> bool:
        """Whether nobody has asked for the task's end, and it will be tried again."""
        ti = self._ti
        if ti is None or not self.reattach or ti.try_number > ti.max_tries:
            return False
        return state_of_task(ti, seconds=_ASK_SECONDS) in _NOT_ENDED_BY_A_PERSON

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
        ids, self._ids, self._claim = self._ids, {}, {}
        self._run("abandon", kind=self.kind.key, ids=ids)

    def _abandon_claim(self, event: Event) -> None:
        if self._claim and self._ends_on(event):
            self._run("abandon_claim", **self._claim)

    def _ends_on(self, event: Event) -> bool:
        return bool(getattr(self, f"{self.kind.verb}_on_{event}"))

    def _on_kill_in_triggerer(self) -> dict[str, Any]:
        if not self._ends_on("kill"):
            return {}
        return {"on_kill_procedure": "end_unowned", "on_kill_arguments": {"kind": self.kind.key, "ids": self._ids}}
