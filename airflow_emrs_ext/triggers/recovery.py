"""What the journal holds of tasks whose triggers are no more, or could not do what was to be done: it is done here."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from airflow_emrs_ext.core import settings
from airflow_emrs_ext.core.formats import is_newer
from airflow_emrs_ext.exceptions import EmrError, OtherDeployment
from airflow_emrs_ext.triggers import journal_entries
from airflow_emrs_ext.triggers._compat import TaskRow, row_of_task

log: logging.Logger = logging.getLogger(__name__)

MOST_DAYS = 7
"""How many days the end of something is tried for which nobody may have it."""

# The states of a task that is not being tried again, unless a person clears it.
_ENDED = frozenset({"success", "failed", "skipped", "removed", "upstream_failed"})

# What a task may have left; an entry that names something else is of a newer version.
_AT_KILL = frozenset({"end_if_orphaned", "end_active_of_task"})

# What is not in Airflow's database is asked for once more after so many seconds.
_AGAIN_SECONDS = 5.0

_DAY = 86_400.0

# What has been said of a file is not said again.
_said: set[Path] = set()


class Fate(Enum):
    """What becomes of an entry, and of what its task has started."""

    KEEP = "the task has not ended"
    ERASE = "the task has ended as it was to, or another try has gone on with it"
    LEAVE = "its DAG run was made again with the same id, and what carries its tags may be the new one's"
    END = "somebody has ended or deleted the task"


def fate_of(entry: Mapping[str, Any], row: TaskRow | None) -> Fate:
    """What becomes of an entry.

    :param row: the task instance in Airflow's database; ``None``: it was deleted
    """
    if row is None:
        return Fate.END
    is_of_last_try = row.try_number == entry.get("try_number")
    if not is_of_last_try and not entry.get("is_ended"):
        # A later try ends what earlier ones have left, or goes on with it.
        return Fate.ERASE
    if row.state not in _ENDED:
        return Fate.KEEP
    is_made_again = is_of_last_try and row.instance and entry.get("instance") not in (None, row.instance)
    if is_made_again and entry.get("on_kill_workflow") == "end_active_of_task":
        return Fate.LEAVE
    if not is_of_last_try:
        # What was to be ended is, unless a later try has succeeded with it: one that failed may not have got so far.
        return Fate.END if row.state == "failed" else Fate.ERASE
    if entry.get("is_ended") or entry.get("is_killed"):
        return Fate.END
    if row.has_resumed or (row.state == "success" and entry.get("ending")):
        # Its worker, or its trigger, has decided what becomes of what it has started.
        return Fate.ERASE
    return Fate.END


def look_after_what_was_left() -> int:
    """Do for each task that was ended while no triggerer looked what its trigger would have done.

    Runs in a process that may use Airflow's database. A task that is still deferred, or that is being tried again, has
    an owner; so has what its wait was over for. What cannot be done is kept, and tried again with the next look.

    :return: for how many tasks something was done
    """
    folder = settings.journal_folder()
    with journal_entries.alone(folder) as is_alone:
        return _Look(folder).done() if is_alone else 0


class _Look:
    """One look through the journal.

    :param folder: where it is
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Connections with which nothing could be ended: the others that need them wait for the next look.
        self._failed: set[str] = set()

    def done(self) -> int:
        """For how many tasks something was done."""
        journal_entries.tidy(self._folder, before=time.time() - _DAY)
        done, missing = 0, []
        # What could not be done was written again: it comes last, and keeps nothing else from being done for good.
        for path in sorted(self._folder.glob("*.json"), key=journal_entries.written):
            entry = self._entry(path)
            if entry is None:
                continue
            try:
                row = row_of_task(entry["task"])
            except (AttributeError, TypeError, ValueError) as error:
                # Airflow's table has no such column, or it takes no such value: nothing of this Airflow.
                _say_once(path, "An entry in the journal of deferred tasks names no task of this Airflow: %s", error)
                continue
            if row is None:
                missing.append((path, entry))
            else:
                # One that is still to be ended was ended while it was deferred: nobody has what its wait was for.
                done += self._carry_out(fate_of(entry, row), path, {**entry, "is_ended": True}, row)
        if missing:
            threading.Event().wait(_AGAIN_SECONDS)
        for path, entry in missing:
            row = row_of_task(entry["task"])
            done += self._carry_out(fate_of(entry, row), path, entry, row)
        return done

    def _entry(self, path: Path) -> dict[str, Any] | None:
        """An entry that is nobody's, and that can be understood."""
        try:
            entry = journal_entries.read(path)
        except FileNotFoundError:
            return None
        except journal_entries.NotAnEntry as error:
            aside = path.with_suffix(".corrupt")
            log.warning("%s in the journal of deferred tasks is no entry (%s): it is %s now", path, error, aside.name)
            path.replace(aside)
            return None
        except OSError as error:
            _say_once(path, "An entry in the journal of deferred tasks cannot be read: %s", error)
            return None
        if is_newer(entry) or (entry.get("on_kill_workflow") or "end_if_orphaned") not in _AT_KILL:
            _say_once(path, "%s in the journal of deferred tasks is of a newer version, and stays", path)
            return None
        return None if journal_entries.is_in_hand(self._folder, entry.get("in_hand")) else entry

    def _carry_out(self, fate: Fate, path: Path, entry: dict[str, Any], row: TaskRow | None) -> int:
        if fate is Fate.KEEP:
            return 0
        if fate is Fate.END and entry.get("on_kill_workflow"):
            connection = json.dumps(entry["hook"], sort_keys=True)
            if connection in self._failed:
                return 0
            try:
                _end(
                    entry,
                    is_only_one=row is None or (row.instance is not None and row.instance == entry.get("instance")),
                )
            except OtherDeployment as error:
                # Its own look ends it, and the entry.
                _say_once(path, "%s", error.message)
                return 0
            except Exception as error:
                # Whatever it was: the entry stays, and the others are worked off.
                self._failed.add(connection)
                self._put_off(path, entry, error)
                return 0
            path.unlink(missing_ok=True)
            return 1
        if fate is Fate.LEAVE:
            log.warning(
                "What %s has left, if anything, is not ended: %s. A sweep operator finds it once that DAG run is over.",
                entry["task"],
                fate.value,
            )
        path.unlink(missing_ok=True)
        return 0

    def _put_off(self, path: Path, entry: dict[str, Any], error: Exception) -> None:
        """Keep what could not be done for the next look, for some days."""
        first = entry.setdefault("failed_at", time.time())
        what = {**entry["task"], **(entry.get("on_kill_arguments") or {}).get("ids", {})}
        reason = error.message if isinstance(error, EmrError) else f"{type(error).__name__}: {error}"
        if time.time() - first < MOST_DAYS * _DAY:
            log.warning("What a task has left could not be ended, and is tried again: %s. %s", what, reason)
            journal_entries.save(path, entry)
        else:
            log.error("Given up after %d days, and may still run: %s. End it by hand. %s", MOST_DAYS, what, reason)
            path.unlink(missing_ok=True)


def _end(entry: Mapping[str, Any], *, is_only_one: bool) -> None:
    """End what an entry names.

    :param is_only_one: whether no DAG run has been made again with its ids: all that has its tags by now is its own,
        and no other machine's clock is asked
    """
    # No module of the triggers imports at its top what declarations would pay for.
    from airflow_emrs_ext.triggers.runner import end_what_was_left

    log.info("Task %s was ended or deleted, and nobody has ended what it has left", entry["task"])
    arguments = {**entry["on_kill_arguments"]}
    if is_only_one:
        arguments.pop("before", None)
    end_what_was_left({**entry, "on_kill_arguments": arguments})


def _say_once(path: Path, message: str, *arguments: object) -> None:
    if path not in _said:
        _said.add(path)
        log.warning(message, *arguments)
