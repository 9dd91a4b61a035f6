"""Pictures and tables of the documentation from the results of the benchmarks: ``make figures``.

What is in ``build/benchmarks`` is kept in ``docs/measurements`` first; the documentation is made from that.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from tests.benchmarks._results import FOLDER, beside, load, markdown, shown

KEPT = Path("docs/measurements")
PICTURES = Path("docs/pictures")

Cases = Mapping[str, Mapping[str, Mapping[str, Any]]]

_SIDES = {
    "amazon": ("Amazon provider", "#9a6700", "s"),
    "emrs_ext": ("this package", "#0969da", "o"),
    "emrs_ext_ended_in_trigger": ("… ended in the trigger", "#0969da", "o"),
    "emrs_ext_each_xcom": ("… with `multiple_outputs=True`", "#0969da", "o"),
    "emrs_ext_triggerer": ("this package, from the triggerer", "#0969da", "o"),
}
_PANELS = {
    "calls": "API calls",
    "cpu_seconds": "CPU of the triggerer, s",
    "memory_mb": "Memory growth, MB",
    "latency_p95_seconds": "End noticed after (p95), s",
}
_COLUMNS = {
    "calls": "calls",
    "throttled": "throttled",
    "cpu_seconds": "CPU, s",
    "memory_mb": "memory, MB",
    "longest_block_seconds": "longest block, s",
    "latency_p50_seconds": "noticed after (median), s",
    "latency_p95_seconds": "(p95), s",
    "latency_max_seconds": "(longest), s",
    "false_failures": "false failures",
}
_OUTAGE_COLUMNS = {
    "false_failures": "tasks failed",
    "missed": "never noticed",
    "recovery_seconds": "last end noticed, s after it",
    "calls_after": "calls in its first 10 s",
    "past_quota": "past a quota",
    "throttled_after": "throttled",
}
_STORM_COLUMNS = {
    "failed": "tasks failed",
    "start_calls_per_job_run": "StartJobRun per job run",
    "calls_per_job_run": "calls per job run",
    "throttled": "throttled",
    "seconds": "all submitted after, s",
}


def draw_waiting(cases: Cases) -> None:
    """How the cost of waiting grows with the number of those who wait."""
    # The same figures make the same file; text stays text.
    mpl.rcParams.update({"svg.hashsalt": "waiting", "svg.fonttype": "none", "font.size": 9})
    figure = Figure(figsize=(9, 6.4), layout="constrained")
    counts = sorted(int(name) for name in cases if name.isdigit())
    for panel, (name, words) in zip(figure.subplots(2, 2).flat, _PANELS.items(), strict=True):
        for side, (label, color, marker) in _SIDES.items():
            points = {count: cases[str(count)][side][name] for count in counts if side in cases[str(count)]}
            if points:
                panel.plot(list(points), list(points.values()), marker=marker, color=color, label=label)
        panel.set(xscale="log", yscale="log", title=words, xlabel="deferred job runs")
        panel.set_xticks(counts, [shown(count) for count in counts], minor=False)
        panel.minorticks_off()
        panel.grid(color="#d0d7de", linewidth=0.6)
        panel.legend(frameon=False)
    PICTURES.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURES / "waiting.svg", metadata={"Date": None})


def as_markdown(cases: Cases, heading: str, columns: Mapping[str, str]) -> str:
    """A table with a line for each side of each case."""
    rows = [
        [case, label, *(sides[side].get(name) for name in columns)]
        for case, sides in sorted(cases.items(), key=lambda case: (not case[0].isdigit(), case[0].rjust(20)))
        for side, (label, _, _) in _SIDES.items()
        if side in sides
    ]
    return markdown([heading, "", *columns.values()], rows)


def main() -> None:
    KEPT.mkdir(parents=True, exist_ok=True)
    worker_seconds = "worker_seconds.json"
    if (FOLDER / worker_seconds).exists():
        shutil.copy(FOLDER / worker_seconds, KEPT / worker_seconds)
    if report := load(KEPT / worker_seconds):
        labels = {side: _SIDES[side][0] for side in report["figures"]}
        table = beside("per task", report["figures"], labels)
        (KEPT / "worker_seconds.md").write_text(f"{markdown(*table)}\n")
    for name, heading, columns in (
        ("waiting", "job runs", _COLUMNS),
        ("outage", "outage", _OUTAGE_COLUMNS),
        ("submission_storm", "tasks", _STORM_COLUMNS),
    ):
        file = f"{name}.json"
        if (FOLDER / file).exists():
            shutil.copy(FOLDER / file, KEPT / file)
        if report := load(KEPT / file):
            cases = report["cases"]
            (KEPT / f"{name}.md").write_text(as_markdown(cases, heading, columns) + "\n")
            if name == "waiting":
                draw_waiting(cases)
            print(f"{KEPT / name}.md: {json.dumps(report['versions'])}")


if __name__ == "__main__":
    main()
