"""What the deferred tasks of a triggerer have started, in files: a triggerer that dies cannot look after it."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_emrs_ext import settings
from airflow_emrs_ext._compat import has_ended
from airflow_emrs_ext.ownership import identity_of
from airflow_emrs_ext.procedures import STARTED

if TYPE_CHECKING:
    from airflow_emrs_ext.triggers.serverless import ProcedureTrigger

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Journal:
    """The entry of one deferred task, there from the beginning of its trigger until its end.

    It also keeps the notes of the procedure that the trigger runs, for the next triggerer that runs it.

    :param path: its file; ``None``: there is no task
    :param entry: the task's ids, and the trigger's arguments
    :param parent: the process that has started this one
    """

    path: Path | None
    entry: Mapping[str, Any]
    parent: int = field(default_factory=os.getppid)

    @classmethod
    def of(cls, trigger: ProcedureTrigger) -> Journal:
        """The entry of a trigger; without a task it is none."""
        ti = getattr(trigger, "task_instance", None)
        if ti is None:
            return cls(None, {})
        entry = {
            "task": identity_of(ti),
            "try_number": getattr(ti, "try_number", None),
            **trigger.serialize()[1],
        }
        name = sha256(json.dumps([entry["task"], entry["on_kill_arguments"]]).encode()).hexdigest()[:32]
        if "request" in trigger.arguments:
            # A request may hold secrets. Who starts something is found again by the request's client token.
            digest = sha256(json.dumps(trigger.arguments, sort_keys=True).encode()).hexdigest()
            targets = (trigger.then or {}).get("targets", ())
            # What nobody is going to wait for is not ended later: its task may have succeeded meanwhile.
            claims = trigger.arguments["kind"] if trigger.on_kill_procedure and targets else None
            arguments = {"sha256": digest, "target_states": list(targets)}
            entry.update(arguments=arguments, on_kill_procedure=None, on_kill_arguments=None, claims=claims)
        return cls(settings.journal_folder() / f"{name}.json", entry)

    def write(self) -> None:
        """Make the entry, if there is anything to do at a kill."""
        if self.entry.get("on_kill_procedure"):
            self._save({**self.entry, "notes": self.recall()})

    def recall(self) -> Mapping[str, Any]:
        """What another triggerer has noted for the same try of the task, which waited for the same."""
        try:
            entry = json.loads(self.path.read_text()) if self.path else {}
        except (OSError, ValueError):
            return {}
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
        if entry.get("claims") and STARTED in notes:
            at_kill = {"kind": entry["claims"], "ids": dict(notes[STARTED])}
            entry.update(on_kill_procedure="end_unowned", on_kill_arguments=at_kill)
        self._save(entry)

    def _save(self, entry: Mapping[str, Any]) -> None:
        """Write the entry. A folder that cannot be written costs only what it is for."""
        if self.path is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            draft = self.path.with_suffix(".draft")
            draft.write_text(json.dumps(entry))
            draft.replace(self.path)
        except OSError as error:
            log.warning("No entry in the journal of deferred tasks: %s. See [emrs_ext] journal_folder.", error)

    def erase(self) -> None:
        """Remove the entry."""
        if self.path is not None:
            with suppress(OSError):
                self.path.unlink()


def look_after_what_was_left() -> int:
    """Do for each task that was ended while no triggerer looked what its trigger would have done.

    Runs in a process that may use Airflow's database. A task that is still deferred, or that is being tried again, has
    an owner; so has what its wait was over for.

    :return: for how many tasks something was done
    """
    from airflow_emrs_ext.running import end_what_was_left

    done = 0
    for path in sorted(settings.journal_folder().glob("*.json")):
        try:
            entry = json.loads(path.read_text())
            if not has_ended(entry["task"]):
                continue
            deadline = entry["patience"].get("deadline")
            if entry["on_kill_procedure"] and (deadline is None or time.time() < deadline):
                log.info("Task %s was ended while it was deferred and no triggerer ran", entry["task"])
                end_what_was_left(entry)
                done += 1
            path.unlink(missing_ok=True)
        except Exception:
            # One entry that cannot be worked off must not keep the others from it.
            log.exception("Entry %s in the journal of deferred tasks", path)
    return done
