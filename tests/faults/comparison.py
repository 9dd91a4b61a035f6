"""``python -m tests.faults.comparison``: the tables of ``docs/explanation/comparison.md``, from the tests' facts."""

from __future__ import annotations

from typing import Any

from tests.faults.tables import facts, table

_OPERATORS = {"amazon job run": "Amazon", "job run": "ext"}
_SUITES = {
    "comparison": {"started": "started", "most_active_at_once": "at once", "left_active": "left", "task": "task"},
    "hundreds of tasks": {
        "started": "started",
        "most_active_at_once": "at once",
        "left_active": "left",
        "failed_tasks": "failed",
        "last_over_after_seconds": "last over, s",
    },
}


def side_by_side(suite: str, airflow: str) -> list[dict[str, Any]]:
    """The lines of a suite that there are of both operators, as one line each."""
    lines: dict[str, dict[str, Any]] = {}
    for line in facts(airflow):
        if line["suite"] == suite and line["operator"] in _OPERATORS:
            lines.setdefault(line["what"], {})[line["operator"]] = line
    return [
        {
            "What happens": what,
            **{
                f"{name}: {column}": of[operator].get(fact)
                for operator, name in _OPERATORS.items()
                for fact, column in _SUITES[suite].items()
            },
        }
        for what, of in lines.items()
        if set(of) == set(_OPERATORS)
    ]


if __name__ == "__main__":
    for version in sorted({line["airflow"] for line in facts()}):
        for suite in _SUITES:
            if lines := side_by_side(suite, version):
                print(f"\n## Airflow {version}, {suite}\n\n{table(lines)}")
