"""Timelines for the simulated runner, as tests write them and as they travel to the endpoint."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
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
    :param stops_after: seconds that it takes to end once it is asked to; the service kills it after its grace period
    :param hold: stay RUNNING until ``finish`` is called for the job run (or it is cancelled or timed out)
    """

    running_after: float = 0.05
    ends_after: float = 0.15
    succeeded: bool = True
    details: str = ""
    stdout: str = ""
    stderr: str = ""
    stops_after: float = 0.0
    hold: bool = False

    def __post_init__(self) -> None:
        _check_fields(self, seconds=("running_after", "ends_after", "stops_after"), switches=("succeeded", "hold"))


@dataclass(frozen=True)
class ScriptedSession:
    """What a simulated session does.

    :param ready_after: seconds from its launch, in STARTING, to STARTED
    :param ends_after: seconds from its launch to an end that nobody asked for; default: none. Not later than
        ``ready_after``, it fails while it is STARTING
    :param succeeded: whether that end is a plain one (TERMINATED) instead of a failure (FAILED)
    :param details: sentence for ``stateDetails`` at that end; default: a plain one
    :param stdout: what the driver prints on its standard output
    :param stderr: what the driver prints on its standard error
    """

    ready_after: float = 0.05
    ends_after: float | None = None
    succeeded: bool = False
    details: str = ""
    stdout: str = ""
    stderr: str = ""

    def __post_init__(self) -> None:
        times = ("ready_after",) if self.ends_after is None else ("ready_after", "ends_after")
        _check_fields(self, seconds=times, switches=("succeeded",))


def _check_fields(
    scripted: ScriptedAttempt | ScriptedSession, *, seconds: Sequence[str], switches: Sequence[str]
) -> None:
    for name in seconds:
        value = getattr(scripted, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise ValueError(f"{name}: must be a number of seconds of at least 0, not {value!r}")
    for name in switches:
        if not isinstance(getattr(scripted, name), bool):
            raise ValueError(f"{name}: must be true or false, not {getattr(scripted, name)!r}")
    for name in ("details", "stdout", "stderr"):
        if not isinstance(getattr(scripted, name), str):
            raise ValueError(f"{name}: must be a string, not {getattr(scripted, name)!r}")


@dataclass(frozen=True)
class Script:
    """What the job runs do whose name matches, or the sessions, or both.

    :param attempts: attempt ``n`` of a job run does what entry ``n`` says; the last entry repeats; none: the script is
        not for job runs
    :param name: pattern as in a shell for the name of the job run or session; one without a name matches ``*`` only
    :param session: what a session does; ``None``: the script is not for sessions
    :param times: how many job runs and sessions it is for, the next ones; ``None``: all
    """

    attempts: Sequence[ScriptedAttempt] = ()
    name: str = "*"
    session: ScriptedSession | None = None
    times: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"name: must be a pattern for names of job runs or sessions, not {self.name!r}")
        if not self.attempts and self.session is None:
            raise ValueError("attempts: must have at least one entry, unless there is a session")
        if self.times is not None and (type(self.times) is not int or self.times < 1):
            raise ValueError(f"times: must be a whole number of at least 1, or null, not {self.times!r}")

    def matches(self, name: str | None) -> bool:
        """Whether the pattern is one for this name."""
        return fnmatchcase(name or "", self.name)

    def attempt(self, number: int) -> ScriptedAttempt:
        """What attempt ``number`` does, counted from 1."""
        return self.attempts[min(number, len(self.attempts)) - 1]

    def as_dict(self) -> dict[str, Any]:
        """The form that travels to the endpoint."""
        return {
            "name": self.name,
            "attempts": [asdict(attempt) for attempt in self.attempts],
            "session": asdict(self.session) if self.session else None,
            "times": self.times,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Script:
        """The inverse of :meth:`as_dict`.

        :raises ValueError: something is missing, unknown or of the wrong type; it is named
        """
        _only_known(cls, values, "")
        attempts, session = values.get("attempts", []), values.get("session")
        if not isinstance(attempts, list) or not all(isinstance(attempt, dict) for attempt in attempts):
            raise ValueError("attempts: must be a list of objects")
        for index, attempt in enumerate(attempts):
            _only_known(ScriptedAttempt, attempt, f"attempts[{index}].")
        if session is not None:
            if not isinstance(session, dict):
                raise ValueError("session: must be an object")
            _only_known(ScriptedSession, session, "session.")
        return cls(
            attempts=tuple(ScriptedAttempt(**attempt) for attempt in attempts),
            session=None if session is None else ScriptedSession(**session),
            name=values.get("name", "*"),
            times=values.get("times"),
        )


def _only_known(kind: type[Script | ScriptedAttempt | ScriptedSession], values: Mapping[str, Any], prefix: str) -> None:
    known = [f.name for f in fields(kind)]
    for name in values:
        if name not in known:
            raise ValueError(f"{prefix}{name}: unknown; there are {', '.join(known)}")
