"""What job runs and sessions are billed for: the service's hours, and money where the user has given the prices."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from airflow_emrs_ext._compat import count_metric
from airflow_emrs_ext.core import settings
from airflow_emrs_ext.core.driver_worker import driver_worker

log: logging.Logger = logging.getLogger(__name__)

UNITS: Mapping[str, str] = {
    "vcpu_hour": "vCPU-hours",
    "memory_gb_hour": "GB-hours of memory",
    "storage_gb_hour": "GB-hours of storage",
}
"""The keys of ``billed_resource_utilization`` and of a price list, with their units."""

_DIGITS = 6
_LEAST_BILLED_SECONDS = 60
_SECONDS_PER_HOUR = 3600


def estimate(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a job run or session costs by the price list in ``[emrs_ext] prices``.

    :param facts: of it, with ``arn`` (its Region), ``architecture`` and ``billed_resource_utilization``; of a job run
        on Flex capacity, also what tells the size of its driver, which is billed as Standard
    :return: ``amount`` and ``currency``, and ``upper_bound`` where that of Flex capacity can be no more; ``None`` where
        a price or a figure is not known
    """
    billed, prices = facts.get("billed_resource_utilization"), settings.prices()
    price = prices.get(region(facts), {}).get(facts.get("architecture"), {})
    if billed is None or not price:
        return None
    on_flex = facts.get("flex_execution")
    standard = _standard_hours(facts, billed) if on_flex and "flex" in price else billed
    try:
        amount = sum(float(price[unit]) * standard[unit] for unit in UNITS)
        if standard is not billed:
            amount += sum(float(price["flex"][unit]) * (billed[unit] - standard[unit]) for unit in UNITS)
    except (KeyError, TypeError, ValueError) as error:
        log.warning(
            "[emrs_ext] prices of %s: %r. It takes a number for each of %s, also within flex.",
            price,
            error,
            ", ".join(UNITS),
        )
        return None
    found = {"amount": round(amount, _DIGITS), "currency": str(prices.get("currency", "USD"))}
    return {**found, "upper_bound": True} if on_flex and standard is billed else found


def _standard_hours(facts: Mapping[str, Any], billed: Mapping[str, float]) -> Mapping[str, float]:
    """Of the hours of a job run on Flex capacity those of its driver; all of them, if its size or time is not known."""
    defaults, own = facts.get("driver_defaults"), facts.get("driver_settings")
    seconds = facts.get("total_execution_duration_seconds")
    if defaults is None or own is None or seconds is None:
        return billed
    worker = driver_worker({**defaults, **own})
    if worker is None:
        return billed
    # Each attempt's worker is billed for a minute at least, and of what is billed the driver has no more than all.
    hours = max(seconds, _LEAST_BILLED_SECONDS * facts.get("attempt", 1)) / _SECONDS_PER_HOUR
    return {unit: min(worker[unit] * hours, billed[unit]) for unit in UNITS}


def total(all_facts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The sum of what several job runs and sessions are billed for.

    :param all_facts: of each, with ``cost``
    :return: ``billed_resource_utilization``, ``cost`` (``None`` unless that of each is known) and ``unbilled`` (how
        many have no figures yet)
    """
    everything = list(all_facts)
    billed = [facts["billed_resource_utilization"] for facts in everything if facts["billed_resource_utilization"]]
    costs = [facts["cost"] for facts in everything]
    cost = None
    if costs and all(costs) and len({one["currency"] for one in costs}) == 1:
        amount = round(sum(one["amount"] for one in costs), _DIGITS)
        cost = {"amount": amount, "currency": costs[0]["currency"]}
        if any(one.get("upper_bound") for one in costs):
            cost["upper_bound"] = True
    return {
        "billed_resource_utilization": {unit: round(sum(one[unit] for one in billed), _DIGITS) for unit in UNITS},
        "cost": cost,
        "unbilled": len(everything) - len(billed),
    }


def in_words(facts: Mapping[str, Any]) -> str:
    """The figures of a result as a part of a log line; empty where there are none."""
    if not (billed := facts.get("billed_resource_utilization")):
        return ""
    words = "billed " + ", ".join(f"{billed[unit]:g} {name}" for unit, name in UNITS.items())
    cost = facts.get("cost")
    return words + (f", {money_in_words(cost)}" if cost else "")


def money_in_words(cost: Mapping[str, Any]) -> str:
    """An estimate for people."""
    return f"{'at most' if cost.get('upper_bound') else 'about'} {cost['amount']:g} {cost['currency']}"


def count(facts: Mapping[str, Any], tags: Mapping[str, str]) -> None:
    """Add what a job run or session was billed for to Airflow's metrics.

    Counters of whole vCPU-, GB- and GB-seconds (``emrs_ext.billed_vcpu_seconds``, ``…_memory_gb_seconds``,
    ``…_storage_gb_seconds``) and of millionths of the currency (``emrs_ext.cost_micros``), so that sums are right in
    whatever collects them.

    :param tags: of the metrics
    """
    for unit, hours in (facts.get("billed_resource_utilization") or {}).items():
        count_metric(f"emrs_ext.billed_{unit.removesuffix('_hour')}_seconds", round(hours * 3600), tags)
    if cost := facts.get("cost"):
        count_metric("emrs_ext.cost_micros", round(cost["amount"] * 1_000_000), {**tags, "currency": cost["currency"]})


def region(facts: Mapping[str, Any]) -> str:
    """The Region in an ARN."""
    return (str(facts.get("arn") or "").split(":") + [""] * 4)[3]
