"""What a report on a job run says of its drivers' logs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from airflow_emrs_ext.core.effects import Effects, RunContext, Sleep
from airflow_emrs_ext.exceptions import EmrError, ResourceNotFound
from airflow_emrs_ext.workflows.driver_logs.causes import Cause, cause_in, last_lines
from airflow_emrs_ext.workflows.driver_logs.places import sources
from airflow_emrs_ext.workflows.driver_logs.sources import LOOKS, STREAMS, Piece, Source

LONGEST_EXCERPT = 4000
"""What of an excerpt goes into facts, in characters: the event of a trigger is a row of Airflow's database."""

_NOWHERE = (
    "the job run keeps none; give it, or its application, an S3 log URI or CloudWatch logging "
    "(`configuration_overrides`, `monitoring_configuration`)"
)

# Times of files are whole seconds, and not of the same clock as those of job runs.
_ABOUT = timedelta(seconds=2)


@dataclass(frozen=True)
class Excerpt:
    """What matters of the logs of an attempt.

    :param attempt: its number
    :param places: where it was read
    :param lines: the lines that matter
    :param cause: the exception in it, for an attempt that has failed
    :param note: why there is nothing, and what to do about that
    :param is_refused: whether none of its places can be read
    """

    attempt: int
    places: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    cause: Cause | None = None
    note: str = ""
    is_refused: bool = False

    def as_facts(self, longest: int = LONGEST_EXCERPT) -> dict[str, Any]:
        """The excerpt as plain JSON.

        :param longest: how many characters it has at most
        """
        text = "\n".join(self.lines)
        if len(text) > longest:
            text = f"…{text[-longest:]}"
        return {"attempt": self.attempt, "places": list(self.places), "text": text, "note": self.note}

    def show(self, ctx: RunContext) -> None:
        """Write it to the log."""
        if self.note:
            ctx.log.warning("Driver log of attempt %d: %s", self.attempt, self.note)
        if self.lines:
            ctx.log.info("Driver log of attempt %d, %s:", self.attempt, " and ".join(self.places))
        for line in self.lines:
            ctx.log.info("  %s", line)


@dataclass(frozen=True)
class _Look:
    """What one look at a source found.

    :param note: why it is not everything
    :param is_refused: whether another look would find the same
    """

    pieces: Mapping[str, Piece]
    note: str = ""
    is_refused: bool = False

    @property
    def texts(self) -> dict[str, str]:
        return {stream: piece.text for stream, piece in self.pieces.items() if piece.data.strip()}

    def is_from_before(self, moment: datetime) -> bool:
        """Whether it is older than this, so that a newer upload may be under way."""
        return is_from_before(moment, (piece.written_at for piece in self.pieces.values()))


def is_from_before(moment: datetime, written: Iterable[datetime | None]) -> bool:
    """Whether all of several logs are older than this, as far as that is known."""
    known = [one for one in written if one is not None]
    return bool(known) and max(known) < moment - _ABOUT


def excerpt(ctx: RunContext, run: Mapping[str, Any], *, failed: bool, waits: bool) -> Effects[Excerpt]:
    """Read what matters of the logs of an attempt that has ended.

    :param run: facts of the job run, with number, ``updated_at`` and ``log_locations`` of the attempt
    :param failed: look for the reason
    :param waits: wait for the last upload if what is looked for is not there
    """
    number, ended_at = run["attempt"], datetime.fromisoformat(run["updated_at"])
    interval = ctx.wait_policy.driver_log_interval
    until = min(ctx.clock(), ended_at.timestamp()) + (interval if waits else 0.0)
    notes: list[str] = []
    is_refused = True
    for source in sources(run):
        while True:
            found = yield from _look(ctx, source)
            texts = found.texts
            cause = cause_in(texts.get("stdout", ""), texts.get("stderr", "")) if failed else None
            # A log that has begun may have nothing in it yet.
            may_come = found.note or not texts or (failed and found.is_from_before(ended_at))
            left = until - ctx.clock()
            if cause or found.is_refused or not may_come or left <= 0:
                break
            yield Sleep(min(left, interval / LOOKS))
        if texts:
            return Excerpt(number, *_shown(source, texts, cause), cause)
        notes.append(found.note or f"{source.place('stdout')} is empty")
        is_refused = is_refused and found.is_refused
    return Excerpt(number, note="; ".join(notes) or _NOWHERE, is_refused=is_refused)


def _look(ctx: RunContext, source: Source) -> Effects[_Look]:
    pieces: dict[str, Piece] = {}
    note = ""
    for stream in STREAMS:
        try:
            pieces[stream] = yield from source.read(ctx, stream)
        except ResourceNotFound as error:
            note = error.message
        except EmrError as error:
            return _Look(pieces, f"{source.place(stream)} cannot be read: {error.message}", is_refused=True)
    return _Look(pieces, note)


def _shown(source: Source, texts: Mapping[str, str], cause: Cause | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The places and the lines to show."""
    if cause:
        return (source.place(cause.stream),), cause.lines
    lines: list[str] = []
    for stream, text in texts.items():
        lines += [f"[{stream}] {line}" for line in last_lines(text)]
    return tuple(source.place(stream) for stream in texts), tuple(lines)
