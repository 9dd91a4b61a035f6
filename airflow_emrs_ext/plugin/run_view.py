"""A page that shows what a task has started at a glance."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from html import escape
from typing import Any, NamedTuple

from airflow_emrs_ext.core.cost import estimate
from airflow_emrs_ext.core.redaction import hidden, hidden_in
from airflow_emrs_ext.plugin.pages import SCRIPT, Alternative, document, links, reloaded
from airflow_emrs_ext.plugin.views import DrivenRunView, RunView
from airflow_emrs_ext.resources import JobRunKind, to_json
from airflow_emrs_ext.workflows.driver_logs.places import to_follow
from airflow_emrs_ext.workflows.driver_logs.reports import excerpt

_RELOAD_SECONDS = 10
_STYLE = """<style>
body { max-width: 60rem }
h2 { font-size: 1rem; margin: 1.5rem 0 .5rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.5rem; margin: 0 }
dt { color: var(--soft) } dd { margin: 0; overflow-wrap: anywhere }
.state { border: 1px solid currentColor; border-radius: 1rem; font-size: .8rem; padding: .1rem .7rem }
.good { color: #1a7f37 } .bad { color: #cf222e } .now { color: var(--link) }
@media (prefers-color-scheme: dark) { .good { color: #3fb950 } .bad { color: #f85149 } }
.line { display: grid; grid-template-columns: 15rem 1fr; align-items: center; margin: .25rem 0 }
.line div { height: 1.1rem; position: relative; background: color-mix(in srgb, var(--line) 35%, transparent) }
.line i { position: absolute; inset: 0 auto; min-width: 3px; background: currentColor; opacity: .75 }
pre { border: 1px solid var(--line); overflow: auto; padding: .75rem; font-size: .8rem }
</style>"""
# In a frame of Airflow's UI, which may open no windows, the UI itself opens the links.
_OPEN = """
for (const link of document.querySelectorAll("a")) link.onclick = (event) => {
  if (window.parent === window) return;
  event.preventDefault();
  const opener = window.parent.document.createElement("a");
  Object.assign(opener, { href: link.href, target: "_blank", rel: "noopener" }).click();
};
"""
_IDENTITY = (
    *("application_id", "virtual_cluster_id", "job_run_id", "session_id", "endpoint_id", "attempt", "failure_reason"),
    *("mode", "type", "release_label", "idle_timeout_minutes", "created_at", "started_at", "ended_at"),
)
_CONFIGURATION = (
    "jobDriver",
    "configurationOverrides",
    "executionRole",
    "executionRoleArn",
    "executionTimeoutMinutes",
    "retryPolicy",
    "retryPolicyConfiguration",
    "securityGroup",
    "subnetIds",
    "networkConfiguration",
    "tags",
)


def run_view(view: RunView, alternatives: Sequence[Alternative], ui_of_attempt: Callable[[int], str]) -> str:
    """The page of what a task has started; it loads itself again while that is active.

    :param alternatives: the other links of the task
    :param ui_of_attempt: the path of the Spark UI of an attempt
    :raises EmrError: the service refuses to tell
    """
    facts = view.facts
    state = view.kind.states.parse(facts["state"])
    title = facts["name"] or view.kind.label(view.ids)
    details = f"<p>{escape(hidden_in(facts['state_details']))}</p>" if facts["state_details"] else ""
    parts = [
        f'<h1>{escape(title)} <span class="state {_kind(view, facts)}">{escape(facts["state"])}</span></h1>{details}',
        _section("Course", _course(view, ui_of_attempt)),
        _section("Resources", _list(_resources({**facts, **view.about}))),
        _section("What it is", _list(_identity(view))),
        links(alternatives),
        _log(view),
        f"<details><summary>Configuration</summary><pre>{escape(_configuration(view))}</pre></details>",
        f"{SCRIPT}{_OPEN}</script>",
    ]
    return document(title, "".join(parts), _STYLE + ("" if state.is_terminal else reloaded(_RELOAD_SECONDS)))


class _Bar(NamedTuple):
    """A time on the line."""

    label: str
    kind: str
    since: datetime | None
    until: datetime | None
    path: str = ""

    def show(self, begin: datetime, seconds: float) -> str:
        """On a line that begins then and is so many seconds long."""
        if self.since is None or self.until is None:
            return ""
        left = min(100.0, max(0.0, (self.since - begin).total_seconds() / seconds * 100))
        width = min(100.0 - left, max(0.0, (self.until - self.since).total_seconds() / seconds * 100))
        label = escape(f"{self.label}, {_duration((self.until - self.since).total_seconds())}")
        label = f'<a href="{escape(self.path)}">{label}</a>' if self.path else f"<span>{label}</span>"
        bar = f'<i class="{self.kind}" style="left:{left:.2f}%;width:{width:.2f}%"></i>'
        return f'<div class="line">{label}<div>{bar}</div></div>'


def _course(view: RunView, ui_of_attempt: Callable[[int], str]) -> str:
    """The attempts on a line of time, the wait before the only one included, as far as the service tells the times."""
    facts = view.facts
    now = datetime.now(timezone.utc)
    begin = _moment(facts["created_at"]) or now
    end = _moment(facts.get("ended_at") or facts.get("updated_at")) if _is_over(view, facts) else now
    attempts = view.attempts
    # EMR on EKS does not say when something has started.
    started = _moment(facts["started_at"]) if "started_at" in facts else begin
    bars = []
    if "started_at" in facts and len(attempts) <= 1:
        bars.append(_Bar("Until it started", "now", begin, started or end))
    for attempt in attempts:
        bars.append(
            _Bar(
                f"Attempt {attempt['attempt']}: {attempt['state']}",
                _kind(view, attempt),
                _moment(attempt["created_at"]),
                _moment(attempt["updated_at"]) if _is_over(view, attempt) else end,
                ui_of_attempt(attempt["attempt"]),
            )
        )
    if not attempts:
        bars.append(_Bar(facts["state"], _kind(view, facts), started, end))
    seconds = max(1.0, ((end or now) - begin).total_seconds())
    return "".join(bar.show(begin, seconds) for bar in bars)


def _log(view: RunView) -> str:
    """What matters of the driver's log."""
    facts = view.facts
    if not (isinstance(view, DrivenRunView) and isinstance(view.kind, JobRunKind) and view.kind.has_driver(facts)):
        return ""
    run = {**facts, "log_locations": view.locations}
    # A look at managed storage costs a dashboard, of which the service makes one per second: not with each reload.
    if not (_is_over(view, facts) or to_follow(run)):
        return ""
    found = view.ask(excerpt, run, failed=facts["state"] == view.kind.failure, waits=False)
    text = "\n".join(found.lines) or found.note
    where = f"<small>{escape(' and '.join(found.places))}</small>" if found.places else ""
    return _section(f"Driver log, attempt {found.attempt}", f"<pre>{escape(text)}</pre>{where}")


def _resources(facts: Mapping[str, Any]) -> dict[str, str]:
    shown: dict[str, str] = {}
    if money := estimate(facts):
        shown["About"] = f"{money['amount']:g} {money['currency']}"
    for name, used in (("Billed", "billed_resource_utilization"), ("Used", "total_resource_utilization")):
        if figures := facts.get(used):
            shown[name] = (
                f"{figures['vcpu_hour']:.3f} vCPU-hours, {figures['memory_gb_hour']:.3f} GB-hours of memory, "
                f"{figures['storage_gb_hour']:.3f} GB-hours of storage"
            )
    if (seconds := facts.get("total_execution_duration_seconds")) is not None:
        shown["Ran for"] = _duration(seconds)
    if (waited := facts.get("queued_duration_milliseconds")) is not None:
        shown["Queued for"] = _duration(waited / 1000)
    return shown


def _identity(view: RunView) -> dict[str, str]:
    facts = {**view.facts, "release_label": view.facts.get("release_label") or _described(view).get("releaseLabel")}
    shown = {name: facts[name] for name in _IDENTITY if facts.get(name) is not None}
    return {name.replace("_", " ").capitalize(): str(value) for name, value in shown.items()}


def _configuration(view: RunView) -> str:
    described = _described(view)
    shown = {name: described[name] for name in _CONFIGURATION if described.get(name)}
    return json.dumps(hidden(shown), indent=2, ensure_ascii=False, default=_plain)


def _described(view: RunView) -> Mapping[str, Any]:
    (described,) = (value for name, value in view.described.items() if name != "ResponseMetadata")
    structure: Mapping[str, Any] = described
    return structure


def _kind(view: RunView, facts: Mapping[str, Any]) -> str:
    """The class of a state in the page's style."""
    state = view.kind.states.parse(facts["state"])
    if not state.is_terminal:
        return "now"
    # What serves succeeds while it lives, and ends without having failed.
    ended_well = view.kind.spark_connect is not None and state != view.kind.failure
    return "good" if state.is_success or ended_well else "bad"


def _is_over(view: RunView, facts: Mapping[str, Any]) -> bool:
    return view.kind.states.parse(facts["state"]).is_terminal


def _section(title: str, body: str) -> str:
    return f"<h2>{title}</h2>{body}" if body else ""


def _list(entries: Mapping[str, str]) -> str:
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in entries.items())
    return f"<dl>{items}</dl>" if items else ""


def _moment(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(max(0.0, seconds), 60)
    hours, minutes = divmod(int(minutes), 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest:.0f} s" if minutes else f"{rest:.1f} s"


def _plain(value: Any) -> Any:
    return to_json(value) if isinstance(value, datetime) else str(value)
