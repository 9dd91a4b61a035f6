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


# Of 2 vCPU-hours the driver, 2 vCPU and 8 GB for half an hour, has 1, of 10 GB-hours of memory 4.
ON_FLEX: dict[str, Any] = {
    **FACTS,
    "flex_execution": True,
    "total_execution_duration_seconds": 1800,
    "driver_settings": {"spark.driver.cores": "2", "spark.driver.memory": "7g"},
    "driver_defaults": {"spark.driver.cores": "4"},
}
FLEX_PRICES = {"vcpu_hour": 0.02, "memory_gb_hour": 0.002, "storage_gb_hour": 0.0001}


@pytest.fixture
def with_flex(monkeypatch: pytest.MonkeyPatch) -> None:
    prices = {"eu-west-1": {"X86_64": {**PRICES["eu-west-1"]["X86_64"], "flex": FLEX_PRICES}}}  # type: ignore[index]
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__PRICES", json.dumps(prices))


@pytest.mark.usefixtures("with_flex")
def test_on_flex_capacity_the_driver_is_standard() -> None:
    standard = 1 * 0.05 + 4 * 0.006
    flex = 1 * 0.02 + 6 * 0.002 + 100 * 0.0001
    assert cost.estimate(ON_FLEX) == {"amount": pytest.approx(standard + flex), "currency": "USD"}
    assert cost.estimate(FACTS) == {"amount": pytest.approx(0.17), "currency": "USD"}


@pytest.mark.usefixtures("with_flex")
def test_a_driver_has_no_more_than_what_is_billed_and_a_minute_at_least() -> None:
    short = {**ON_FLEX, "total_execution_duration_seconds": 10}
    hours = 60 / 3600
    driver = {"vcpu_hour": 2 * hours, "memory_gb_hour": 8 * hours, "storage_gb_hour": 0.0}
    standard = driver["vcpu_hour"] * 0.05 + driver["memory_gb_hour"] * 0.006
    assert cost.estimate({**short, "billed_resource_utilization": driver}) == {
        "amount": pytest.approx(standard, abs=1e-6),
        "currency": "USD",
    }


@pytest.mark.usefixtures("with_flex")
@pytest.mark.parametrize(
    "unknown",
    [
        {"total_execution_duration_seconds": None},
        {"driver_settings": None},
        {"driver_defaults": None},
        {"driver_settings": {"spark.driver.cores": "3"}},
    ],
    ids=lambda unknown: f"{next(iter(unknown.items()))}",
)
def test_without_the_part_of_the_driver_it_is_an_upper_bound(unknown: dict[str, Any]) -> None:
    assert cost.estimate({**ON_FLEX, **unknown}) == {
        "amount": pytest.approx(0.17),
        "currency": "USD",
        "upper_bound": True,
    }


def test_without_a_price_of_its_own_it_is_an_upper_bound() -> None:
    found = {**ON_FLEX, "cost": cost.estimate(ON_FLEX)}
    assert found["cost"] == {"amount": pytest.approx(0.17), "currency": "EUR", "upper_bound": True}
    assert cost.in_words(found).endswith(", at most 0.17 EUR")
    exact = {**FACTS, "cost": cost.estimate(FACTS)}
    assert cost.total([found, exact])["cost"] == {"amount": 0.34, "currency": "EUR", "upper_bound": True}
    assert "upper_bound" not in cost.total([exact])["cost"]


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
