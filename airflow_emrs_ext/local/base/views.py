"""Structures that show resources: those of the APIs, and all that the endpoint knows, for tests."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

from airflow_emrs_ext.local.base.lifecycle import Lifecycle


def filled(**members: Any) -> dict[str, Any]:
    """A structure without the members that have no value."""
    return {name: value for name, value in members.items() if value is not None}


def history(life: Lifecycle) -> list[dict[str, Any]]:
    """``stateHistory``: the states that a resource came into, with ``at`` and ``details``."""
    return [
        {
            "state": str(change.state),
            "at": plain(change.at),
            "details": change.details,
            **({} if change.attempt is None else {"attempt": change.attempt}),
        }
        for change in life.history
    ]


def plain(value: Any) -> Any:
    """Times in ISO 8601, states and paths as strings, everything else as JSON has it."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum | Path):
        return str(value)
    return value
