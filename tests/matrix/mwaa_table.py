"""``python -m tests.matrix.mwaa_table``: the results of the tests of each Amazon MWAA image, for the documentation.

``build/mwaa`` has a JUnit report of each image, as ``make test-mwaa`` leaves them.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from tests.faults.tables import markdown
from tests.mwaa import IMAGES

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


def row(version: str) -> tuple[str, ...]:
    """The row of one image."""
    report = REPORTS / f"{version}.xml"
    cases = ElementTree.parse(report).iter("testcase") if report.is_file() else ()
    outcomes = {str(case.get("name")): {part.tag for part in case} for case in cases}
    signs = (_sign([outcomes.get(test) for test in tests]) for tests in COLUMNS.values())
    return version, *signs, f"[`requirements-{version}.txt`](#mwaa-{version.replace('.', '-')})"


def _sign(outcomes: list[set[str] | None]) -> str:
    tags = [outcome for outcome in outcomes if outcome is not None]
    if any(one & {"failure", "error", "skipped"} for one in tags):
        return "-"
    return "●" if len(tags) == len(outcomes) else "?"


def main() -> None:
    table = markdown([("image", *COLUMNS, "recipe"), *map(row, IMAGES)])
    TABLE.write_text(f"{table}\n", encoding="utf-8")
    print(f"{len(IMAGES)} images: {TABLE}")


if __name__ == "__main__":
    main()
