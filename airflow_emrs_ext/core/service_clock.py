"""The service's clock, as its answers tell it: a worker's own may be hours off."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any


def answered_at(response: Mapping[str, Any]) -> float | None:
    """When the service answered, by its own clock, which is the one that dates resources; in whole seconds.

    :return: seconds since the epoch; ``None``: it does not say
    """
    date = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except (TypeError, ValueError):
        return None


def moment(seconds: float) -> datetime:
    """A time in seconds since the epoch as the service takes it, in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc)


class ServiceClock:
    """How far the service's clock is ahead of the worker's, as its answers have told.

    :ivar ahead: in seconds, at least; negative: behind; 0 before there was an answer
    :ivar is_known: whether there was an answer
    """

    def __init__(self) -> None:
        self.ahead: float = 0.0
        self.is_known: bool = False

    def note(self, response: Mapping[str, Any], now: float) -> None:
        """Learn from an answer.

        :param now: the worker's time, in seconds since the epoch
        """
        answered = answered_at(response)
        if answered is None:
            return
        # An answer was dated up to a second before it came, or longer if it took its time: the least late counts.
        least = answered - now
        self.ahead = min(max(self.ahead, least), least + 1.0) if self.is_known else least
        self.is_known = True
