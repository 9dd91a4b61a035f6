"""Results of benchmarks: files of JSON in which case after case is noted, and tables."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

FOLDER = Path("build/benchmarks")

_PACKAGES = ("apache-airflow", "apache-airflow-providers-amazon", "aiobotocore", "botocore")


def note(path: Path, case: str, side: str, result: Mapping[str, Any], **about: Any) -> dict[str, Any]:
    """Note the result of a side in a case, beside those that are there already.

    :param about: what holds for all cases
    :return: all that the file holds now
    """
    cases = load(path).get("cases", {})
    cases.setdefault(case, {})[side] = dict(result)
    return write(path, {**about, "cases": cases})


def write(path: Path, results: Mapping[str, Any]) -> dict[str, Any]:
    """Write results to a file of their own, with the versions of what was measured.

    :return: all that the file holds now
    """
    versions = {name: version(name) for name in _PACKAGES}
    report = {
        "benchmark": path.stem,
        "versions": {**versions, "python": platform.python_version()},
        **results,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n")
    return report


def load(path: Path) -> dict[str, Any]:
    """What is noted in a file; nothing, if it is not there."""
    return dict(json.loads(path.read_text())) if path.exists() else {}


def log_of(path: Path, case: str, side: str) -> Path:
    """Where the log of a side in a case belongs, beside its results."""
    return path.parent / "logs" / f"{path.stem} {case} {side}.log".replace(" ", "-")


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Columns of text: the first to the left, the others to the right."""
    cells = [list(headings), *([shown(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    lines = [
        "  ".join(cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(row, widths, strict=True)) for row in cells)
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def markdown(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table of Markdown."""
    lines = [headings, ["---", *("---:" for _ in headings[1:])], *([shown(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


COMPARED = ("Amazon provider", "this package", "ratio", "limit", "")
"""Headings of the columns of :func:`compared`, after the first."""


def compared(
    words: str, theirs: float | None, ours: float | None, *, limit: float | None = None, part: int | None = None
) -> tuple[Any, ...]:
    """A row of a table: a figure of either side, and what this package's is measured by.

    :param limit: that it is not to exceed
    :param part: the part of the Amazon provider's that it is not to exceed: ``30`` for a thirtieth
    """
    ratio = f"1/{theirs / ours:.0f}" if theirs and ours and theirs > 1.5 * ours else ""
    asked = ""
    if limit is not None:
        asked = f"<= {limit:g}"
    elif part is not None and theirs is not None:
        limit, asked = theirs / part, f"<= 1/{part}" if part > 1 else f"<= {theirs:g}"
    met = "" if limit is None or ours is None else "met" if ours <= limit else "NOT MET"
    return words, theirs, ours, ratio, asked, met


def beside(
    heading: str, figures: Mapping[str, Mapping[str, float]], labels: Mapping[str, str]
) -> tuple[list[str], list[list[Any]]]:
    """Headings and rows of a table of sides beside each other, with each one's part of the first.

    :param figures: by side and words
    :param labels: of the sides
    """
    first, *others = figures
    rows: list[list[Any]] = []
    for words, theirs in figures[first].items():
        row: list[Any] = [words, float(theirs)]
        for side in others:
            ours = float(figures[side][words])
            row += [ours, f"{ours / theirs:.2f}x" if theirs else ""]
        rows.append(row)
    return [heading, labels[first], *(cell for side in others for cell in (labels[side], ""))], rows


def shown(value: Any) -> str:
    """A number as people read it; nothing for ``None``."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
