"""The facts of the fault tests, as JSON: one file per case in ``build/faults``."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get("EMRS_FAULTS_REPORT", Path(__file__).parents[2] / "build" / "faults"))


def record(suite: str, case: str, *, operator: str, **facts: Any) -> dict[str, Any]:
    """Write down what a case showed.

    :return: the facts
    """
    row = {
        "suite": suite,
        "case": case,
        "operator": operator,
        "airflow": version("apache-airflow"),
        "amazon_provider": version("apache-airflow-providers-amazon"),
        **facts,
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{suite}-{case}-{row['airflow']}.json").write_text(json.dumps(row, indent=1) + "\n")
    print(json.dumps(row))
    return row


def most_at_once(resources: Iterable[Mapping[str, Any]], over: Collection[str]) -> int:
    """How many of these were active at the same time.

    :param over: the states in which one is not active any more
    """
    moments: list[tuple[str, int]] = []
    for resource in resources:
        history = resource["stateHistory"]
        moments.append((history[0]["at"], 1))
        moments += [(change["at"], -1) for change in history if change["state"] in over][:1]
    active = most = 0
    for _, step in sorted(moments):
        active += step
        most = max(most, active)
    return most
