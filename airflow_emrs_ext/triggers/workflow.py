"""The one trigger: runs a workflow in the triggerer and sends its outcome."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent

from airflow_emrs_ext.core import formats
from airflow_emrs_ext.core.outcome import Outcome
from airflow_emrs_ext.core.summary import log_summary
from airflow_emrs_ext.exceptions import Crashed, EmrError, InvalidEvent
from airflow_emrs_ext.triggers._compat import has_owner, store_xcoms
from airflow_emrs_ext.triggers.journal import Journal
from airflow_emrs_ext.workflows import NAMES, report_of

if TYPE_CHECKING:
    from airflow_emrs_ext.core.effects import Notes

# A scheduler that has not yet seen that a task was deferred takes one that goes on meanwhile for lost, and fails it:
# seen up to 3 s after the deferral (issues 66374 and 72716 of apache/airflow). What takes seconds anyway costs nothing.
_LEAST_SECONDS = 5.0
# Who looks more often than that has no scheduler: tests that run a trigger themselves.
_SHORTEST_DELAY = 1.0

# Airflow may not say at once whether a task has an owner: it is asked again after so many seconds, one after the other.
_PAUSES = (1.0, 5.0, 15.0)

# How often a trigger that has to wait for a newer triggerer says so, in seconds.
_SAY_SECONDS = 300.0

# Events are rows of Airflow's database: what is longer, in characters, a worker asks for itself.
_LONGEST_REPORT = 64 * 1024

_is_prepared = False


class WorkflowTrigger(BaseTrigger):
    """Run a workflow and send its outcome, result or error, as one event.

    :param workflow: name in :data:`~airflow_emrs_ext.workflows.registry.WORKFLOWS`
    :param arguments: its arguments, plain JSON
    :param wait_policy: the fields of :class:`~airflow_emrs_ext.core.effects.WaitPolicy`; its deadline is absolute, so
        that a restart of the triggerer does not prolong the wait
    :param hook: arguments of :class:`~airflow_emrs_ext.hooks.base.EmrHook`
    :param on_kill_workflow: name of the workflow to run with ``on_kill_arguments`` when a user kills the deferred
        task
    :param ending: ends the task here if it succeeds: ``workflow`` and ``arguments`` tell its result, ``concludes``:
        with its cost, and a line in the log; ``xcoms`` says what becomes an XCom: ``each`` of its keys, too, the
        ``whole``, or ``none``
    :param then: what whoever goes on with the task has to know; comes with the event, unless that tells all. Airflow
        has the arguments of a deferral for that, which `airflow dags test` loses.
    :param format: number of the format of these arguments, see :mod:`~airflow_emrs_ext.core.formats`; nothing is
        missing in one that is known
    :param added: what a newer version has added; it is kept, and means nothing here
    """

    def __init__(
        self,
        *,
        workflow: str = "",
        arguments: Mapping[str, Any] | None = None,
        wait_policy: Mapping[str, Any] | None = None,
        hook: Mapping[str, Any] | None = None,
        on_kill_workflow: str | None = None,
        on_kill_arguments: Mapping[str, Any] | None = None,
        ending: Mapping[str, Any] | None = None,
        then: Mapping[str, Any] | None = None,
        format: int = 1,
        **added: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's is not annotated
        self.workflow = workflow
        self.arguments: dict[str, Any] = dict(arguments or {})
        self.wait_policy: dict[str, Any] = dict(wait_policy or {})
        self.hook_parameters: dict[str, Any] = dict(hook or {})
        self.on_kill_workflow = on_kill_workflow
        self.on_kill_arguments: dict[str, Any] = dict(on_kill_arguments or {})
        self.ending = ending
        self.then = then
        self.added: dict[str, Any] = added if format == 1 else {**added, "format": format}

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Where the class is, and its arguments."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "workflow": self.workflow,
                "arguments": self.arguments,
                "wait_policy": self.wait_policy,
                "hook": self.hook_parameters,
                "on_kill_workflow": self.on_kill_workflow,
                "on_kill_arguments": self.on_kill_arguments,
                "ending": self.ending,
                "then": self.then,
                **self.added,
            },
        )

    @property
    def is_of_newer_version(self) -> bool:
        """Whether only a newer triggerer knows what is to be done."""
        return formats.is_newer(self.added) or not {self.workflow, self.on_kill_workflow or self.workflow} <= NAMES

    @property
    def _waits_for_the_end(self) -> bool:
        """Whether nothing is left of what it waits for once the wait has succeeded."""
        from airflow_emrs_ext.resources import RESOURCES

        kind, targets = RESOURCES.get(self.arguments.get("kind", "")), self.arguments.get("target_states", ())
        return kind is not None and bool(targets) and all(kind.states.parse(one).is_terminal for one in targets)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Run the workflow and send one event."""
        if self.is_of_newer_version:
            yield await self._waited_for_a_newer_triggerer()
            return
        journal = Journal.of(self)
        journal.write()
        delay = float(self.wait_policy.get("waiter_delay", _LEAST_SECONDS))
        until = time.monotonic() + (delay if delay < _SHORTEST_DELAY else _LEAST_SECONDS)
        try:
            outcome, facts = await self._outcome(journal)
            event = await self._event_of(outcome, facts)
            await asyncio.sleep(until - time.monotonic())
        except asyncio.CancelledError as cancelled:
            # Airflow bounds the time of its own on_kill (3.3 and newer), not the time that this takes; and it may
            # cancel a trigger whose task another triggerer goes on with.
            await _through_repetitions(cancelled, self._look_after_what_is_left(journal))
            raise
        # A folder may be slow; many tasks share the event loop.
        await asyncio.to_thread(journal.finish, is_over=outcome.error is None and self._waits_for_the_end)
        yield event

    async def _event_of(self, outcome: Outcome, facts: dict[str, Any] | None) -> TriggerEvent:
        """What ends the task, if that is to happen here; otherwise what a worker goes on with.

        :param facts: all there is to tell of a success; ``None``: a worker asks
        """
        if facts is None:
            return TriggerEvent({**outcome.to_event(), "then": self.then})  # type: ignore[no-untyped-call]
        if self.ending:
            try:
                await self._store(self.ending, facts)
                return TaskSuccessEvent()
            except Exception as error:
                # Whatever kept Airflow from it: a worker stores them.
                self.log.warning("A worker ends this task: %s: %s", type(error).__name__, error)
        return TriggerEvent({**Outcome(result=facts).to_event(), "then": None})  # type: ignore[no-untyped-call]

    async def _report(self) -> dict[str, Any] | None:
        """All there is to tell of a success, so that a worker need not ask; ``None``: it asks."""
        told = self.ending or report_of(self.then)
        if told is None:
            return None
        try:
            await _prepare()
            from airflow_emrs_ext.triggers import runner

            facts = await runner.report(
                told["workflow"],
                told["arguments"],
                wait_policy=self.wait_policy,
                hook=self.hook_parameters,
                log=self.log,
            )
        except Exception as error:
            # Nothing to tell of, or whatever nobody foresaw: a worker asks again, and knows what to do with an error.
            if self.ending or not isinstance(error, EmrError):
                self.log.warning("A worker ends this task: %s: %s", type(error).__name__, error)
            return None
        if facts is None or self.ending:
            return facts
        return facts if len(json.dumps(facts)) <= _LONGEST_REPORT else None

    async def _store(self, ending: Mapping[str, Any], facts: dict[str, Any]) -> None:
        if ending["concludes"]:
            log_summary(facts, self.log)
        if ending["xcoms"] != "none":
            each = facts if ending["xcoms"] == "each" else {}
            await store_xcoms(self.task_instance, {**each, "return_value": facts})

    async def _outcome(self, notes: Notes) -> tuple[Outcome, dict[str, Any] | None]:
        """How the wait has ended, and all there is to tell of a success."""
        try:
            await _prepare()
            from airflow_emrs_ext.triggers import runner

            # The last who waits keeps the clients for its report.
            async with runner.sharing(self.hook_parameters):
                outcome = Outcome(result=await self._run(self.workflow, self.arguments, notes))
                return outcome, await self._report()
        except EmrError as error:
            return Outcome(error=error), None
        except Exception as error:
            # Without an event Airflow would fail the task past the operator, which then could not look after the run.
            self.log.exception("The trigger failed")
            return Outcome(error=Crashed.by(error, self.arguments)), None

    async def _run(self, workflow: str, arguments: Mapping[str, Any], notes: Notes | None = None) -> dict[str, Any]:
        await _prepare()
        from airflow_emrs_ext.triggers import runner

        return await runner.run(
            workflow, arguments, wait_policy=self.wait_policy, hook=self.hook_parameters, log=self.log, notes=notes
        )

    async def _waited_for_a_newer_triggerer(self) -> TriggerEvent:
        """Wait until the deadline. Nothing is ended meanwhile: what is to be ended, and when, is not known here."""
        ids = {name: value for name, value in (self.arguments.get("ids") or {}).items() if isinstance(value, str)}
        reason = (
            f"This triggerer's airflow-emrs-ext is older than the worker's and does not know how to wait for {ids}. "
            "Upgrade the triggerer, or restart it if it is upgraded; nothing is ended meanwhile."
        )
        deadline = self.wait_policy.get("deadline")
        until = deadline if isinstance(deadline, (int, float)) else float("inf")
        while (left := until - time.time()) > 0:
            self.log.warning("%s", reason)
            await asyncio.sleep(min(_SAY_SECONDS, left))
        return TriggerEvent({**Outcome(error=InvalidEvent(reason, ids)).to_event(), "then": self.then})  # type: ignore[no-untyped-call]

    async def _has_owner(self) -> bool:
        """Whether somebody goes on with the task; ``True``, too, if that cannot be known: then nothing is ended."""
        for pause in _PAUSES:
            try:
                return await has_owner(self)
            except Exception as error:
                # Whatever kept Airflow from saying it: a triggerer that shuts down must not end what another goes on
                # with.
                self.log.warning("Whether the task is still deferred is not known: %s: %s", type(error).__name__, error)
                await asyncio.sleep(pause)
        return True

    async def _look_after_what_is_left(self, journal: Journal) -> None:
        """Look after what a deferred task has started that a user has ended, marked, cleared or deleted.

        What cannot be ended now stays in the journal, and is ended when it can be.
        """
        if not self.on_kill_workflow:
            return
        if await self._has_owner():
            journal.leave()
            return
        journal.mark_ended()
        try:
            await self._run(self.on_kill_workflow, self.on_kill_arguments, journal)
        except Exception as error:
            # Whatever it was: nobody else would say it.
            self.log.warning("What the task has left is not ended yet: %s: %s", type(error).__name__, error)
            journal.leave()
        else:
            journal.erase()


async def _prepare() -> None:
    """Load what runs workflows: modules, clients, models; it takes half a second, and is not for the event loop."""
    global _is_prepared
    if not _is_prepared:
        await asyncio.to_thread(_import_runner)
        _is_prepared = True


def _import_runner() -> None:
    from airflow_emrs_ext.aws.request_values import load_model
    from airflow_emrs_ext.resources import SERVICES
    from airflow_emrs_ext.triggers import runner  # noqa: F401

    for service in SERVICES:
        load_model(service)


async def _through_repetitions(cancelled: asyncio.CancelledError, work: Coroutine[Any, Any, None]) -> None:
    """Do what follows a cancellation, although Airflow repeats the cancellation every second until the trigger is gone.

    Another one, with other words, or one that is for the work itself, is the triggerer's shutdown, which ends the work.
    """
    task = asyncio.create_task(work)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as again:
            if again.args != cancelled.args:
                task.cancel()
                raise
