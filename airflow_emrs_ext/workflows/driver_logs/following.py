"""A driver's log in the log of a task, line by line, while the task waits."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from airflow_emrs_ext.core.effects import Effects, RunContext, Sleep
from airflow_emrs_ext.exceptions import EmrError, ResourceNotFound, ServiceUnavailable
from airflow_emrs_ext.resources import JobRunKind, Snapshot
from airflow_emrs_ext.shared.states import State
from airflow_emrs_ext.workflows.driver_logs.places import to_follow
from airflow_emrs_ext.workflows.driver_logs.reports import is_from_before
from airflow_emrs_ext.workflows.driver_logs.sources import LOOKS, STREAMS, Piece, Source

_LONGEST_LINE = 8000
# A place that cannot be reached is tried less and less often.
_LONGEST_PAUSE = 20.0
# How long Airflow may take to put a line into a file: what a triggerer has logged less long before it is killed may be
# lost with it (seen after 21 s on a busy machine), so that it is shown again.
_SAFE_SECONDS = 60.0


class Follower:
    """Shows the logs of a job run's drivers as they are written, each line once.

    How far it has come is noted (:class:`~airflow_emrs_ext.core.effects.Notes`), so that another one goes on from
    there: to the line when :meth:`leave` was called, else from some seconds before.

    :param ctx: of its calls, which are not to hold up the wait for long
    :param kind: of the job run
    :param monitoring: effects to the MonitoringConfiguration of what it runs on
    """

    def __init__(
        self, ctx: RunContext, kind: JobRunKind[State], monitoring: Callable[[], Effects[Mapping[str, Any]]]
    ) -> None:
        self._run_context = ctx
        self._kind = kind
        self._read_monitoring = monitoring
        self._monitoring: Mapping[str, Any] | None = None
        self._notes: dict[str, Any] = dict(ctx.notes.recall())
        self._to_note: deque[tuple[float, dict[str, Any]]] = deque()
        self._places: dict[str, list[Source]] = {}
        self._run: dict[str, Any] = {}
        self._written: dict[str, datetime | None] = {}
        self._ended: float | None = None
        self._due = 0.0
        self._failures = 0
        self.has_shown: bool = bool(self._notes)

    def rest(self, snapshot: Snapshot, seconds: float) -> Effects[None]:
        """Spend the pause between two looks at the job run; a :data:`~airflow_emrs_ext.aws.waiting.Rest`."""
        clock = self._run_context.clock
        until = clock() + seconds
        while True:
            # Before the first driver runs there is nothing to read.
            if clock() >= self._due and self._kind.has_driver(snapshot.facts):
                yield from self._catch_up(snapshot.facts)
                pause = self._run_context.wait_policy.driver_log_interval / LOOKS
                self._due = clock() + min(pause * 2.0**self._failures, max(pause, _LONGEST_PAUSE))
            left = until - clock()
            if left <= 0:
                return
            yield Sleep(min(left, self._due - clock()) if self._due > clock() else left)

    def finish(self, facts: Mapping[str, Any], *, has_ended: bool) -> Effects[None]:
        """Show what is left once the wait is over.

        :param facts: of the job run
        :param has_ended: wait for the last upload
        """
        if not self._kind.has_driver(facts):
            return
        yield from self._catch_up(facts, is_over=True, is_last=not has_ended)
        if not has_ended or not any(self._places.values()):
            return
        ended_at = datetime.fromisoformat(facts["updated_at"])
        interval = self._run_context.wait_policy.driver_log_interval
        until = min(self._run_context.clock(), ended_at.timestamp()) + interval
        while (left := until - self._run_context.clock()) > 0 and (
            not self._written or is_from_before(ended_at, self._written.values())
        ):
            yield Sleep(min(left, interval / LOOKS))
            yield from self._catch_up(facts)
        yield from self._round(is_last=True)

    def leave(self) -> None:
        """Note how far it has come, because the wait ends here, in good order."""
        if self._to_note:
            self._run_context.notes.note(self._to_note[-1][1])

    def _note_what_is_safe(self) -> None:
        safe = None
        while self._to_note and self._to_note[0][0] <= self._run_context.clock() - _SAFE_SECONDS:
            _, safe = self._to_note.popleft()
        if safe:
            self._run_context.notes.note(safe)

    def _catch_up(self, facts: Mapping[str, Any], *, is_over: bool = False, is_last: bool = False) -> Effects[None]:
        """Show what is new, of attempts that have ended meanwhile first."""
        if self._monitoring is None:
            self._monitoring = yield from self._read_monitoring()
        # A streaming job may be at its hundredth attempt; what came before it was shown by whoever waited then.
        first = facts["attempt"] if facts.get("mode") == "STREAMING" else 1
        attempt = self._notes.setdefault("attempt", first)
        while attempt < facts["attempt"]:
            self._turn_to(facts, attempt)
            # Its last upload may be under way; the next driver takes its time to start.
            is_settled = attempt < facts["attempt"] - 1 or self._is_settled()
            yield from self._round(is_last=is_over or is_settled)
            if not (is_over or is_settled):
                return
            attempt += 1
            self._notes = {"attempt": attempt}
        self._turn_to(facts, attempt)
        yield from self._round(is_last=is_last)

    def _is_settled(self) -> bool:
        """Whether the attempt that is followed has ended so long ago that nothing more of it will come."""
        now = self._run_context.clock()
        self._ended = now if self._ended is None else self._ended
        return now - self._ended >= self._run_context.wait_policy.driver_log_interval

    def _turn_to(self, facts: Mapping[str, Any], attempt: int) -> None:
        if self._run.get("attempt") == attempt:
            return
        assert self._monitoring is not None
        self._run = {**facts, "attempt": attempt}
        self._run["log_locations"] = self._kind.log_locations(self._run, self._monitoring)
        self._written, self._ended = {}, None
        places = to_follow(self._run)
        if not places and not self._places:
            self._run_context.log.warning(
                "The driver's log cannot be followed: it is neither on S3 nor in CloudWatch Logs; give the job run an "
                "S3 log URI or CloudWatch logging (`configuration_overrides`). What can be read is shown at the end."
            )
        self._places = {stream: list(places) for stream in STREAMS}

    def _round(self, *, is_last: bool) -> Effects[None]:
        """Show what is new of both streams of the attempt."""
        failures = 0
        for stream in STREAMS:
            failures += yield from self._show_new(stream, is_last=is_last)
        self._failures = min(self._failures + 1, 10) if failures else 0
        self._note_what_is_safe()

    def _show_new(self, stream: str, *, is_last: bool) -> Effects[int]:
        """Show what is new of a stream; whether a place could not be reached."""
        noted: Mapping[str, Any] = self._notes.get(stream, {})
        for source in tuple(self._places[stream]):
            if noted and noted["place"] != source.name:
                continue  # where it has begun it goes on
            try:
                piece = yield from source.read(self._run_context, stream, noted.get("mark", {}), is_last=is_last)
            except ResourceNotFound:
                continue
            except ServiceUnavailable:
                return 1
            except EmrError as error:
                self._run_context.log.warning("%s cannot be followed: %s", source.place(stream), error.message)
                self._places[stream].remove(source)
                continue
            if piece.is_new:
                self._show(source, stream, piece, is_begun=bool(noted))
            return 0
        return 0

    def _show(self, source: Source, stream: str, piece: Piece, *, is_begun: bool) -> None:
        log = self._run_context.log
        if not is_begun:
            log.info("Driver log of attempt %d, %s:", self._run["attempt"], source.place(stream))
        if piece.omitted:
            log.warning("[%s] %d bytes are not shown: see %s", stream, piece.omitted, source.place(stream))
        for line in piece.text.splitlines():
            log.info("[%s] %s", stream, line[:_LONGEST_LINE])
        self.has_shown = True
        self._written[stream] = piece.written_at
        self._notes = {**self._notes, stream: {"place": source.name, "mark": piece.mark}}
        self._to_note.append((self._run_context.clock(), self._notes))
