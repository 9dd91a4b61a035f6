"""Running a procedure for a deferred task, apart from the trigger, which other processes import, too."""

from __future__ import annotations

import gc
import logging
from collections.abc import Mapping
from typing import Any

from airflow_emrs_ext.formats import known
from airflow_emrs_ext.hooks.base import EmrHook
from airflow_emrs_ext.hooks.shared import shared_driver
from airflow_emrs_ext.procedures import PROCEDURES
from airflow_emrs_ext.steps import Log, NoNotes, Notes, Patience, Terms

log = logging.getLogger(__name__)

_CONNECTION = ("aws_conn_id", "region_name", "verify", "config")

# How long each call is repeated for a trigger that is no more; the next look at the journal does it again.
_SECONDS = 60.0

# A triggerer imports this with the first of its tasks. From then on the garbage collector need not look at all that
# Airflow has imported, none of which will ever be garbage: a pass over it stops every trigger for a fifth of a second,
# and a few hundred tasks are enough to start one.
gc.freeze()


async def run(
    procedure: str,
    arguments: Mapping[str, Any],
    *,
    patience: Mapping[str, Any],
    hook: Mapping[str, Any],
    log: Log,
    notes: Notes | None,
) -> dict[str, Any]:
    """Run a procedure with what all share that wait with the same connection.

    :param patience: the fields of :class:`~airflow_emrs_ext.steps.Patience`
    :param hook: arguments of :class:`~airflow_emrs_ext.hooks.base.EmrHook`
    :param notes: ``None``: nothing is left to the next
    """
    terms = Terms(patience=Patience.of(patience), log=log, notes=notes or NoNotes())
    steps = PROCEDURES[procedure]
    async with shared_driver(_connection(hook)) as driver:
        return await driver.run(steps(terms, **known(steps, arguments)))


def end_what_was_left(entry: Mapping[str, Any]) -> None:
    """Run what is to be run when a deferred task is killed, for a trigger that is no more.

    :param entry: the trigger's in the journal
    """
    patience = Patience.of({**entry["patience"], "deadline": None, "access_patience": _SECONDS})
    hook = EmrHook(**_connection(entry["hook"]), patience=patience)
    steps = PROCEDURES[entry["on_kill_procedure"]]
    spared = () if entry.get("is_ended") else entry["arguments"].get("target_states", ())
    arguments = {**entry["on_kill_arguments"], "spared": spared, "seconds": _SECONDS}
    hook.run(steps(Terms(patience=patience, log=log), **known(steps, arguments)))


def _connection(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: parameters[name] for name in _CONNECTION if name in parameters}
