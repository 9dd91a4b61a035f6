"""Every shell command of the documentation is run as written, page by page, each from an empty home directory."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.doc_commands import ROOT, Reader, Step, steps_of
from tests.polling import eventually

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.spark,
    pytest.mark.timeout(3600),
    pytest.mark.documentation,
]

INSTALLS = "installs from an index; this environment has what it installs"
RELEASES = "installs from an index; see system/test_releases.py"
# What cannot be run here, and why. Whatever else a page has is run.
NOT_RUN = {
    "README.md": {
        "make demo    # a real Airflow runs a DAG with real Spark jobs on the local endpoint": "system/test_demo.py",
        "make test    # the tests of the wheel, on Airflow 3.3 and 2.10": "runs this",
    },
    "docs/getting-started.md": {
        "python3 -m venv .venv": INSTALLS,
        "source .venv/bin/activate": INSTALLS,
        "pip install 'apache-airflow==3.3.2' 'airflow_emrs_ext-0.1.0-py3-none-any.whl[local]'": INSTALLS,
        "make demo": "system/test_demo.py",
    },
    "docs/guides/local-endpoint.md": {
        "pip install 'airflow_emrs_ext-0.1.0-py3-none-any.whl[local]'": INSTALLS,
        "emrs-local runtimes install emr-7.9.0": RELEASES,
        "emrs-local runtimes": RELEASES,
    },
    "docs/guides/notifications.md": {
        "python -m airflow_emrs_ext.notifications --queue-name airflow-emrs-ext": "on AWS; the same is run without it",
    },
}
# Pages that are tried another way.
NOT_RUN_HERE = {
    "docs/guides/dbt.md": "installs from an index; make test-dbt builds its project",
    "docs/guides/mwaa.md": "on Amazon MWAA; make test-mwaa has the environments that its commands make",
    "docs/guides/testing.md": "installs from an index; system/test_testing_page.py runs its project",
}
# Of AWS's command line, which the extra does not bring: these pages say so.
WITH_AWS = {"docs/guides/data-access.md", "docs/guides/local-endpoint.md"}
COMMANDS = ("airflow", "emrs-local", "python")
# Of what the pages start, unless they say otherwise.
PORTS = (4568, 8080)

PAGES = {
    str(page.relative_to(ROOT)): [*steps_of(page)]
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if "_build" not in page.parts
}


def runnable(page: str) -> list[Step]:
    """What is to be run of a page."""
    known = NOT_RUN.get(page, ())
    return [] if page in NOT_RUN_HERE else [step for step in PAGES[page] if step.command not in known]


def test_what_is_not_run_is_on_its_page() -> None:
    gone = [
        (page, command)
        for page, commands in NOT_RUN.items()
        for command in commands
        if command not in [step.command for step in PAGES.get(page, ())]
    ]
    assert gone == []
    assert NOT_RUN_HERE.keys() <= PAGES.keys()


@pytest.mark.parametrize("page", [page for page in PAGES if any(step.command for step in runnable(page))])
def test_page(page: str, tmp_path: Path) -> None:
    for port in PORTS:
        eventually(lambda port=port: is_free(port), within=120)
    home = tmp_path / "home"
    home.mkdir()
    reader = Reader(home, COMMANDS + ("aws",) * (page in WITH_AWS))
    try:
        for step in runnable(page):
            reader.follow(step)
        reader.end_server()
    finally:
        reader.leave()


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
