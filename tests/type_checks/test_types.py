"""Type checkers find what authors of DAGs get wrong, and nothing in what they get right."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def lines_with(pattern: str, text: str) -> set[int]:
    return {int(found) for found in re.findall(pattern, text, re.MULTILINE)}


@pytest.mark.parametrize(
    ("checker", "error"),
    [
        (["mypy"], r"{}:(\d+): error"),
        # Pyright, in a wheel.
        (["basedpyright", "--level", "error", "--pythonpath", sys.executable], r"{}:(\d+):\d+ - error"),
    ],
    ids=["mypy", "pyright"],
)
def test_each_wrong_use_is_found_and_no_other(checker: list[str], error: str) -> None:
    files = ["tests/type_checks/right.py", "tests/type_checks/wrong.py"]
    done = subprocess.run([sys.executable, "-m", *checker, *files], cwd=ROOT, capture_output=True, text=True)
    lines = (ROOT / "tests/type_checks/wrong.py").read_text().splitlines()
    wrong = {number for number, line in enumerate(lines, start=1) if line.endswith("# wrong")}
    assert len(wrong) > 25
    assert lines_with(error.format(r"wrong\.py"), done.stdout) == wrong, done.stdout + done.stderr
    assert not lines_with(error.format(r"right\.py"), done.stdout), done.stdout


@pytest.mark.skipif("EMRS_TEST_WHEEL" not in os.environ, reason="only `make test` promises an installed wheel")
def test_what_is_public_has_a_type() -> None:
    """What is left is Airflow's: the metaclass of its operators, and its hook of AWS, are not typed."""
    command = [sys.executable, "-m", "basedpyright", "--verifytypes", "airflow_emrs_ext", "--ignoreexternal"]
    found = json.loads(subprocess.run([*command, "--outputjson"], capture_output=True, text=True).stdout)
    exported = [one for one in found["typeCompleteness"]["symbols"] if one["isExported"]]
    assert len(exported) > 3_000
    assert [one["name"] for one in exported if one["isTypeAmbiguous"]] == []
    # A class is unknown where its base or its metaclass is; and so is what has such a class for its type.
    unknown = [one for one in exported if not one["isTypeKnown"]]
    others = [one["name"] for one in unknown if one["category"] not in ("class", "type alias")]
    assert sorted(others) == [
        "airflow_emrs_ext.hooks.connect_tunnel.ConnectTunnel.__init__",
        "airflow_emrs_ext.operators.in_session.InSessionOperator.aws_hook_class",
    ]
    said = {line["message"] for one in unknown for line in one["diagnostics"] if one["category"] == "class"}
    assert {one for one in said if not re.match(r"Type of (metaclass|base class).* unknown$", one)} == set()
