"""Billed hours and money: the estimate, the sum, the words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_emrs_ext.core import cost

PRICES = {
    "eu-west-1": {"X86_64": {"vcpu_hour": 0.05, "memory_gb_hour": 0.006, "storage_gb_hour": 0.0001}},
    "currency": "EUR",
}
BILLED = {"vcpu_hour": 2.0, "memory_gb_hour": 10.0, "storage_gb_hour": 100.0}
FACTS: dict[str, Any] = {
    "arn": "arn:aws:emr-serverless:eu-west-1:123456789012:/applications/00f/jobruns/00g",
    "architecture": "X86_64",
    "billed_resource_utilization": BILLED,
}


@pytest.fixture(autouse=True)
def prices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__PRICES", json.dumps(PRICES))


def test_an_estimate_is_hours_by_prices() -> None:
    assert cost.estimate(FACTS) == {"amount": pytest.approx(0.17), "currency": "EUR"}


@pytest.mark.parametrize(
    "unknown",
    [
        {"arn": "arn:aws:emr-serverless:us-east-1:123456789012:/applications/00f"},
        {"arn": None},
        {"architecture": "ARM64"},
        {"architecture": None},
        {"billed_resource_utilization": None},
    ],
    ids=lambda unknown: f"{next(iter(unknown.items()))}",
)
def test_what_is_not_known_costs_nothing_that_is_known(unknown: dict[str, Any]) -> None:
    assert cost.estimate({**FACTS, **unknown}) is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{", "prices is no JSON"),
        (json.dumps({"eu-west-1": {"X86_64": {"vcpu_hour": 0.05}}}), "memory_gb_hour"),
        (json.dumps({"eu-west-1": {"X86_64": dict.fromkeys(BILLED, "cheap")}}), "takes a number"),
    ],
)
def test_a_bad_price_list_is_said_and_fails_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, given: str, said: str
) -> None:
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__PRICES", given)
    assert cost.estimate(FACTS) is None
    assert said in caplog.text


def test_the_sum_of_some_is_no_cost_unless_each_is_known() -> None:
    one: dict[str, Any] = {**FACTS, "cost": cost.estimate(FACTS)}
    both = cost.total([one, one])
    assert both["billed_resource_utilization"] == {unit: 2 * hours for unit, hours in BILLED.items()}
    assert both["cost"] == {"amount": pytest.approx(0.34), "currency": "EUR"}
    running = {**FACTS, "billed_resource_utilization": None, "cost": None}
    some = cost.total([one, running])
    assert (some["billed_resource_utilization"], some["cost"], some["unbilled"]) == (BILLED, None, 1)
    assert cost.total([])["cost"] is None


def test_the_figures_in_words() -> None:
    hours = "billed 2 vCPU-hours, 10 GB-hours of memory, 100 GB-hours of storage"
    assert cost.in_words(FACTS) == hours
    assert cost.in_words({**FACTS, "cost": cost.estimate(FACTS)}) == f"{hours}, about 0.17 EUR"
    assert cost.in_words({}) == ""
