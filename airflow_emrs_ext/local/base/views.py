"""Structures in which an API shows its resources."""

from __future__ import annotations

from typing import Any


def filled(**members: Any) -> dict[str, Any]:
    """A structure without the members that have no value."""
    return {name: value for name, value in members.items() if value is not None}
