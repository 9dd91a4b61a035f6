"""The workers of a job run in words, and those of its executors over time as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from html import escape

from airflow_emrs_ext.plugin.pages import time_element
from airflow_emrs_ext.plugin.views.workers import PRE_INITIALIZED, Workers

STYLE = """
p.soft { margin: .5rem 0 .25rem }
.chart { display: block; height: 4rem; width: 100%; background: color-mix(in srgb, var(--line) 35%, transparent) }
.chart .warm { fill: light-dark(#bc4c00, #db6d28) } .chart .cold { fill: var(--link) }
.key .warm { color: light-dark(#bc4c00, #db6d28) } .key .cold { color: var(--link) }
"""

_NAMES: Mapping[str, str] = {"DRIVER": "Driver", "EXECUTOR": "Executors", "EXECUTORS": "Executors", "TASK": "Tez tasks"}
_DRIVER = "Driver"
_COLUMNS = 240
_MINUTE = timedelta(minutes=1)


def summary(told: Sequence[Workers]) -> dict[str, str]:
    """What there was of each type of workers."""
    shown: dict[str, str] = {}
    for one in _with_workers(told):
        capacity = "pre-initialized" if one.capacity == PRE_INITIALIZED else "on demand"
        words = f"up to {max(one.vcpus.values()):g} vCPUs {capacity}"
        shown[_name(one)] = f"{shown[_name(one)]}, {words}" if _name(one) in shown else words
    kinds = {one.capacity == PRE_INITIALIZED for one in _with_workers(told) if _name(one) == _DRIVER}
    if len(kinds) == 1:
        warm, cold = "warm: its driver took a pre-initialized worker", "cold: its driver's worker was made on demand"
        shown = {"Start": warm if kinds == {True} else cold, **shown}
    return shown


def chart(told: Sequence[Workers]) -> str:
    """The vCPUs of the workers that are no drivers, by minute."""
    series = {True: dict[datetime, float](), False: dict[datetime, float]()}
    for one in _with_workers(told):
        if _name(one) != _DRIVER:
            of_capacity = series[one.capacity == PRE_INITIALIZED]
            for at, vcpus in one.vcpus.items():
                of_capacity[at] = of_capacity.get(at, 0.0) + vcpus
    minutes = sorted({*series[True], *series[False]})
    if not minutes:
        return ""
    begin, end = minutes[0], minutes[-1] + _MINUTE
    columns = min(_COLUMNS, round((end - begin) / _MINUTE))
    width = (end - begin) / columns

    def heights(values: Mapping[datetime, float]) -> list[float]:
        found = [0.0] * columns
        for at, value in values.items():
            column = min(columns - 1, int((at - begin) / width))
            found[column] = max(found[column], value)
        return found

    warm, cold = heights(series[True]), heights(series[False])
    both = [one + other for one, other in zip(warm, cold, strict=True)]
    highest = max(both)
    areas = "".join(
        f'<path class="{kind}" d="{_area(values, highest)}"/>' for kind, values in (("cold", both), ("warm", warm))
    )
    words = f"vCPUs of the executors by minute, {highest:g} at most"
    return (
        f'<p class="soft">{words}:</p>'
        f'<svg class="chart" viewBox="0 0 {columns} 1" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(words)}">{areas}</svg>'
        f'<small class="ends"><span>{time_element(begin)}</span><span>{time_element(end)}</span></small>'
        '<small class="key"><i class="warm"></i>pre-initialized<i class="cold"></i>on demand</small>'
    )


def _area(values: Sequence[float], highest: float) -> str:
    tops = "".join(f"L{n} {1 - value / highest:.3f}H{n + 1}" for n, value in enumerate(values))
    return f"M0 1{tops}V1Z"


def _with_workers(told: Sequence[Workers]) -> list[Workers]:
    return [one for one in told if any(one.vcpus.values())]


def _name(one: Workers) -> str:
    return _NAMES.get(one.worker_type.upper().rpartition("_")[2], one.worker_type)
