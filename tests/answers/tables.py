"""``python -m tests.answers.tables``: what the matrix has found, for the documentation.

What is in ``build/answers`` is kept in ``docs/measurements``; the documentation is made from that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.answers.kinds import KINDS
from tests.answers.matrix import DURATIONS
from tests.answers.messages import MESSAGES
from tests.faults.tables import markdown

FOUND = Path("build/answers")
KEPT = Path("docs/measurements")
PACKAGES = ("apache-airflow", "apache-airflow-providers-amazon", "boto3", "botocore", "aiobotocore", "aiohttp")

Record = Mapping[str, Any]
Outcomes = dict[str, dict[str, dict[str, str]]]
"""By kind of resource, operation and kind of answer: a word for each mode and duration."""

_COLUMNS = {
    "start": "start",
    "get": "get",
    "list": "list, at a retry",
    "list of many": "list, of many",
    "cancel": "cancel",
    "report": "report",
    "events": "events",
    "S3": "log on S3",
    "CloudWatch": "log in CloudWatch",
}
# What the words for once, for a while and for ever come to.
_SIGNS = {"ok ok ok": "●", "ok ok left": "○"}


def outcome(record: Record) -> str:
    """A word for what became of a case of this package."""
    if record["problems"]:
        return "broken"
    first = record["tries"][0]
    told = record["operation"] in ("S3", "CloudWatch")
    return "ok" if told or all(said is None for said in first) else "left"


def amazon_outcome(record: Record) -> str:
    """A word for what became of a case of the Amazon provider's operator."""
    if not record["reached"]:
        return "-"
    (first,) = record["tries"][0]
    if first is None:
        return "ok"
    if not record["left"]:
        return "failed"
    if record["ended"]:
        return "cancelled"
    return "twice" if record["started"] > 1 else "left"


def outcomes(records: Iterable[Record], word: Any) -> Outcomes:
    """The words for many."""
    found: Outcomes = {}
    modes: dict[tuple[str, str, str], dict[str, dict[str, str]]] = {}
    for one in records:
        key = (one["resource"], one["operation"], one["kind"])
        modes.setdefault(key, {}).setdefault(one["mode"], {})[one["lasts"]] = word(one)
    for (resource, operation, kind), by_mode in modes.items():
        words = {mode: " ".join(lasting.get(name, "-") for name in DURATIONS) for mode, lasting in by_mode.items()}
        same = set(words.values())
        said = same.pop() if len(same) == 1 else ", ".join(f"{mode}: {words[mode]}" for mode in words)
        found.setdefault(resource, {}).setdefault(operation, {})[kind] = said
    return found


def matrix_table(found: Outcomes) -> str:
    """Kinds of answers and operations."""
    columns = [name for name in _COLUMNS if any(name in operations for operations in found.values())]
    lines = [["the answer", *(_COLUMNS[name] for name in columns)]]
    for kind in [*KINDS, *MESSAGES]:
        cells = [_sign([found[resource].get(name, {}).get(kind) for resource in found]) for name in columns]
        if any(cells):
            lines.append([kind, *cells])
    return markdown(lines)


def _sign(words: Sequence[str | None]) -> str:
    signs = [_SIGNS.get(said, "✕") for said in words if said]
    return " ".join(sorted(set(signs)))


def amazon_table(found: Outcomes) -> str:
    """Kinds of answers, operations and durations, blocking and deferrable."""
    columns = [(resource, operation) for resource in found for operation in found[resource]]
    names = [f"{resource.rpartition(', ')[2]}: {operation}" for resource, operation in columns]
    lines = [["the answer", *names]]
    for kind in KINDS:
        cells = [found[resource][operation].get(kind, "") for resource, operation in columns]
        if any(cells):
            lines.append([kind, *(cell.replace(", deferrable", "<br>deferrable") for cell in cells)])
    return markdown(lines)


def main() -> None:
    """Keep what was found, and write the tables."""
    records = [one for file in sorted(FOUND.glob("*.json")) for one in json.loads(file.read_text())]
    own = [one for one in records if not one["resource"].startswith("Amazon")]
    others = [one for one in records if one["resource"].startswith("Amazon")]
    if own:
        _keep("answers", own, outcomes(own, outcome), matrix_table)
    if others:
        _keep("answers_amazon", others, outcomes(others, amazon_outcome), amazon_table)


def _keep(name: str, records: Sequence[Record], found: Outcomes, table: Any) -> None:
    about = {
        "versions": {package: version(package) for package in PACKAGES},
        "cases": len(records),
        "problems": sum(bool(one["problems"]) for one in records),
        "answers_changed": sum(one["reached"] for one in records),
        "outcomes": found,
    }
    (KEPT / f"{name}.json").write_text(json.dumps(about, indent=1) + "\n")
    (KEPT / f"{name}.md").write_text(f"{_played(about, found)}\n\n{table(found)}\n")
    print(f"{name}: {about['cases']} cases, {about['problems']} problems")


def _played(about: Record, found: Outcomes) -> str:
    """What the cases of a table were."""
    places = "; ".join(f"{resource}: {', '.join(operations)}" for resource, operations in found.items())
    return f"{about['cases']} cases with {about['answers_changed']} wrong answers. Played: {places}."


if __name__ == "__main__":
    main()
