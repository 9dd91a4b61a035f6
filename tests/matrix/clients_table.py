"""``python -m tests.matrix.clients_table``: what each Spark Connect client does in sessions, for the documentation.

``build/clients`` has a JUnit report of each client, as ``make test-clients`` leaves them; with the argument ``servers``
it is ``build/servers``, which has one of each client and Spark, by ``make test-servers``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from tests.faults.tables import markdown

COLUMNS = {
    "sql": "SQL",
    "data_frame": "DataFrame",
    "rows_become_a_data_frame": "createDataFrame of rows",
    "a_frame_of_pandas_becomes_a_data_frame": "createDataFrame of pandas",
    "both_in_a_session_of_this_package": "both, in this package's sessions",
    "python_udf": "Python UDF",
    "pandas_udf": "pandas UDF",
    "a_million_rows": "a million rows to pandas",
    "an_error_of_spark_keeps_its_class": "errors",
    "expired_token_fails_soon": "expired token",
    "terminated_session_ends_its_clients_soon": "ended session",
}
"""What the table shows, by the name of the test without ``test_``."""

_NAME = re.compile(r"test_(?P<test>\w+)\[(?P<label>[\w.-]+)\]")


def rows(report: Path) -> Iterator[tuple[str, ...]]:
    """The rows of one client: one for each release label."""
    signs: dict[str, dict[str, str]] = {}
    servers: dict[str, str] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        named = _NAME.fullmatch(case.get("name", ""))
        if named is None:
            continue
        label = named["label"]
        # A failure that is known is reported as skipped.
        worked = not any(case.find(outcome) is not None for outcome in ("failure", "error", "skipped"))
        signs.setdefault(label, {})[named["test"]] = "●" if worked else "-"
        for given in case.iter("property"):
            if given.get("name") == "server":
                servers[label] = given.get("value", "")
    for label, sign in signs.items():
        client, _, server = report.stem.partition("-on-")
        where = server or f"{label}: {servers.get(label, '?')}"
        yield client, where, *(sign.get(test, "?") for test in COLUMNS)


def main() -> None:
    name = sys.argv[1] if sys.argv[1:] else "clients"
    reports = sorted(Path("build", name).glob("*.xml"), key=lambda report: report.stem.partition("-on-")[::-1])
    target = Path("docs/measurements", f"{name}.md")
    head = ("client", "session, and its Spark here", *COLUMNS.values())
    table = markdown([head, *(row for report in reports for row in rows(report))])
    target.write_text(f"{table}\n", encoding="utf-8")
    print(f"{len(reports)} reports: {target}")


if __name__ == "__main__":
    main()
