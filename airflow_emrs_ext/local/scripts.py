"""Timelines for the simulated runner, as tests write them and as they travel to the endpoint."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any


@dataclass(frozen=True)
class ScriptedAttempt:
    """What one attempt of a simulated job run does.

    :param running_after: seconds from its launch to RUNNING
    :param ends_after: seconds from its launch to its end
    :param succeeded: whether its driver exits with status 0
    :param details: sentence for ``stateDetails``; default: a plain one
    :param stdout: what the driver prints on its standard output
    :param stderr: what the driver prints on its standard error
    :param hold: stay RUNNING until ``finish`` is called for the job run (or it is cancelled or timed out)
    """

    running_after: float = 0.05
    ends_after: float = 0.15
    succeeded: bool = True
    details: str = ""
    stdout: str = ""
    stderr: str = ""
    hold: bool = False

    def __post_init__(self) -> None:
        for name in ("running_after", "ends_after"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise ValueError(f"{name}: must be a number of seconds of at least 0, not {value!r}")
        for name in ("succeeded", "hold"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name}: must be true or false, not {getattr(self, name)!r}")
        for name in ("details", "stdout", "stderr"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name}: must be a string, not {getattr(self, name)!r}")


@dataclass(frozen=True)
class Script:
    """The attempts of the job runs whose name matches.

    :param attempts: attempt ``n`` does what entry ``n`` says; the last entry repeats
    :param name: pattern as in a shell for the job run's name; a run without a name matches ``*`` only
    """

    attempts: Sequence[ScriptedAttempt] = field(default_factory=lambda: (ScriptedAttempt(),))
    name: str = "*"

    def __post_init__(self) -> None:
        if not self.attempts:
            raise ValueError("attempts: must have at least one entry")
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"name: must be a pattern for names of job runs, not {self.name!r}")

    def applies_to(self, name: str | None) -> bool:
        """Whether a job run of this name follows the script."""
        return fnmatchcase(name or "", self.name)

    def attempt(self, number: int) -> ScriptedAttempt:
        """What attempt ``number`` does, counted from 1."""
        return self.attempts[min(number, len(self.attempts)) - 1]

    def as_dict(self) -> dict[str, Any]:
        """The form that travels to the endpoint."""
        return {"name": self.name, "attempts": [asdict(attempt) for attempt in self.attempts]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Script:
        """The inverse of :meth:`as_dict`.

        :raises ValueError: something is missing, unknown or of the wrong type; it is named
        """
        _only_known(cls, values, "")
        attempts = values.get("attempts", [{}])
        if not isinstance(attempts, list) or not all(isinstance(attempt, dict) for attempt in attempts):
            raise ValueError("attempts: must be a list of objects")
        for index, attempt in enumerate(attempts):
            _only_known(ScriptedAttempt, attempt, f"attempts[{index}].")
        return cls(attempts=tuple(ScriptedAttempt(**attempt) for attempt in attempts), name=values.get("name", "*"))


def _only_known(kind: type[Script | ScriptedAttempt], values: Mapping[str, Any], prefix: str) -> None:
    known = [f.name for f in fields(kind)]
    for name in values:
        if name not in known:
            raise ValueError(f"{prefix}{name}: unknown; there are {', '.join(known)}")
