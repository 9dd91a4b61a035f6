"""What the deferred tasks of a triggerer have started, in files: a triggerer that dies cannot look after it."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_emrs_ext.aws.ownership_tags import found_by, identity_of
from airflow_emrs_ext.core import settings
from airflow_emrs_ext.exceptions import ConfigurationError
from airflow_emrs_ext.triggers import journal_entries
from airflow_emrs_ext.workflows import ASKED, STARTED

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

log: logging.Logger = logging.getLogger(__name__)


def _name(entry: Mapping[str, Any]) -> str:
    """The file of an entry: one for each thing that is to be done for a task."""
    return f"{sha256(json.dumps([entry['task'], entry['on_kill_arguments']]).encode()).hexdigest()[:32]}.json"


@dataclass(frozen=True)
class Journal:
    """The entry of one deferred task, there from the beginning of its trigger until its end.

    It also keeps the notes of the workflow that the trigger runs, for the next triggerer that runs it.

    :param path: its file; ``None``: there is no task
    :param entry: the task's ids, and the trigger's arguments
    :param parent: the process that has started this one
    """

    path: Path | None
    entry: Mapping[str, Any]
    parent: int = field(default_factory=os.getppid)

    @classmethod
    def of(cls, trigger: BaseTrigger) -> Journal:
        """The entry of a :class:`~airflow_emrs_ext.triggers.workflow.WorkflowTrigger`; without a task it is none."""
        fields = trigger.serialize()[1]
        arguments = fields["arguments"]
        made = cls._of_task(getattr(trigger, "task_instance", None), fields)
        if made.path is None or "request" not in arguments:
            return made
        # A request may hold secrets. Who starts something is found again by the request's client token.
        digest = sha256(json.dumps(arguments, sort_keys=True).encode()).hexdigest()
        targets = (fields["then"] or {}).get("targets", ())
        instead = {
            "arguments": {"sha256": digest, "target_states": list(targets)},
            "on_kill_workflow": None,
            "on_kill_arguments": None,
            # What nobody is going to wait for is not ended later: its task may have succeeded meanwhile.
            "starting": arguments["kind"] if fields["on_kill_workflow"] and targets else None,
            "tagged": found_by(arguments["request"]),
        }
        return cls(made.path, {**made.entry, **instead})

    @classmethod
    def of_worker(cls, ti: Any, hook: Mapping[str, Any], wait_policy: Mapping[str, Any]) -> Journal:
        """The entry of a task that waits in a worker: it has none but for what the worker is :meth:`ending`.

        :param ti: the task instance; ``None``: it is not known
        :param hook: arguments of :class:`~airflow_emrs_ext.hooks.base.EmrHook`
        :param wait_policy: the fields of :class:`~airflow_emrs_ext.core.effects.WaitPolicy`
        """
        entry = {
            "hook": dict(hook),
            "wait_policy": dict(wait_policy),
            "on_kill_workflow": None,
            "on_kill_arguments": None,
        }
        return cls._of_task(ti, entry)

    @classmethod
    def _of_task(cls, ti: Any, entry: Mapping[str, Any]) -> Journal:
        if ti is None:
            return cls(None, {})
        try:
            identity = identity_of(ti)
        except ConfigurationError as error:
            log.warning("No entry in the journal of deferred tasks: %s", error)
            return cls(None, {})
        folder = settings.journal_folder()
        whole = {"task": identity, "try_number": getattr(ti, "try_number", None), **entry}
        if (instance := getattr(ti, "id", None)) is not None:
            whole["instance"] = str(instance)
        return cls(folder / _name(whole), {**whole, "in_hand": journal_entries.hand(folder)})

    def write(self) -> None:
        """Make the entry, if there is anything to do at a kill."""
        if self.entry.get("on_kill_workflow"):
            self._save({**self.entry, "notes": self.recall()})

    def recall(self) -> Mapping[str, Any]:
        """What another triggerer has noted for the same try of the task, which waited for the same."""
        entry = self._read()
        is_same = all(entry.get(name) == self.entry.get(name) for name in ("try_number", "arguments"))
        return dict(entry.get("notes") or {}) if is_same else {}

    def note(self, notes: Mapping[str, Any]) -> None:
        """Keep this for the next triggerer. What a task has started by then is ended with it.

        In Airflow 3 a parent of this process writes its log. Without that parent the process is about to end, and what
        it has shown last will not be seen: an older note says where to go on.
        """
        if os.getppid() != self.parent:
            return
        entry = {**self.entry, "notes": dict(notes)}
        if kind := entry.get("starting"):
            if STARTED in notes:
                at_kill = {"kind": kind, "ids": dict(notes[STARTED])}
                entry.update(on_kill_workflow="end_if_orphaned", on_kill_arguments=at_kill)
            elif notes.get(ASKED) or (entry.get("try_number") or 1) > 1:
                # What earlier tries have left is the task's, too.
                at_kill = {"kind": kind, "request": entry["tagged"]}
                entry.update(on_kill_workflow="end_active_of_task", on_kill_arguments=at_kill)
        self._save(entry)

    @contextmanager
    def ending(self, workflow: str, arguments: Mapping[str, Any]) -> Iterator[None]:
        """A block that requests the end of something; what it cannot have, a triggerer does when it can.

        There is an entry before it is tried: the process may be killed in the middle.
        """
        own = self._beside(workflow, arguments, is_ended=True)
        own.write()
        try:
            yield
        except BaseException:
            # Also where the driver closes the effects.
            own.leave()
            raise
        own.erase()

    def keep(self, workflow: str, arguments: Mapping[str, Any]) -> None:
        """Leave the end of something to whoever can say that a person has ended its task: its worker cannot."""
        own = self._beside(workflow, arguments, is_killed=True)
        own.write()
        own.leave()

    def _beside(self, workflow: str, arguments: Mapping[str, Any], **members: Any) -> Journal:
        """Another entry of the same task, for something to be ended."""
        if self.path is None:
            return self
        names = ("task", "try_number", "instance", "hook", "wait_policy", "in_hand")
        common = {name: self.entry[name] for name in names if name in self.entry}
        entry = {**common, "arguments": {}, "on_kill_workflow": workflow, "on_kill_arguments": dict(arguments)}
        return Journal(self.path.parent / _name(entry), {**entry, **members})

    def mark_ended(self) -> None:
        """Keep that the task was ended or deleted while it was deferred: what it has started is to be ended."""
        at_kill = self._read().get("on_kill_arguments")
        # By its tags only what was there is ended: its DAG run may be made again.
        more = {"before": time.time()} if at_kill and "request" in at_kill else {}
        self._change(is_ended=True, on_kill_arguments=at_kill and {**at_kill, **more})

    def leave(self) -> None:
        """Give the entry out of hand: whatever is to be done for its task, somebody else does it."""
        self._change(in_hand=None)

    def finish(self, *, is_over: bool) -> None:
        """End the entry with its trigger.

        :param is_over: whether what the task has started has ended; otherwise the entry stays until a worker has gone
            on with the task, which a person may end before
        """
        if is_over or not (self.entry.get("starting") or self.entry.get("on_kill_workflow")):
            self.erase()
        else:
            self.leave()

    def erase(self) -> None:
        """Remove the entry, unless another triggerer goes on with the task."""
        if self.path is not None and self._read().get("in_hand") == self.entry["in_hand"]:
            with suppress(OSError):
                self.path.unlink()

    def _change(self, **members: Any) -> None:
        entry = self._read()
        if entry and entry.get("in_hand") == self.entry["in_hand"]:
            self._save({**entry, **members})

    def _read(self) -> dict[str, Any]:
        try:
            return journal_entries.read(self.path) if self.path else {}
        except (OSError, journal_entries.NotAnEntry):
            return {}

    def _save(self, entry: Mapping[str, Any]) -> None:
        """Write the entry. A folder that cannot be written costs only what it is for."""
        if self.path is None:
            return
        try:
            journal_entries.save(self.path, entry)
        except (OSError, TypeError, ValueError) as error:
            # The arguments of a connection that a worker uses need not be JSON.
            log.warning("No entry in the journal of deferred tasks: %s. See [emrs_ext] journal_folder.", error)


class Endings:
    """Notes of a task that waits in a worker: others are left nothing but what it is to end.

    :param journal: see :meth:`Journal.of_worker`
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._notes: Mapping[str, Any] = {}

    def recall(self) -> Mapping[str, Any]:
        """What this process has noted."""
        return self._notes

    def note(self, notes: Mapping[str, Any], /) -> None:
        """Keep it for this process."""
        self._notes = dict(notes)

    def ending(self, workflow: str, arguments: Mapping[str, Any], /) -> AbstractContextManager[None]:
        """As :meth:`Journal.ending`."""
        return self._journal.ending(workflow, arguments)

    def keep(self, workflow: str, arguments: Mapping[str, Any]) -> None:
        """As :meth:`Journal.keep`."""
        self._journal.keep(workflow, arguments)
