"""A page that shows what a task has started at a glance."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from html import escape
from typing import Any

from airflow_emrs_ext.core.cost import UNITS, estimate, money_in_words, region
from airflow_emrs_ext.core.redaction import hidden, hidden_in
from airflow_emrs_ext.exceptions import EmrError
from airflow_emrs_ext.plugin import timeline, worker_chart
from airflow_emrs_ext.plugin.pages import SCRIPT, Alternative, document, links, reloaded, time_element
from airflow_emrs_ext.plugin.timeline import duration, moment, state_kind
from airflow_emrs_ext.plugin.views import DrivenRunView, RunView
from airflow_emrs_ext.resources import JobRunKind, to_json
from airflow_emrs_ext.workflows.driver_logs.places import to_follow
from airflow_emrs_ext.workflows.driver_logs.reports import excerpt

_RELOAD_SECONDS = 10
_STYLE = f"""<style>
body {{ max-width: 60rem }}
dl {{ display: grid; grid-template-columns: minmax(6rem, max-content) 1fr; gap: .15rem 1.5rem; margin: 0 }}
dt {{ color: var(--soft) }} dd {{ margin: 0; overflow-wrap: anywhere }}
.state {{ border: 1px solid currentColor; border-radius: 1rem; font-size: .8rem; padding: .1rem .7rem }}
.good {{ color: light-dark(#1a7f37, #3fb950) }} .bad {{ color: light-dark(#cf222e, #f85149) }}
.now {{ color: var(--link) }}
pre {{ border: 1px solid var(--line); overflow: auto; padding: .75rem; font-size: .8rem }}
details {{ margin-top: 1rem }}
@media (max-width: 30rem) {{ dl {{ display: block }} dd {{ margin-bottom: .4rem }} }}
footer {{ border-top: 1px solid var(--line); margin-top: 1.5rem; padding-top: .5rem }}
{timeline.STYLE}{worker_chart.STYLE}</style>"""
_SCRIPT = """
const airflow = window.parent === window ? null : window.parent.document;
// In a frame of Airflow's UI, which may be dark where the browser is not.
if (airflow) {
  const scheme = getComputedStyle(airflow.documentElement).colorScheme;
  if (scheme !== "normal") document.documentElement.style.colorScheme = scheme;
}
// The frame may open no windows: the UI itself opens the links.
for (const link of document.querySelectorAll("a")) link.addEventListener("click", (event) => {
  if (!airflow) return;
  event.preventDefault();
  const opener = airflow.createElement("a");
  Object.assign(opener, { href: link.href, target: "_blank", rel: "noopener" }).click();
});
// Times in the zone that the reader has chosen in Airflow's UI, else in the browser's.
const format = (timeZone) => new Intl.DateTimeFormat("en-GB", {
  timeZone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit",
  hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short",
});
let local;
try { local = format(JSON.parse(localStorage.getItem("timezone")) || undefined); } catch { local = format(); }
for (const time of document.querySelectorAll("time")) {
  const part = {};
  for (const { type, value } of local.formatToParts(new Date(time.dateTime))) part[type] = value;
  time.title = time.textContent;
  time.textContent =
    `${part.year}-${part.month}-${part.day} ${part.hour}:${part.minute}:${part.second} ${part.timeZoneName}`;
}
document.getElementById("zone").textContent = `Times are in the time zone ${local.resolvedOptions().timeZone}.`;
"""
_OVERVIEW: Mapping[str, str] = {
    "application_id": "Application ID",
    "virtual_cluster_id": "Virtual cluster ID",
    "cluster_id": "Cluster ID",
    "job_run_id": "Job run ID",
    "session_id": "Session ID",
    "step_id": "Step ID",
    "endpoint_id": "Managed endpoint ID",
    "attempt": "Attempt",
    "failure_reason": "Failure reason",
    "mode": "Mode",
    "type": "Type",
    "release_label": "Release label",
    "architecture": "Architecture",
    "capacity": "Capacity",
    "region": "Region",
    "idle_timeout": "Idle timeout",
    "created_at": "Created",
    "started_at": "Started",
    "idle_since": "Idle since",
    "ended_at": "Ended",
}
_TIMES = ("created_at", "started_at", "idle_since", "ended_at")
_CONFIGURATION = (
    "jobDriver",
    "configurationOverrides",
    "executionRole",
    "executionRoleArn",
    "executionTimeoutMinutes",
    "flexExecution",
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
    title = facts["name"] or view.kind.label(view.ids)
    details = f"<p>{escape(hidden_in(facts['state_details']))}</p>" if facts["state_details"] else ""
    parts = [
        f'<h1>{escape(title)} <span class="state {state_kind(view, facts)}">{escape(facts["state"])}</span></h1>',
        details,
        links(alternatives),
        _section("Timeline", timeline.timeline(view, ui_of_attempt)),
        _log(view),
        _section("Workers", _workers(view)),
        _section("Cost and resources", _list(_resources(view))),
        _section("Overview", _list(_overview(view))),
        f"<details><summary>Configuration</summary><pre>{escape(_configuration(view))}</pre></details>",
        _footer(view),
        f"{SCRIPT}{_SCRIPT}</script>",
    ]
    return document(title, "".join(parts), _STYLE + ("" if _is_over(view) else reloaded(_RELOAD_SECONDS)))


def _footer(view: RunView) -> str:
    """When this was so, and in which time zone times are."""
    again = "" if _is_over(view) else f" This page loads itself again every {_RELOAD_SECONDS} seconds."
    asked = time_element(datetime.now(timezone.utc))
    return f'<footer><small>As of {asked}.{again} <span id="zone">Times are in UTC.</span></small></footer>'


def _log(view: RunView) -> str:
    """What matters of the driver's log."""
    facts = view.facts
    if not (isinstance(view, DrivenRunView) and isinstance(view.kind, JobRunKind) and view.kind.has_driver(facts)):
        return ""
    run = {**facts, "log_locations": view.locations}
    # A look at managed storage costs a dashboard, of which the service makes one per second: not with each reload.
    if not (_is_over(view) or to_follow(run)):
        return ""
    found = view.ask(excerpt, run, failed=facts["state"] == view.kind.failure, waits=False)
    where = f"<small>{escape(' and '.join(found.places))}</small>" if found.places else ""
    lines = f"<pre>{escape(chr(10).join(found.lines))}</pre>{where}" if found.lines else ""
    note = f'<p class="soft">{escape(found.note)}</p>' if found.note else ""
    return _section(f"Driver log, attempt {found.attempt}", lines + note)


def _workers(view: RunView) -> str:
    """Warm or cold, and the executors over time."""
    try:
        told = view.workers
    except EmrError as error:
        return f'<p class="soft">Not shown: {escape(hidden_in(error.message))}</p>'
    return _list(worker_chart.summary(told)) + worker_chart.chart(told)


def _resources(view: RunView) -> dict[str, str]:
    facts: Mapping[str, Any] = {**view.facts, **view.about}
    if "billed_resource_utilization" not in facts:
        return {}  # EMR on EKS tells no figures
    shown: dict[str, str] = {}
    if facts["billed_resource_utilization"] is None:
        shown["Billed"] = "The service has not told yet." if _is_over(view) else "The service tells it after the end."
    elif money := estimate(facts):
        shown["Cost"] = f"{money_in_words(money)}, by the prices in [emrs_ext] prices"
        if money.get("upper_bound"):
            shown["Cost"] += (
                "; what ran on Flex capacity costs less: there is no price for it, or the driver's part is not known"
            )
    else:
        architecture = facts.get("architecture") or "an architecture that could not be read (GetApplication)"
        shown["Cost"] = f"Not estimated: [emrs_ext] prices has no prices for {region(facts)} and {architecture}."
    for name, used in (("Billed", "billed_resource_utilization"), ("Used", "total_resource_utilization")):
        if figures := facts.get(used):
            shown[name] = ", ".join(f"{figures[unit]:.3f} {words}" for unit, words in UNITS.items())
    if (seconds := facts.get("total_execution_duration_seconds")) is not None:
        shown["Execution time"] = duration(seconds)
    if waited := facts.get("queued_duration_milliseconds"):
        shown["Time in state QUEUED"] = duration(waited / 1000)
    return shown


def _overview(view: RunView) -> dict[str, str | datetime]:
    facts = {**view.facts, **view.about, "region": region(view.facts)}
    if minutes := facts.get("idle_timeout_minutes"):
        facts["idle_timeout"] = f"{minutes} min"
    if facts.get("flex_execution"):
        facts["capacity"] = "Flex for executors, Standard for the driver"
    facts["release_label"] = facts.get("release_label") or _described(view).get("releaseLabel")
    shown: dict[str, str | datetime] = {}
    for name, label in _OVERVIEW.items():
        if value := facts.get(name):
            time = moment(value) if name in _TIMES else None
            shown[label] = time or str(value)
    return shown


def _configuration(view: RunView) -> str:
    described = _described(view)
    shown = {name: described[name] for name in _CONFIGURATION if described.get(name)}
    return json.dumps(hidden(shown), indent=2, ensure_ascii=False, default=_plain)


def _described(view: RunView) -> Mapping[str, Any]:
    (described,) = (value for name, value in view.described.items() if name != "ResponseMetadata")
    structure: Mapping[str, Any] = described
    return structure


def _is_over(view: RunView) -> bool:
    return view.kind.states.parse(view.facts["state"]).is_terminal


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>" if body else ""


def _list(entries: Mapping[str, Any]) -> str:
    items = "".join(
        f"<dt>{escape(name)}</dt><dd>{time_element(value) if isinstance(value, datetime) else escape(value)}</dd>"
        for name, value in entries.items()
    )
    return f"<dl>{items}</dl>" if items else ""


def _plain(value: Any) -> Any:
    return to_json(value) if isinstance(value, datetime) else str(value)
