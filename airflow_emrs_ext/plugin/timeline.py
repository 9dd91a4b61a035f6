"""The attempts of what a task has started on a line of time: how long each waited for its start, and ran."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from html import escape
from typing import Any, NamedTuple

from airflow_emrs_ext.plugin.pages import time_element
from airflow_emrs_ext.plugin.views import DrivenRunView, RunView

STYLE = """
.attempts { list-style: none; margin: 0; padding: 0 }
.attempts li { margin: 0 0 .5rem }
.what { display: flex; flex-wrap: wrap; gap: 0 .75rem; align-items: baseline }
.bar { background: color-mix(in srgb, var(--line) 35%, transparent); height: 1rem; position: relative }
.bar i, .key i { background: currentColor }
.bar i { min-width: 2px; position: absolute; inset: 0 auto }
.bar .wait, .key .wait { background: repeating-linear-gradient(135deg, var(--soft) 0 2px, transparent 2px 6px) }
.ends { display: flex; flex-wrap: wrap; gap: 0 1.5rem; justify-content: space-between }
.key i { display: inline-block; height: .7rem; margin: 0 .35rem 0 .9rem; width: 1.5rem }
.key i:first-child { margin-left: 0 }
"""


class Row(NamedTuple):
    """An attempt, or all there is of what has none.

    :param kind: the class of its state in the page's style
    :param begin: when it was created
    :param started: when it began to run; ``None``: that is not known, or it has not
    :param end: when it ended, or now
    :param is_over: whether it has ended
    :param waits: whether it is known not to have begun to run
    :param path: of its Spark UI; empty: it is known to have none
    """

    name: str
    state: str
    kind: str
    begin: datetime
    started: datetime | None
    end: datetime
    is_over: bool
    waits: bool
    path: str = ""

    @property
    def in_words(self) -> str:
        """How long it has waited, and run."""
        whole = duration((self.end - self.begin).total_seconds())
        if self.started is None:
            if self.waits:
                return (
                    f"ended after {whole} without a start" if self.is_over else f"waits for its start, {whole} so far"
                )
            return f"{whole} from its creation to its end" if self.is_over else f"created {whole} ago"
        waited = duration((self.started - self.begin).total_seconds())
        ran = duration((self.end - self.started).total_seconds())
        return f"waited {waited}, ran {ran}" if self.is_over else f"waited {waited}, runs for {ran} so far"

    def show(self, begin: datetime, seconds: float) -> str:
        """On a line that begins then and is so many seconds long."""

        def part(kind: str, since: datetime, until: datetime) -> str:
            left, right = (
                min(100.0, max(0.0, (one - begin).total_seconds() / seconds * 100)) for one in (since, until)
            )
            return f'<i class="{kind}" style="left:{left:.2f}%;width:{right - left:.2f}%"></i>'

        if self.waits:
            parts = part("wait", self.begin, self.end)
        elif self.started is None:
            parts = part(self.kind, self.begin, self.end)
        else:
            parts = part("wait", self.begin, self.started) + part(self.kind, self.started, self.end)
        name = f'<a href="{escape(self.path)}">{escape(self.name)}</a>' if self.path else f"<b>{escape(self.name)}</b>"
        words = escape(self.in_words)
        return (
            f'<li><div class="what">{name}<span class="{self.kind}">{escape(self.state)}</span>'
            f'<span class="soft">{words}</span></div>'
            f'<div class="bar" role="img" aria-label="{escape(self.name)}: {words}">{parts}</div></li>'
        )


def timeline(view: RunView, ui_of_attempt: Callable[[int], str]) -> str:
    """The attempts, as far as the service tells their times.

    :param ui_of_attempt: the path of the Spark UI of an attempt
    """
    rows = list(_rows(view, ui_of_attempt))
    if not rows:
        return ""
    begin, end = min(row.begin for row in rows), max(row.end for row in rows)
    seconds = max(1.0, (end - begin).total_seconds())
    lines = "".join(row.show(begin, seconds) for row in rows)
    last = time_element(end) if all(row.is_over for row in rows) else f"now, {time_element(end)}"
    key = '<small class="key"><i class="wait"></i>waits for its start<i></i>runs</small>'
    splits = any(row.waits or row.started for row in rows)
    return (
        f'<ol class="attempts">{lines}</ol>'
        f'<small class="ends"><span>{time_element(begin)}</span><span>{last}</span></small>{key if splits else ""}'
    )


def state_kind(view: RunView, facts: Mapping[str, Any]) -> str:
    """The class of a state in the page's style."""
    state = view.kind.states.parse(facts["state"])
    if not state.is_terminal:
        return "now"
    # What serves succeeds while it lives, and ends without having failed.
    ended_well = view.kind.spark_connect is not None and state != view.kind.failure
    return "good" if state.is_success or ended_well else "bad"


def duration(seconds: float) -> str:
    """So many seconds in words."""
    minutes, rest = divmod(max(0.0, seconds), 60)
    hours, minutes = divmod(int(minutes), 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest:.0f} s" if minutes else f"{rest:.1f} s"


def moment(value: str | None) -> datetime | None:
    """A time of the facts."""
    return None if value is None else datetime.fromisoformat(value)


def _rows(view: RunView, ui_of_attempt: Callable[[int], str]) -> Iterator[Row]:
    now = datetime.now(timezone.utc)
    attempts = view.attempts
    for attempt in attempts:
        number = attempt["attempt"]
        if row := _row(view, f"Attempt {number}", attempt, now):
            has_ui = isinstance(view, DrivenRunView) and view.may_have_ui(attempt)
            yield row._replace(path=ui_of_attempt(number) if has_ui else "")
    if not attempts:
        # EMR on EKS describes no attempt: the line is the job run's, whichever of them the page is about.
        whole = view.kind.read(view.ids, view.described).facts
        if row := _row(view, view.kind.name, whole, now):
            yield row


def _row(view: RunView, name: str, facts: Mapping[str, Any], now: datetime) -> Row | None:
    begin, started = moment(facts["created_at"]), moment(facts.get("started_at"))
    state = view.kind.states.parse(facts["state"])
    end = view.ended_at(facts) if state.is_terminal else now
    if begin is None or end is None:
        return None
    # The service's word for when another attempt, or all of them, started would make this one's figures wrong.
    if started is not None and not begin <= started <= end:
        started = None
    waits = view.waits_for_start(facts) or view.never_started(facts)
    return Row(name, facts["state"], state_kind(view, facts), begin, started, end, state.is_terminal, waits)
