"""The outcome of a workflow: a result or an error, as it crosses from the trigger to the operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_emrs_ext.core.formats import is_newer
from airflow_emrs_ext.exceptions import EmrError, InvalidEvent


@dataclass(frozen=True)
class Outcome:
    """Exactly one of a result (plain JSON) and an error.

    An event carries the number of its format, so that an operator that was upgraded while a task was deferred can tell
    what it does not understand.
    """

    result: dict[str, Any] | None = None
    error: EmrError | None = None

    def to_event(self) -> dict[str, Any]:
        """The outcome as a trigger event's payload."""
        if self.error is not None:
            return {"format": 1, "error": self.error.to_event()}
        return {"format": 1, "result": self.result}

    @staticmethod
    def from_event(event: Any) -> Outcome:
        """The outcome that :meth:`to_event` wrote.

        :raises InvalidEvent: anything else
        """
        if isinstance(event, Mapping) and not is_newer(event) and not is_newer(then_of(event)):
            match event:
                case {"result": dict() as result}:
                    return Outcome(result=result)
                case {"error": dict() as error}:
                    return Outcome(error=EmrError.from_event(error))
        raise InvalidEvent(
            "The trigger sent an event that this version of airflow-emrs-ext does not know. Upgrade the workers; what "
            f"runs is left to the task's next try. The event: {event!r}"
        )


def then_of(event: Any) -> Mapping[str, Any]:
    """What a trigger was given for whoever goes on with its task; empty if that is nothing."""
    then = event.get("then") if isinstance(event, Mapping) else None
    return then if isinstance(then, Mapping) else {}
