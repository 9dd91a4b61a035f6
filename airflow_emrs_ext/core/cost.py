"""What job runs and sessions are billed for: the service's hours, and money where the user has given the prices."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from airflow_emrs_ext._compat import count_metric
from airflow_emrs_ext.core import settings

log: logging.Logger = logging.getLogger(__name__)

UNITS: Mapping[str, str] = {
    "vcpu_hour": "vCPU-hours",
    "memory_gb_hour": "GB-hours of memory",
    "storage_gb_hour": "GB-hours of storage",
}
"""The keys of ``billed_resource_utilization`` and of a price list, with their units."""

_DIGITS = 6


def estimate(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a job run or session costs by the price list in ``[emrs_ext] prices``.

    :param facts: of it, with ``arn`` (its Region), ``architecture`` and ``billed_resource_utilization``
    :return: ``amount`` and ``currency``; ``None`` where a price or a figure is not known
    """
    billed, prices = facts.get("billed_resource_utilization"), settings.prices()
    price = prices.get(region(facts), {}).get(facts.get("architecture"), {})
    if billed is None or not price:
        return None
    try:
        amount = sum(float(price[unit]) * billed[unit] for unit in UNITS)
    except (KeyError, TypeError, ValueError) as error:
        log.warning("[emrs_ext] prices of %s: %r. It takes a number for each of %s.", price, error, ", ".join(UNITS))
        return None
    return {"amount": round(amount, _DIGITS), "currency": str(prices.get("currency", "USD"))}


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
    return words + (f", about {cost['amount']:g} {cost['currency']}" if cost else "")


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
