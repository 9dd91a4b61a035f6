"""What is tested is the wheel: its modules, its entry points, and nothing of the tree beside it."""

from __future__ import annotations

import os
from importlib.metadata import distribution, entry_points
from pathlib import Path

import pytest

import airflow_emrs_ext

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif("EMRS_TEST_WHEEL" not in os.environ, reason="only `make test` promises an installed wheel")
def test_the_package_comes_from_the_wheel() -> None:
    assert Path(airflow_emrs_ext.__file__).parent != ROOT / "airflow_emrs_ext"


def test_the_wheel_holds_every_module_and_the_licence() -> None:
    package = Path(airflow_emrs_ext.__file__).parent
    modules = {path.relative_to(ROOT / "airflow_emrs_ext") for path in (ROOT / "airflow_emrs_ext").rglob("*.py")}
    assert modules - {path.relative_to(package) for path in package.rglob("*.py")} == set()
    assert (package / "py.typed").is_file()
    assert "Apache" in (distribution("airflow-emrs-ext").read_text("licenses/LICENSE") or "")


@pytest.mark.parametrize("group", ["apache_airflow_provider", "console_scripts"])
def test_entry_points_lead_somewhere(group: str) -> None:
    ours = [point for point in entry_points(group=group) if point.value.startswith("airflow_emrs_ext.")]
    assert ours
    assert all(callable(point.load()) for point in ours)
