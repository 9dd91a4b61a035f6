"""Faults that a test injects into the calls of an operation."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

KINDS = ("throttle", "error", "reset", "delay", "drop", "stall")

_DEFAULT_SECONDS = {"delay": 1.0, "stall": 3600.0}
_DEFAULT_STATUS = 500
_UNAVAILABLE = 503


def default_code(status: int | None) -> str:
    """The error code that goes with an HTTP status."""
    return "ServiceUnavailableException" if status == _UNAVAILABLE else "InternalServerException"


@dataclass
class Fault:
    """What happens to the next calls of an operation.

    :param operation: operation of an API, or ``*`` for all
    :param fault: one of :data:`KINDS`
    :param times: how many calls are still to be hit; ``None``: no end
    :param seconds: for ``delay`` (default 1), ``stall`` (default 3600) and ``drop`` (default 0)
    :param status: HTTP status for ``error``; default 500
    :param code: error code for ``error``; default: the usual one of the status
    :param application_id: the application, or virtual cluster, whose calls are hit; default: any
    :param after: how many calls pass before the first that is hit
    :param service: the service whose calls are hit, e.g. ``emr-containers``; default: every one with the operation
    """

    operation: str
    fault: str
    times: int | None = 1
    seconds: float | None = None
    status: int | None = None
    code: str | None = None
    application_id: str | None = None
    after: int = 0
    service: str | None = None

    def __post_init__(self) -> None:
        if self.fault not in KINDS:
            raise ValueError(f"fault: must be one of {', '.join(KINDS)}, not {self.fault!r}")
        if self.times is not None and (not _is_integer(self.times) or self.times < 1):
            raise ValueError(f"times: must be an integer of at least 1, or null for no end, not {self.times!r}")
        if self.seconds is None:
            self.seconds = _DEFAULT_SECONDS.get(self.fault, 0.0)
        if isinstance(self.seconds, bool) or not isinstance(self.seconds, int | float):
            raise ValueError(f"seconds: must be a number, not {self.seconds!r}")
        if not 0 <= self.seconds < math.inf:
            raise ValueError(f"seconds: must be at least 0, not {self.seconds!r}")
        if self.status is None:
            self.status = _DEFAULT_STATUS
        if not _is_integer(self.status) or not 400 <= self.status <= 599:
            raise ValueError(f"status: must be an HTTP status from 400 to 599, not {self.status!r}")
        if self.code is not None and not (isinstance(self.code, str) and self.code.isalnum() and self.code.isascii()):
            raise ValueError(f"code: must be an error code such as ConflictException, not {self.code!r}")
        if self.application_id is not None and not isinstance(self.application_id, str):
            raise ValueError(f"application_id: must be an application's id, not {self.application_id!r}")
        if not _is_integer(self.after) or self.after < 0:
            raise ValueError(f"after: must be an integer of at least 0, not {self.after!r}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], operations: Mapping[str, Collection[str]]) -> Fault:
        """A fault as the admin API is given it.

        :param operations: the operations of each service
        :raises ValueError: something is missing, unknown or of the wrong type; it is named
        """
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise ValueError(f"{name}: unknown; there are {', '.join(known)}")
        for name in ("operation", "fault"):
            if name not in values:
                raise ValueError(f"{name}: is required")
        service = values.get("service")
        if service is not None and service not in operations:
            raise ValueError(f"service: must be one of {', '.join(operations)}, not {service!r}")
        offered = known_operations(operations, service)
        if values["operation"] != "*" and values["operation"] not in offered:
            raise ValueError(f"operation: must be * or one of {', '.join(offered)}")
        return cls(**values)


def known_operations(operations: Mapping[str, Collection[str]], service: str | None) -> list[str]:
    """The operations of one service, or of all, each once.

    :param operations: the operations of each service
    :param service: ``None``: all
    """
    chosen = operations if service is None else [service]
    return list(dict.fromkeys(name for one in chosen for name in operations[one]))


class Faults:
    """The faults that are waiting for calls; of several for one operation the oldest comes first."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Let a fault wait for calls."""
        self._waiting.append(fault)

    def clear(self, application_id: str | None = None) -> None:
        """Forget every fault, or those of one application or virtual cluster."""
        self._waiting = [one for one in self._waiting if application_id not in (None, one.application_id)]

    def take(self, service: str, operation: str, application_id: str | None = None) -> Fault | None:
        """The fault that hits this call of ``operation``, if any; it counts as used once more.

        :param service: the service that is called
        :param operation: its operation
        :param application_id: the application or virtual cluster that the call is for, where it is for one
        """
        for fault in self._waiting:
            if fault.operation not in ("*", operation) or fault.application_id not in (None, application_id):
                continue
            if fault.service not in (None, service):
                continue
            if fault.after:
                fault.after -= 1
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times == 0:
                    self._waiting.remove(fault)
            return fault
        return None

    def as_list(self) -> list[dict[str, Any]]:
        """The faults that are waiting."""
        return [asdict(fault) for fault in self._waiting]


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
