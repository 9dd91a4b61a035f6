"""Running a procedure in the triggerer, apart from the trigger, which other processes import, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_emrs_ext.hooks.shared import shared_driver
from airflow_emrs_ext.procedures import PROCEDURES
from airflow_emrs_ext.steps import Log, NoNotes, Notes, Patience, Terms


async def run(
    procedure: str,
    arguments: Mapping[str, Any],
    *,
    patience: Mapping[str, Any],
    hook: Mapping[str, Any],
    log: Log,
    notes: Notes | None = None,
) -> dict[str, Any]:
    """Run a procedure with what all share that wait with the same connection.

    :param patience: the fields of :class:`~airflow_emrs_ext.steps.Patience`
    :param hook: arguments of :class:`~airflow_emrs_ext.hooks.base.EmrHook`
    """
    terms = Terms(patience=Patience(**patience), log=log, notes=notes or NoNotes())
    async with shared_driver(hook) as driver:
        return await driver.run(PROCEDURES[procedure](terms, **arguments))
