"""The recipes for Amazon MWAA: their locks are the images, but for what is named here with its reason."""

from __future__ import annotations

import re
from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement

from airflow_emrs_ext import __version__
from tests.mwaa import IMAGES, NEEDS_A_COMPILER, ROOT, WITHOUT, image, name_of, pins, recipe

ADDED = {
    "spark35": {"py4j", "pyspark"},
    "spark-client": {"pyspark-client"},
}
"""What the extra of a recipe brings, beside what the images lack of what it needs."""

NEEDED = {"grpcio-status", "numpy", "pandas", "pyarrow", "zstandard"}
# A bill of materials lacks what the tool that writes it needs; async-timeout is for Python before 3.11.3.
UNLISTED = {"async-timeout", "setuptools", "wcwidth"}
# What runs the tests.
TOOLS = {"iniconfig", "pluggy", "pygments", "pytest", "pytest-asyncio", "pytest-timeout"}


def lock(version: str) -> dict[str, str]:
    return pins((ROOT / f"tests/locks/mwaa-{version}.txt").read_text())


def test_the_images_are_there() -> None:
    assert IMAGES == ("2.10.1", "2.10.3", "2.11.0", "2.11.2", "3.0.6", "3.2.1", "3.3.1")


@pytest.mark.parametrize("version", IMAGES)
def test_the_recipe_changes_nothing_of_the_image(version: str) -> None:
    has = {name: pin for name, pin in image(version, "image").items() if name not in NEEDS_A_COMPILER}
    locked = lock(version)
    assert {name: locked.get(name) for name in has} == has


@pytest.mark.parametrize("version", IMAGES)
def test_the_lock_has_the_versions_of_the_constraints(version: str) -> None:
    locked, constraints, essential = lock(version), image(version, "constraints"), image(version, "essential")
    differ = {name for name in locked.keys() & constraints.keys() if locked[name] != constraints[name]}
    assert differ == set(WITHOUT.get(version, {}))
    assert not differ & essential.keys()
    assert {name: locked[name] for name in essential.keys() & locked.keys()} == {
        name: pin for name, pin in essential.items() if name in locked
    }


@pytest.mark.parametrize("version", IMAGES)
def test_what_the_recipe_adds_is_the_client_and_what_it_needs(version: str) -> None:
    (extra,) = re.findall(r"^airflow-emrs-ext\[([\w-]+)\] @ ", recipe(version), flags=re.MULTILINE)
    added = lock(version).keys() - image(version, "image").keys() - TOOLS - UNLISTED
    assert ADDED[extra] <= added <= ADDED[extra] | NEEDED


@pytest.mark.parametrize("version", IMAGES)
def test_without_an_extra_nothing_is_added(version: str) -> None:
    has = image(version, "image")
    for requirement in map(Requirement, requires("airflow-emrs-ext") or []):
        if requirement.marker is None:
            assert requirement.specifier.contains(has[name_of(requirement.name)], prereleases=True), requirement


@pytest.mark.parametrize("version", [*IMAGES, "base"])
def test_the_recipe_names_the_wheel(version: str) -> None:
    wheel = f"file:///usr/local/airflow/plugins/airflow_emrs_ext-{__version__}-py3-none-any.whl"
    assert (
        len(re.findall(rf"^airflow-emrs-ext(?:\[[\w-]+\])? @ {re.escape(wheel)}$", recipe(version), re.MULTILINE)) == 1
    )


@pytest.mark.parametrize("version", IMAGES)
def test_the_recipe_is_shown_and_says_what_it_leaves_out(version: str) -> None:
    guide = (ROOT / "docs/guides/mwaa.md").read_text()
    assert f"(mwaa-{version.replace('.', '-')})=" in guide
    assert f"../mwaa/requirements-{version}.txt" in guide
    # Whoever leaves out a line of the constraints does so with a file of another name.
    names = "-".join(WITHOUT.get(version, {}))
    assert (f"/usr/local/airflow/dags/constraints-{version}-without-{names}.txt" in recipe(version)) == bool(names)
