"""``python -m tests.faults.tables [AIRFLOW_VERSION]``: what the fault tests have found, a table for each suite."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from tests.faults.report import FOLDER

# What every line of a run has in common, or what is only a name of the line itself.
_LEFT_OUT = ("suite", "case", "amazon_provider")


def facts(airflow: str = "*") -> list[dict[str, Any]]:
    """Every line that has been written down, by suite.

    :param airflow: of this version only
    """
    return sorted((json.loads(file.read_text()) for file in FOLDER.glob(f"*-{airflow}.json")), key=_order)


def table(lines: Sequence[Mapping[str, Any]]) -> str:
    """Lines of one suite as a Markdown table."""
    columns = list(dict.fromkeys(name for line in lines for name in line if name not in _LEFT_OUT))
    return markdown([columns, *([_cell(line.get(column)) for column in columns] for line in lines)])


def markdown(cells: Sequence[Sequence[str]]) -> str:
    """A Markdown table, its first line the names of its columns."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rows = [_row(row, widths) for row in cells]
    return "\n".join([rows[0], _row(["-" * width for width in widths], widths), *rows[1:]])


def _order(line: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(line.get(name, "")) for name in ("suite", "operator", "what", "case", "mode", "airflow"))


def _row(cells: Iterable[str], widths: Iterable[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"


def _cell(value: Any) -> str:
    return "" if value is None else str(value)


if __name__ == "__main__":
    for suite, lines in groupby(facts(*sys.argv[1:]), key=lambda line: line["suite"]):
        print(f"\n## {suite}\n\n{table(list(lines))}")
