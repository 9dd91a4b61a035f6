"""What the log says of a resource whose wait is over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_emrs_ext.core import cost

if TYPE_CHECKING:
    from airflow_emrs_ext.core.effects import Log

_SHOWN_IDS = (
    "application_id",
    "virtual_cluster_id",
    "cluster_id",
    "job_run_id",
    "session_id",
    "step_id",
    "endpoint_id",
)


def log_summary(facts: dict[str, Any], log: Log) -> None:
    """Estimate what it costs if it is over, and say in one line how it stands.

    :param facts: gains ``cost``
    """
    if facts.get("ended_at"):
        facts["cost"] = cost.estimate(facts)
    log.info("%s", summary(facts))


def summary(facts: Mapping[str, Any]) -> str:
    """One line on how a resource stands: its state, its attempts, where its logs are."""
    resource = " ".join(f"{name}={facts[name]}" for name in _SHOWN_IDS if name in facts)
    parts = [f"{resource or 'nothing started'}: {facts.get('state', 'state unknown')}"]
    if attempts := facts.get("attempts"):
        parts.append("attempts " + ", ".join(f"{one['attempt']} {one['state']}" for one in attempts))
    if facts.get("flex_execution"):
        parts.append("Flex capacity")
    if billed := cost.in_words(facts):
        parts.append(billed)
    if s3_uri := (facts.get("log_locations") or {}).get("s3_uri"):
        parts.append(f"logs {s3_uri}")
    return "; ".join(parts)
