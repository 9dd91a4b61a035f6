"""``python -m tests.matrix.mwaa_table``: what works in each image of Amazon MWAA, for the documentation.

``build/mwaa`` has a JUnit report of each image, as ``make test-mwaa`` leaves them.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from tests.faults.tables import markdown

REPORTS = Path("build/mwaa")
TABLE = Path("docs/measurements/mwaa.md")
COLUMNS = {
    "base": (
        "test_the_environment_is_the_image",
        "test_airflow_finds_the_provider_and_the_plugin",
        "test_every_module_can_be_imported",
        "test_the_image_knows_every_shape_of_the_api",
        "test_job_run[False]",
        "test_job_run[True]",
    ),
    "sessions": (
        "test_session_from_start_to_end[False]",
        "test_session_from_start_to_end[True]",
        "test_dag_with_a_session",
    ),
    "links": ("test_links",),
    "demo DAG": ("test_demo",),
}
"""The tests behind each column, all of which have to pass; where one has not been run the table has a question mark."""


def row(report: Path) -> tuple[str, ...]:
    """The row of one image."""
    cases = {str(case.get("name")): case for case in ElementTree.parse(report).iter("testcase")}
    signs = (_sign([cases.get(test) for test in tests]) for tests in COLUMNS.values())
    recipe = f"requirements-{report.stem}.txt"
    return report.stem, *signs, f"[`{recipe}`](#mwaa-{report.stem.replace('.', '-')})"


def _sign(cases: list[ElementTree.Element | None]) -> str:
    if None in cases:
        return "?"
    outcomes = [
        one
        for case in cases
        if case is not None
        for one in ("failure", "error", "skipped")
        if case.find(one) is not None
    ]
    return "-" if outcomes else "●"


def main() -> None:
    reports = sorted(REPORTS.glob("*.xml"), key=lambda report: [int(part) for part in report.stem.split(".")])
    table = markdown([("image", *COLUMNS, "recipe"), *map(row, reports)])
    TABLE.write_text(f"{table}\n", encoding="utf-8")
    print(f"{len(reports)} images: {TABLE}")


if __name__ == "__main__":
    main()
