"""What a service tells EventBridge of a change of state."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any


@dataclass(frozen=True)
class Event:
    """One event, without what the bus adds to it.

    :param source: ``aws.`` and the service
    :param detail_type: what kind of event it is, in words
    :param at: when it happened
    :param detail: what the service says of it
    :param resources: ARNs
    """

    source: str
    detail_type: str
    at: datetime
    detail: dict[str, Any]
    resources: list[str] = field(default_factory=list)


def spelled(moment: datetime) -> str:
    """A time as the details of events have it."""
    return moment.astimezone(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
